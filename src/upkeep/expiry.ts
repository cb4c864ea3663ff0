import { EXPUNGE_DELIVERIES } from '../limits.ts';
import type { Clock, Timer } from '../model/clock.ts';
import type { Stopped, Store } from '../store/store.ts';

export interface ExpiryOptions {
  store: Pick<Store, 'deliveryExpire' | 'deliveryCancel'>;
  clock: Clock;
  /** What was stopped or set free. */
  follow(stopped: Stopped, resends: { resends: boolean }): void;
  log: { warn(fields: object, text: string): void };
}

interface Place {
  readonly messageKey: number;
  readonly endpointKey: number;
}

/** Messages looked at, and deliveries cancelled, by one step: small, so that a step never holds up a publish for long. */
const STEP_MESSAGES = 200;
const STEP_DELIVERIES = 500;
/** How late what is held or waits is cancelled. A round that finds nothing is one look into an index. */
const ROUND_EVERY_MS = 5_000;
const AGAIN_MS = 1_000;

/**
 * Cancels what is too old to be worth sending: what the schedule found in memory when its turn came, and in rounds what is
 * held or waits. What is due in the store is found when it is claimed.
 */
export class Expiry {
  readonly #options: ExpiryOptions;
  #found: Place[] = [];
  #running = false;
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

  /** These expired in memory, under the leases that they still have. After a crash they are claimed anew, which finds them. */
  add(deliveries: readonly Place[]): void {
    for (const { messageKey, endpointKey } of deliveries) this.#found.push({ messageKey, endpointKey });
    if (this.#running || this.#stopped || this.#found.length === 0) return;
    this.#running = true;
    this.#options.clock.soon(() => void this.#run());
  }

  async #run(): Promise<void> {
    const { store, clock, follow, log } = this.#options;
    while (this.#found.length > 0 && !this.#stopped) {
      const deliveries = this.#found.slice(0, STEP_DELIVERIES);
      try {
        const cancelled = await store.deliveryCancel({ deliveries, reason: 'expired', now: clock.now() });
        this.#found.splice(0, deliveries.length);
        follow(cancelled, { resends: false });
        await new Promise<void>((resolve) => clock.soon(resolve));
      } catch (error) {
        log.warn({ err: error }, 'deliveries that expired could not be cancelled; trying again');
        await new Promise<void>((resolve) => void clock.timer(AGAIN_MS, resolve));
      }
    }
    this.#running = false;
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
        follow(expired, { resends: false });
        more = expired.more;
        await new Promise<void>((resolve) => clock.soon(resolve));
      }
    } catch (error) {
      log.warn({ err: error }, 'expired deliveries could not be cancelled; trying again');
    }
    this.#roundLater(ROUND_EVERY_MS);
  }
}
