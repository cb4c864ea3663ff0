import type { Clock } from '../model/clock.ts';
import type { Store } from '../store/store.ts';

export interface WithdrawalsOptions {
  store: Pick<Store, 'deliveryWithdraw'>;
  clock: Clock;
  log: { warn(fields: object, text: string): void };
}

/** Rows changed by one step: small, so that a step never holds up a publish for long. */
const STEP_ROWS = 500;
const AGAIN_MS = 1_000;

/** Takes back what is open for endpoints that take nothing: deleted ones, whose deliveries are cancelled, and disabled or paused ones, whose are held. */
export class Withdrawals {
  readonly #options: WithdrawalsOptions;
  readonly #endpoints = new Set<number>();
  #running = false;
  #stopped = false;

  constructor(options: WithdrawalsOptions) {
    this.#options = options;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** After a restart, the schedule finds what was left and asks again. */
  add(endpointKey: number): void {
    this.#endpoints.add(endpointKey);
    if (this.#running || this.#stopped) return;
    this.#running = true;
    this.#options.clock.soon(() => void this.#run());
  }

  async #run(): Promise<void> {
    const { store, clock, log } = this.#options;
    for (const endpointKey of this.#endpoints) {
      if (this.#stopped) return;
      // First, so that a request that comes meanwhile is not lost.
      this.#endpoints.delete(endpointKey);
      try {
        const withdrawn = await store.deliveryWithdraw({ endpointKey, limit: STEP_ROWS });
        if (withdrawn >= STEP_ROWS) this.#endpoints.add(endpointKey);
        await new Promise<void>((resolve) => clock.soon(resolve));
      } catch (error) {
        this.#endpoints.add(endpointKey);
        log.warn(
          { err: error, endpointKey },
          'deliveries of an endpoint that is deleted, disabled or paused could not be taken back; trying again',
        );
        await new Promise<void>((resolve) => void clock.timer(AGAIN_MS, resolve));
      }
    }
    this.#running = false;
  }
}
