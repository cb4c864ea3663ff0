import { RETENTION_STEP } from '../limits.ts';
import type { Clock, Timer } from '../model/clock.ts';
import type { Store } from '../store/store.ts';

export interface TendingOptions {
  store: Pick<Store, 'storeTend'>;
  clock: Clock;
  /** How long messages are kept, in ms; null: for ever. */
  keepMs: number | null;
  log: { warn(fields: object, text: string): void };
}

const ROUND_EVERY_MS = 60_000;

/**
 * Looks after the store in rounds, of which the larger part is that it forgets what is too old. Steps are as large as they may be to
 * take `RETENTION_STEP.ms`, and after each one everything else has its time.
 */
export class Tending {
  readonly #options: TendingOptions;
  #timer: Timer | null = null;
  #stopped = false;
  #rows = RETENTION_STEP.rows.first;

  constructor(options: TendingOptions) {
    this.#options = options;
  }

  start(): void {
    this.#later(ROUND_EVERY_MS);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #later(ms: number): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.timer(ms, () => void this.#step());
  }

  async #step(): Promise<void> {
    const { store, clock, keepMs, log } = this.#options;
    try {
      const begin = clock.monotonic();
      const { more } = await store.storeTend({ now: clock.now(), keepMs, rows: this.#rows });
      const ms = clock.monotonic() - begin;
      if (more) this.#fit(ms);
      this.#later(more ? Math.max(1, ms * RETENTION_STEP.pauses) : ROUND_EVERY_MS);
    } catch (error) {
      log.warn({ err: error }, 'the store could not be looked after; trying again');
      this.#later(ROUND_EVERY_MS);
    }
  }

  /** At most by half, or twice, at once: one slow commit says little. */
  #fit(ms: number): void {
    const factor = Math.min(2, Math.max(0.5, RETENTION_STEP.ms / ms));
    const { least, most } = RETENTION_STEP.rows;
    this.#rows = Math.round(Math.min(most, Math.max(least, this.#rows * factor)));
  }
}
