import { RELEASE_STEP } from '../limits.ts';
import type { Clock, Timer } from '../model/clock.ts';
import type { Store } from '../store/store.ts';

export interface DoubtsOptions {
  store: Pick<Store, 'deliveryRelease'>;
  clock: Clock;
  /** What was released waits in the store. */
  stored(endpointKey: number, dueAt: number): void;
  log: { warn(fields: object, text: string): void };
}

/** Fences from `from` on and below `before`. */
interface Doubt {
  readonly from: number;
  readonly before: number;
}

/** A commit whose end nobody knows may still come about: it is looked for so long after. */
const LOOKS_MS = [1_000, 15_000, 60_000];
const AGAIN_MS = 5_000;

/**
 * Leases that this process may have without knowing them: the commit that took them ended so that nobody knows, or it came back
 * when they were void. Nobody sends what is leased so; it is released, for the case that it is there.
 */
export class Doubts {
  readonly #options: DoubtsOptions;
  readonly #timers = new Set<Timer>();
  #stopped = false;

  constructor(options: DoubtsOptions) {
    this.#options = options;
  }

  /** Nothing under these fences is in memory, or will be. */
  add(doubt: Doubt): void {
    this.#lookLater(doubt, 0, LOOKS_MS[0] as number);
  }

  /** What is still in doubt stays leased until this node has ended. */
  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) timer.cancel();
  }

  #lookLater(doubt: Doubt, look: number, delayMs: number): void {
    if (this.#stopped) return;
    const timer = this.#options.clock.timer(delayMs, () => {
      this.#timers.delete(timer);
      void this.#look(doubt, look);
    });
    this.#timers.add(timer);
  }

  async #look(doubt: Doubt, look: number): Promise<void> {
    try {
      await this.#release(doubt);
    } catch (error) {
      this.#options.log.warn({ err: error }, 'leases in doubt could not be released; trying again');
      this.#lookLater(doubt, look, AGAIN_MS);
      return;
    }
    const next = LOOKS_MS[look + 1];
    if (next !== undefined) this.#lookLater(doubt, look + 1, next - (LOOKS_MS[look] as number));
  }

  async #release({ from, before }: Doubt): Promise<void> {
    const { store, clock, stored } = this.#options;
    for (let more = true; more && !this.#stopped; ) {
      const step = await store.deliveryRelease({ from, before, now: clock.now(), limit: RELEASE_STEP });
      for (const { endpointKey, dueAt } of step.stored) stored(endpointKey, dueAt);
      more = step.more;
    }
  }
}
