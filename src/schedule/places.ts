import type { Standing } from './lane.ts';

/** Parts of all places that endpoints of a standing may take together. Those that answer always have a quarter left. */
const PARTS: Readonly<Record<Standing, number>> = { answering: 1, new: 0.5, silent: 0.25 };

/** The requests that may be under way over all endpoints. */
export class Places {
  readonly #total: number;
  readonly #taken: Record<Standing, number> = { answering: 0, new: 0, silent: 0 };

  constructor(total: number) {
    this.#total = total;
  }

  has(standing: Standing): boolean {
    const { answering, new: unknown, silent } = this.#taken;
    if (answering + unknown + silent >= this.#total) return false;
    return this.#taken[standing] < Math.ceil(this.#total * PARTS[standing]);
  }

  take(standing: Standing): void {
    this.#taken[standing]++;
  }

  /** @param standing As it was when the place was taken. */
  free(standing: Standing): void {
    this.#taken[standing]--;
  }
}
