import type { Clock } from '../model/clock.ts';
import { Rounds } from '../model/rounds.ts';
import type { Recovery, Store } from '../store/store.ts';

export interface RecoveriesOptions {
  store: Pick<Store, 'recoveryList' | 'recoveryStep'>;
  clock: Clock;
  /** Deliveries of this endpoint wait in the store again, due at `dueAt`. */
  stored(endpointKey: number, dueAt: number): void;
  log: { warn(fields: object, text: string): void };
}

/** Messages looked at by one step: it is one transaction, and publishes wait for it. */
const STEP_MESSAGES = 500;
const AGAIN_MS = 1_000;

/**
 * Goes on with all recoveries that are not finished, a step at a time. Applications take turns, and the recoveries of one
 * among themselves: neither a long one nor many of them keep others waiting. Those of a disabled endpoint are laid aside
 * until it is changed.
 */
export class Recoveries {
  readonly #options: RecoveriesOptions;
  readonly #open = new Rounds<Recovery>();
  /** By endpoint, those that were disabled at the last step. */
  readonly #aside = new Map<number, Recovery[]>();
  #running = false;
  #stopped = false;

  constructor(options: RecoveriesOptions) {
    this.#options = options;
  }

  /** Takes up those that the last run left. */
  async start(): Promise<void> {
    for (const recovery of await this.#options.store.recoveryList()) this.add(recovery);
  }

  stop(): void {
    this.#stopped = true;
  }

  add(recovery: Recovery): void {
    this.#open.add(recovery.applicationKey, recovery);
    if (this.#running || this.#stopped) return;
    this.#running = true;
    this.#options.clock.soon(() => void this.#run());
  }

  /** Looks again at those laid aside: all, or of one endpoint. */
  again(endpointKey?: number): void {
    for (const key of endpointKey === undefined ? [...this.#aside.keys()] : [endpointKey]) {
      const recoveries = this.#aside.get(key) ?? [];
      this.#aside.delete(key);
      for (const recovery of recoveries) this.add(recovery);
    }
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options;
    for (let next = this.#open.take(); next !== null && !this.#stopped; next = this.#open.take()) {
      try {
        await this.#step(next);
        await new Promise<void>((resolve) => clock.soon(resolve));
      } catch (error) {
        this.#open.add(next.applicationKey, next);
        log.warn({ err: error, recoveryId: next.id }, 'a recovery could not go on; trying again');
        await new Promise<void>((resolve) => void clock.timer(AGAIN_MS, resolve));
      }
    }
    this.#running = false;
  }

  async #step(recovery: Recovery): Promise<void> {
    const { store, clock, stored } = this.#options;
    const now = clock.now();
    const stepped = await store.recoveryStep({ id: recovery.id, now, scan: STEP_MESSAGES });
    if (stepped === null) return;
    if (stepped === 'waits') {
      this.#aside.set(recovery.endpointKey, [...(this.#aside.get(recovery.endpointKey) ?? []), recovery]);
      return;
    }
    if (!stepped.finished) this.#open.add(stepped.applicationKey, stepped);
    if (stepped.recovered > recovery.recovered) stored(stepped.endpointKey, now);
  }
}
