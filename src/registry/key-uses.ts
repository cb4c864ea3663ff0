import type { Clock, Timer } from '../model/clock.ts';
import type { Store } from '../store/store.ts';

/** When one key was last used; 0: not since it was last noted. */
export interface KeyUse {
  readonly id: string;
  at: number;
}

interface KeyUsesOptions {
  store: Pick<Store, 'keyTouch'>;
  clock: Clock;
  log: { warn(fields: object, text: string): void };
}

const NOTE_EVERY_MS = 60_000;
/** Keys noted in one transaction, so that none holds up a publish. */
const NOTED_AT_ONCE = 500;

/** Remembers when keys are used, which costs a call next to nothing, and notes it in the store once a minute. */
export class KeyUses {
  readonly #options: KeyUsesOptions;
  readonly #used = new Set<KeyUse>();
  #timer: Timer | null = null;
  #stopped = false;

  constructor(options: KeyUsesOptions) {
    this.#options = options;
  }

  used(use: KeyUse, now: number): void {
    if (use.at === 0) this.#used.add(use);
    use.at = now;
  }

  /** What the store does not know yet, by the keys' ids. */
  unnoted(): ReadonlyMap<string, number> {
    return new Map([...this.#used].map(({ id, at }) => [id, at]));
  }

  start(): void {
    this.#timer = this.#options.clock.timer(NOTE_EVERY_MS, () => void this.#noteAndGoOn());
  }

  /** Notes what is left. */
  async close(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#note();
  }

  async #noteAndGoOn(): Promise<void> {
    await this.#note();
    if (!this.#stopped) this.start();
  }

  async #note(): Promise<void> {
    const all = [...this.#used];
    for (let start = 0; start < all.length; start += NOTED_AT_ONCE) {
      if (start > 0) await new Promise<void>((resolve) => this.#options.clock.soon(resolve));
      const uses = all.slice(start, start + NOTED_AT_ONCE).map((use) => ({ use, at: use.at }));
      for (const { use } of uses) {
        this.#used.delete(use);
        use.at = 0;
      }
      try {
        await this.#options.store.keyTouch({ uses: uses.map(({ use: { id }, at }) => ({ id, at })) });
      } catch (error) {
        for (const { use, at } of uses) if (use.at === 0) this.used(use, at);
        this.#options.log.warn({ err: error }, 'when keys were last used could not be noted; trying again');
        return;
      }
    }
  }
}
