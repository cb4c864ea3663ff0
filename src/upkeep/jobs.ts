import {
  ENDED_KEY_KEPT_MS,
  HOURS_KEPT_MS,
  IDEMPOTENCY_KEPT_MS,
  MINUTES_KEPT_MS,
  TASK_KEPT_MS,
} from '../limits.ts';
import type { Clock, Timer } from '../model/clock.ts';
import { HOUR_MS } from '../model/tally.ts';
import type { Stopped, Store } from '../store/store.ts';
import { Announcements, type AnnouncementsOptions } from './announcements.ts';
import { Expiry, type ExpiryOptions } from './expiry.ts';
import { expungeExpired, type PayloadsOptions } from './payloads.ts';
import { Tasks, type TasksOptions } from './tasks.ts';
import { Tending, type TendingOptions } from './tending.ts';

export interface JobsOptions {
  store: AnnouncementsOptions['store'] &
    ExpiryOptions['store'] &
    PayloadsOptions['store'] &
    TasksOptions['store'] &
    TendingOptions['store'] &
    Pick<Store, 'idempotencyPurge' | 'keyPurge' | 'sessionPurge' | 'taskPurge' | 'tallyRoll' | 'tallyPurge'>;
  clock: Clock;
  publish: AnnouncementsOptions['publish'];
  /** What was stopped or set free. */
  follow(stopped: Stopped): void;
  /** How long messages are kept, in ms; null: for ever. */
  keepMs: number | null;
  log: { warn(fields: object, text: string): void };
}

/** Rows deleted by one step: small, so that a step never holds up a publish for long. */
const STEP_ROWS = 500;
const ROUND_EVERY_MS = 60_000;

/** What one process does for all on a store: the one that leads, for as long as it does. */
export class Jobs {
  readonly tasks: Tasks;
  readonly announcements: Announcements;
  readonly #options: JobsOptions;
  readonly #expiry: Expiry;
  readonly #tending: Tending;
  #timer: Timer | null = null;
  #stopped = false;

  constructor(options: JobsOptions) {
    this.#options = options;
    this.tasks = new Tasks(options);
    this.announcements = new Announcements(options);
    this.#expiry = new Expiry(options);
    this.#tending = new Tending(options);
  }

  /** Takes up what others left, and begins its rounds. */
  async start(): Promise<void> {
    await this.look();
    if (this.#stopped) return;
    this.#expiry.start();
    this.#tending.start();
    this.#roundLater();
  }

  /** For good. A step that is under way goes on to its end. */
  stop(): void {
    this.#stopped = true;
    for (const part of [this.tasks, this.announcements, this.#expiry, this.#tending]) part.stop();
    this.#timer?.cancel();
  }

  /** Other processes may have begun something. */
  async look(): Promise<void> {
    this.announcements.poke();
    await this.tasks.look();
  }

  #roundLater(): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.timer(ROUND_EVERY_MS, () => void this.#round());
  }

  /** What is over by time. One that fails keeps no other from its turn; all come again with the next round. */
  async #round(): Promise<void> {
    const { store, clock, follow } = this.#options;
    const now = clock.now();
    // In case that one was laid aside just after its endpoint was enabled, or written without a word.
    this.tasks.again();
    this.announcements.poke();
    await this.#attempt('payloads whose time is over could not be expunged', () =>
      expungeExpired({ store, clock, follow }, () => this.#stopped),
    );
    await this.#attempt('old idempotency keys could not be deleted', () =>
      this.#repeat(() => store.idempotencyPurge({ before: now - IDEMPOTENCY_KEPT_MS, limit: STEP_ROWS })),
    );
    await this.#attempt('keys that ended long ago could not be deleted', () =>
      this.#repeat(() => store.keyPurge({ before: now - ENDED_KEY_KEPT_MS, limit: STEP_ROWS })),
    );
    await this.#attempt('sessions that are over could not be deleted', () =>
      this.#repeat(() => store.sessionPurge({ before: now, limit: STEP_ROWS })),
    );
    await this.#attempt('old tasks could not be deleted', () =>
      this.#repeat(() => store.taskPurge({ before: now - TASK_KEPT_MS, limit: STEP_ROWS })),
    );
    await this.#attempt('statistics could not be rolled up', () => this.#rollUp(now));
    this.#roundLater();
  }

  /** Minutes into hours; and hours are forgotten. */
  async #rollUp(now: number): Promise<void> {
    const { store, keepMs } = this.#options;
    const minutesKept = now - MINUTES_KEPT_MS;
    const rolled = { before: minutesKept - (minutesKept % HOUR_MS), limit: STEP_ROWS };
    await this.#repeat(() => store.tallyRoll(rolled));
    const before = now - Math.max(HOURS_KEPT_MS, keepMs ?? 0);
    await this.#repeat(() => store.tallyPurge({ before, limit: STEP_ROWS }));
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
