import type { Clock } from '../model/clock.ts';
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

/** Goes on with all recoveries that are not finished, a step of each in turn: a long one keeps no other waiting. */
export class Recoveries {
  readonly #options: RecoveriesOptions;
  /** Deliveries that each has brought back so far, by its id. */
  readonly #open = new Map<string, number>();
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

  add({ id, recovered }: Pick<Recovery, 'id' | 'recovered'>): void {
    this.#open.set(id, recovered);
    if (this.#running || this.#stopped) return;
    this.#running = true;
    this.#options.clock.soon(() => void this.#run());
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options;
    // What is put back goes to the end, and this loop comes to it again.
    for (const [id, recovered] of this.#open) {
      if (this.#stopped) return;
      this.#open.delete(id);
      try {
        await this.#step(id, recovered);
        await new Promise<void>((resolve) => clock.soon(resolve));
      } catch (error) {
        this.#open.set(id, recovered);
        log.warn({ err: error, recoveryId: id }, 'a recovery could not go on; trying again');
        await new Promise<void>((resolve) => void clock.timer(AGAIN_MS, resolve));
      }
    }
    this.#running = false;
  }

  async #step(id: string, before: number): Promise<void> {
    const { store, clock, stored } = this.#options;
    const now = clock.now();
    const recovery = await store.recoveryStep({ id, now, scan: STEP_MESSAGES });
    if (recovery === null) return;
    if (!recovery.finished) this.#open.set(id, recovery.recovered);
    if (recovery.recovered > before) stored(recovery.endpointKey, now);
  }
}
