import type { Clock } from '../model/clock.ts';
import type { HoldUntil } from '../model/exchange.ts';

const MONOTONIC = 0;
const WALL = 1;

/**
 * Until when requests may begin. In memory that threads share, so that a look before each request costs no message, and a
 * thread that was stopped with the others knows it as soon as it wakes. (Doubles in their places are read and written whole on
 * every machine that Node.js runs on.)
 */
export class Holding {
  /** For another thread's `Holding`. */
  readonly memory: SharedArrayBuffer;
  readonly #until: Float64Array;

  /** @param memory Of another thread's; left out: its own, and it holds for ever. */
  constructor(memory?: SharedArrayBuffer) {
    this.memory = memory ?? new SharedArrayBuffer(2 * Float64Array.BYTES_PER_ELEMENT);
    this.#until = new Float64Array(this.memory);
    if (memory === undefined) this.#until.fill(Number.POSITIVE_INFINITY);
  }

  set({ monotonic, wall }: HoldUntil): void {
    this.#until[MONOTONIC] = monotonic;
    this.#until[WALL] = wall;
  }

  holds(clock: Clock): boolean {
    const monotonic = this.#until[MONOTONIC] as number;
    if (monotonic === Number.POSITIVE_INFINITY) return true;
    return clock.monotonic() < monotonic && clock.now() < (this.#until[WALL] as number);
  }
}
