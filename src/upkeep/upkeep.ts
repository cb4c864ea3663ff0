import { IDEMPOTENCY_KEPT_MS } from '../limits.ts';
import type { Clock, Timer } from '../model/clock.ts';
import type { Store } from '../store/store.ts';

export interface UpkeepOptions {
  store: Pick<Store, 'deliveryCancel' | 'idempotencyPurge'>;
  clock: Clock;
  log: { warn(fields: object, text: string): void };
}

/** Rows changed by one step: small, so that a step never holds up a publish for long. */
const STEP_ROWS = 500;
const PURGE_EVERY_MS = 60_000;
const AGAIN_MS = 1_000;

/** The work that nobody waits for, in small steps. */
export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #orphaned = new Set<number>();
  #cancelling = false;
  #timer: Timer | null = null;
  #stopped = false;

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.clock.timer(PURGE_EVERY_MS, () => void this.#purge());
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Cancels what is still open for a deleted endpoint. After a restart, the schedule finds what was left and asks again. */
  cancelDeliveries(endpointKey: number): void {
    this.#orphaned.add(endpointKey);
    if (this.#cancelling) return;
    this.#cancelling = true;
    this.#options.clock.soon(() => void this.#cancel());
  }

  async #cancel(): Promise<void> {
    for (const endpointKey of this.#orphaned) {
      if (this.#stopped) break;
      // First, so that a request that comes meanwhile is not lost.
      this.#orphaned.delete(endpointKey);
      try {
        const cancelled = await this.#options.store.deliveryCancel({
          endpointKey,
          reason: 'endpoint_deleted',
          limit: STEP_ROWS,
        });
        if (cancelled === STEP_ROWS) this.#orphaned.add(endpointKey);
        await new Promise<void>((resolve) => this.#options.clock.soon(resolve));
      } catch (error) {
        this.#orphaned.add(endpointKey);
        this.#options.log.warn(
          { err: error, endpointKey },
          'deliveries of a deleted endpoint could not be cancelled; trying again',
        );
        await new Promise<void>((resolve) => this.#options.clock.timer(AGAIN_MS, resolve));
      }
    }
    this.#cancelling = false;
    const [next] = this.#orphaned;
    if (next !== undefined && !this.#stopped) this.cancelDeliveries(next);
  }

  async #purge(): Promise<void> {
    const before = this.#options.clock.now() - IDEMPOTENCY_KEPT_MS;
    try {
      while (
        !this.#stopped &&
        (await this.#options.store.idempotencyPurge({ before, limit: STEP_ROWS })) === STEP_ROWS
      ) {
        await new Promise<void>((resolve) => this.#options.clock.soon(resolve));
      }
    } catch (error) {
      this.#options.log.warn({ err: error }, 'old idempotency keys could not be deleted; trying again');
    }
    if (!this.#stopped) this.start();
  }
}
