import type { Clock, Timer } from './clock.ts';

/**
 * The clock of a process that is one of several: its wall time is the store's, as soon as that is known, so that what one process
 * stores as due is due for all of them at the same moment. In between it goes on with the monotonic clock: who sets this machine's
 * wall clock changes nothing. Delays and timers are this machine's own.
 */
export class SharedClock implements Clock {
  /** As this machine has it. */
  readonly own: Clock;
  /** For the `SharedClock` of another thread, which has the same time then. */
  readonly memory: SharedArrayBuffer;
  /** The store's time at the monotonic clock's zero; NaN: not known yet. (One double is read and written whole.) */
  readonly #zero: Float64Array;

  /** @param memory Of another thread's; left out: its own. */
  constructor(own: Clock, memory?: SharedArrayBuffer) {
    this.own = own;
    this.memory = memory ?? new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT);
    this.#zero = new Float64Array(this.memory);
    if (memory === undefined) this.#zero[0] = Number.NaN;
  }

  now(): number {
    const zero = this.#zero[0] as number;
    return Number.isNaN(zero) ? this.own.now() : Math.floor(zero + this.own.monotonic());
  }

  /** @param zero The store's wall time when the monotonic clock was at zero. */
  set(zero: number): void {
    this.#zero[0] = zero;
  }

  monotonic(): number {
    return this.own.monotonic();
  }

  timer(delayMs: number, fire: () => void): Timer {
    return this.own.timer(delayMs, fire);
  }

  soon(fire: () => void): void {
    this.own.soon(fire);
  }
}

/** The machine's own, for what must not move when the store's time is learned. */
export function ownClock(clock: Clock): Clock {
  return clock instanceof SharedClock ? clock.own : clock;
}
