import type { Clock, Timer } from '../../src/model/clock.ts';

/**
 * The real time, which a test can move on: hours pass at once, as for a machine that slept, and what became due meanwhile
 * happens then. Nothing should be under way at a leap: a request that hangs is over its time after it.
 */
export class LeapingClock implements Clock {
  #aheadMs = 0;
  readonly #timers = new Set<{ at: number; fire: () => void; handle: NodeJS.Timeout }>();

  now(): number {
    return Date.now() + Math.round(this.#aheadMs);
  }

  monotonic(): number {
    return performance.now() + this.#aheadMs;
  }

  timer(delayMs: number, fire: () => void): Timer {
    const timer = { at: this.monotonic() + Math.max(0, delayMs), fire, handle: setTimeout(() => {}, 0) };
    this.#timers.add(timer);
    this.#arm(timer);
    return {
      cancel: () => {
        clearTimeout(timer.handle);
        this.#timers.delete(timer);
      },
    };
  }

  soon(fire: () => void): void {
    setImmediate(fire);
  }

  leap(ms: number): void {
    this.#aheadMs += ms;
    for (const timer of [...this.#timers].sort((a, b) => a.at - b.at)) this.#arm(timer);
  }

  /** To that time of the wall, ms since the Unix epoch; one that is over changes nothing. */
  leapTo(at: number): void {
    this.leap(Math.max(0, at - this.now()));
  }

  #arm(timer: { at: number; fire: () => void; handle: NodeJS.Timeout }): void {
    clearTimeout(timer.handle);
    timer.handle = setTimeout(
      () => {
        this.#timers.delete(timer);
        timer.fire();
      },
      Math.min(Math.max(0, timer.at - this.monotonic()), 3_600_000),
    );
  }
}
