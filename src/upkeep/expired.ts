import type { Clock } from '../model/clock.ts';
import type { Stopped, Store } from '../store/store.ts';

export interface ExpiredOptions {
  store: Pick<Store, 'deliveryCancel'>;
  clock: Clock;
  /** What was stopped or set free. */
  follow(stopped: Stopped): void;
  log: { warn(fields: object, text: string): void };
}

interface Place {
  readonly messageKey: number;
  readonly endpointKey: number;
}

/** Deliveries cancelled by one step: few, so that a step never holds up a publish for long. */
const STEP_DELIVERIES = 500;
const AGAIN_MS = 1_000;

/** Cancels what the schedule found in memory too old to be worth sending when its turn came. */
export class Expired {
  readonly #options: ExpiredOptions;
  readonly #found: Place[] = [];
  #running = false;
  #stopped = false;

  constructor(options: ExpiredOptions) {
    this.#options = options;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** These expired under the leases that they still have. After a crash they are claimed anew, which finds them. */
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
        follow(cancelled);
        await new Promise<void>((resolve) => clock.soon(resolve));
      } catch (error) {
        log.warn({ err: error }, 'deliveries that expired could not be cancelled; trying again');
        await new Promise<void>((resolve) => void clock.timer(AGAIN_MS, resolve));
      }
    }
    this.#running = false;
  }
}
