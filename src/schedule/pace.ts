/**
 * How far behind its even pace a throttle may catch up, in ms: a late timer costs nothing of the rate. It is also all that
 * a throttle saves up while it is idle, so that over any time T at most `rate * (T + this) + 1` requests begin.
 */
const SLACK_MS = 50;

/** An even pace of so many a second, in monotonic time. */
export class Pace {
  #rate: number;
  #intervalMs: number;
  /** When the next one would begin if all came evenly. */
  #nextAt = Number.NEGATIVE_INFINITY;

  constructor(rate: number) {
    this.#rate = rate;
    this.#intervalMs = 1_000 / rate;
  }

  get rate(): number {
    return this.#rate;
  }

  change(rate: number, now: number): void {
    this.#rate = rate;
    this.#intervalMs = 1_000 / rate;
    this.#nextAt = Math.min(this.#nextAt, now + this.#intervalMs);
  }

  /** Until the next may begin, or the one behind so many that begin now; 0: now. */
  waitMs(now: number, behind = 0): number {
    const first = behind === 0 ? this.#nextAt : Math.max(this.#nextAt, now - SLACK_MS);
    return Math.max(0, first + behind * this.#intervalMs - now);
  }

  /** How many may begin now. */
  available(now: number): number {
    if (this.#nextAt > now) return 0;
    return Math.floor((now - Math.max(this.#nextAt, now - SLACK_MS)) / this.#intervalMs) + 1;
  }

  take(now: number): void {
    this.#nextAt = Math.max(this.#nextAt, now - SLACK_MS) + this.#intervalMs;
  }
}
