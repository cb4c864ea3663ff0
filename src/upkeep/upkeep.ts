import { ENDED_KEY_KEPT_MS, IDEMPOTENCY_KEPT_MS, RECOVERY_KEPT_MS } from '../limits.ts';
import type { Clock, Timer } from '../model/clock.ts';
import type { Recovery, Store } from '../store/store.ts';
import { expungeExpired } from './payloads.ts';
import { Recoveries } from './recoveries.ts';
import { Withdrawals } from './withdrawals.ts';

export interface UpkeepOptions {
  store: Pick<
    Store,
    | 'deliveryWithdraw'
    | 'deliveryOrphans'
    | 'recoveryList'
    | 'recoveryStep'
    | 'recoveryPurge'
    | 'messageListExpired'
    | 'messageExpunge'
    | 'idempotencyPurge'
    | 'keyPurge'
  >;
  clock: Clock;
  /** Deliveries of this endpoint wait in the store again, due at `dueAt`. */
  stored(endpointKey: number, dueAt: number): void;
  /** These were leased, and are cancelled. */
  dropped(deliveries: readonly { messageKey: number; endpointKey: number }[]): void;
  log: { warn(fields: object, text: string): void };
}

/** Rows deleted by one step: small, so that a step never holds up a publish for long. */
const STEP_ROWS = 500;
const ROUND_EVERY_MS = 60_000;

/** The work that nobody waits for, in small steps. */
export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #withdrawals: Withdrawals;
  readonly #recoveries: Recoveries;
  #timer: Timer | null = null;
  #stopped = false;

  constructor(options: UpkeepOptions) {
    this.#options = options;
    this.#withdrawals = new Withdrawals(options);
    this.#recoveries = new Recoveries(options);
  }

  /** Takes up what the last run left, and begins its rounds. */
  async start(): Promise<void> {
    // A process that ended between the deletion of an endpoint and the end of its deliveries left these.
    for (const endpointKey of await this.#options.store.deliveryOrphans()) this.withdraw(endpointKey);
    await this.#recoveries.start();
    this.#roundLater();
  }

  stop(): void {
    this.#stopped = true;
    this.#withdrawals.stop();
    this.#recoveries.stop();
    this.#timer?.cancel();
  }

  /** Takes back what is open for an endpoint that was deleted or disabled. */
  withdraw(endpointKey: number): void {
    this.#withdrawals.add(endpointKey);
  }

  /** The endpoint may be enabled again: recoveries that waited for that go on. */
  endpointChanged(endpointKey: number): void {
    this.#recoveries.again(endpointKey);
  }

  /** Goes on with a recovery until it is finished. */
  recover(recovery: Recovery): void {
    this.#recoveries.add(recovery);
  }

  #roundLater(): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.timer(ROUND_EVERY_MS, () => void this.#round());
  }

  /** What is over by time. One that fails keeps no other from its turn; all come again with the next round. */
  async #round(): Promise<void> {
    const { store, clock } = this.#options;
    const now = clock.now();
    // In case that one was laid aside just after its endpoint was enabled.
    this.#recoveries.again();
    await this.#attempt('payloads whose time is over could not be expunged', () =>
      expungeExpired(this.#options, () => this.#stopped),
    );
    await this.#attempt('old idempotency keys could not be deleted', () =>
      this.#repeat(() => store.idempotencyPurge({ before: now - IDEMPOTENCY_KEPT_MS, limit: STEP_ROWS })),
    );
    await this.#attempt('keys that ended long ago could not be deleted', () =>
      this.#repeat(() => store.keyPurge({ before: now - ENDED_KEY_KEPT_MS, limit: STEP_ROWS })),
    );
    await this.#attempt('old recoveries could not be deleted', () =>
      this.#repeat(() => store.recoveryPurge({ before: now - RECOVERY_KEPT_MS, limit: STEP_ROWS })),
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
