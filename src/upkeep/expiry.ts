import { EXPUNGE_DELIVERIES } from '../limits.ts';
import type { Clock, Timer } from '../model/clock.ts';
import type { Stopped, Store } from '../store/store.ts';

export interface ExpiryOptions {
  store: Pick<Store, 'deliveryExpire'>;
  clock: Clock;
  /** What was stopped or set free. */
  follow(stopped: Stopped): void;
  log: { warn(fields: object, text: string): void };
}

/** Messages looked at by one step: few, so that a step never holds up a publish for long. */
const STEP_MESSAGES = 200;
/** How late what is held or waits is cancelled. A round that finds nothing is one look into an index. */
const ROUND_EVERY_MS = 5_000;

/**
 * Cancels in rounds what is held or waits and is too old to be worth sending. What is due in the store is found when it is claimed,
 * and what is in memory when its turn comes.
 */
export class Expiry {
  readonly #options: ExpiryOptions;
  #timer: Timer | null = null;
  #stopped = false;

  constructor(options: ExpiryOptions) {
    this.#options = options;
  }

  start(): void {
    this.#roundLater(0);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #roundLater(ms: number): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.timer(ms, () => void this.#round());
  }

  async #round(): Promise<void> {
    const { store, clock, follow, log } = this.#options;
    try {
      for (let more = true; more && !this.#stopped; ) {
        const step = { limit: STEP_MESSAGES, scan: EXPUNGE_DELIVERIES };
        const expired = await store.deliveryExpire({ now: clock.now(), ...step });
        follow(expired);
        more = expired.more;
        await new Promise<void>((resolve) => clock.soon(resolve));
      }
    } catch (error) {
      log.warn({ err: error }, 'expired deliveries could not be cancelled; trying again');
    }
    this.#roundLater(ROUND_EVERY_MS);
  }
}
