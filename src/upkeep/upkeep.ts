import { ENDED_KEY_KEPT_MS, IDEMPOTENCY_KEPT_MS, TASK_KEPT_MS } from '../limits.ts';
import type { Clock, Timer } from '../model/clock.ts';
import type { Stopped, Store } from '../store/store.ts';
import { Announcements, type OperationalMessage } from './announcements.ts';
import { Expiry } from './expiry.ts';
import { expungeExpired } from './payloads.ts';
import { type RunningTask, Tasks } from './tasks.ts';
import { Withdrawals } from './withdrawals.ts';

export interface UpkeepOptions {
  store: Pick<
    Store,
    | 'deliveryWithdraw'
    | 'deliveryOrphans'
    | 'deliveryExpire'
    | 'deliveryCancel'
    | 'taskListRunning'
    | 'taskStep'
    | 'taskPurge'
    | 'announcementList'
    | 'announcementDelete'
    | 'attemptFind'
    | 'messageFind'
    | 'applicationFindByKey'
    | 'messageListExpired'
    | 'messageExpunge'
    | 'idempotencyPurge'
    | 'keyPurge'
  >;
  clock: Clock;
  /** Deliveries of this endpoint wait in the store again, due at `dueAt`. */
  stored(endpointKey: number, dueAt: number): void;
  /** These were leased and are no longer; with `resends`, leased resends of them neither. */
  dropped(
    deliveries: readonly { readonly messageKey: number; readonly endpointKey: number }[],
    options: { resends: boolean },
  ): void;
  /** Publishes into the operational application: see `AnnouncementsOptions`. */
  publish(messages: readonly OperationalMessage[]): Promise<unknown>;
  log: { warn(fields: object, text: string): void };
}

/** Rows deleted by one step: small, so that a step never holds up a publish for long. */
const STEP_ROWS = 500;
const ROUND_EVERY_MS = 60_000;

/** The work that nobody waits for, in small steps. */
export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #withdrawals: Withdrawals;
  readonly #tasks: Tasks;
  readonly #expiry: Expiry;
  readonly #announcements: Announcements;
  #timer: Timer | null = null;
  #stopped = false;

  constructor(options: UpkeepOptions) {
    this.#options = options;
    const parts = { ...options, follow: this.#follow };
    this.#withdrawals = new Withdrawals(options);
    this.#tasks = new Tasks(parts);
    this.#expiry = new Expiry(parts);
    this.#announcements = new Announcements(options);
  }

  /** Takes up what the last run left, and begins its rounds. */
  async start(): Promise<void> {
    // A process that ended between the deletion of an endpoint and the end of its deliveries left these.
    for (const endpointKey of await this.#options.store.deliveryOrphans()) this.withdraw(endpointKey);
    await this.#tasks.start();
    this.#expiry.start();
    this.announced();
    this.#roundLater();
  }

  stop(): void {
    this.#stopped = true;
    for (const part of [this.#withdrawals, this.#tasks, this.#expiry, this.#announcements]) part.stop();
    this.#timer?.cancel();
  }

  /** Takes back what is open for an endpoint that was deleted, disabled or paused. */
  withdraw(endpointKey: number): void {
    this.#withdrawals.add(endpointKey);
  }

  /** The endpoint may take something again: tasks that waited for that go on. */
  endpointChanged(endpointKey: number): void {
    this.#tasks.again(endpointKey);
  }

  /** Goes on with a task until it ends. */
  task(task: RunningTask): void {
    this.#tasks.add(task);
  }

  /** These were found in memory too old to be worth sending: they are cancelled in the store. */
  expired(deliveries: readonly { readonly messageKey: number; readonly endpointKey: number }[]): void {
    this.#expiry.add(deliveries);
  }

  /** Announcements were written, or may have been. */
  announced(): void {
    this.#announcements.poke();
  }

  readonly #follow = ({ dropped, stored }: Stopped, resends: { resends: boolean }): void => {
    if (dropped.length > 0) this.#options.dropped(dropped, resends);
    for (const { endpointKey, dueAt } of stored) this.#options.stored(endpointKey, dueAt);
  };

  #roundLater(): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.timer(ROUND_EVERY_MS, () => void this.#round());
  }

  /** What is over by time. One that fails keeps no other from its turn; all come again with the next round. */
  async #round(): Promise<void> {
    const { store, clock } = this.#options;
    const now = clock.now();
    // In case that one was laid aside just after its endpoint was enabled, or written without a word.
    this.#tasks.again();
    this.announced();
    await this.#attempt('payloads whose time is over could not be expunged', () =>
      expungeExpired({ store, clock, follow: this.#follow }, () => this.#stopped),
    );
    await this.#attempt('old idempotency keys could not be deleted', () =>
      this.#repeat(() => store.idempotencyPurge({ before: now - IDEMPOTENCY_KEPT_MS, limit: STEP_ROWS })),
    );
    await this.#attempt('keys that ended long ago could not be deleted', () =>
      this.#repeat(() => store.keyPurge({ before: now - ENDED_KEY_KEPT_MS, limit: STEP_ROWS })),
    );
    await this.#attempt('old tasks could not be deleted', () =>
      this.#repeat(() => store.taskPurge({ before: now - TASK_KEPT_MS, limit: STEP_ROWS })),
    );
    this.#roundLater();
  }

  async #attempt(failure: string, work: () => Promise<void>): Promise<void> {
    if (this.#stopped) return;
    try {
      await work();
    } catch (error) {
      this.#options.log.warn({ err: error }, `${failure}; trying again`);
    }
  }

  /** Repeats a step that deletes up to `STEP_ROWS`, until it finds fewer. */
  async #repeat(step: () => Promise<number>): Promise<void> {
    while (!this.#stopped && (await step()) >= STEP_ROWS) {
      await new Promise<void>((resolve) => this.#options.clock.soon(resolve));
    }
  }
}
