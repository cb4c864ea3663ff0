import type { Clock, Random } from '../../src/model/clock.ts';

interface Entry {
  at: number;
  order: number;
  fire: () => void;
}

/** A clock that stands until it is moved. Timers fire in order of time, then of setting; `soon` before any timer. */
export class ManualClock implements Clock {
  #monotonic = 0;
  #wallOffset: number;
  #order = 0;
  #timers: Entry[] = [];
  #soon: (() => void)[] = [];

  constructor(wallStart = Date.UTC(2026, 0, 1)) {
    this.#wallOffset = wallStart;
  }

  now(): number {
    return Math.floor(this.#monotonic + this.#wallOffset);
  }

  monotonic(): number {
    return this.#monotonic;
  }

  timer(delayMs: number, fire: () => void) {
    const entry = { at: this.#monotonic + Math.max(0, delayMs), order: this.#order++, fire };
    this.#timers.push(entry);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((one) => one !== entry);
      },
    };
  }

  soon(fire: () => void): void {
    this.#soon.push(fire);
  }

  /** The wall clock is set: monotonic time goes on as before. */
  jumpWall(byMs: number): void {
    this.#wallOffset += byMs;
  }

  get nextTimerAt(): number | null {
    return this.#timers.length === 0 ? null : Math.min(...this.#timers.map((one) => one.at));
  }

  /** Runs what is due now, with all that follows from it without time passing. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; ) {
      // Lets promises that are resolved run their course; a store on disk may take a turn of the event loop.
      await new Promise((resolve) => setImmediate(resolve));
      const soon = this.#soon.splice(0);
      for (const fire of soon) fire();
      quiet = soon.length > 0 ? 0 : quiet + 1;
    }
  }

  /** Lets `ms` pass, stopping at each timer on the way. */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonic + ms;
    await this.settle();
    for (let next = this.#takeDue(end); next !== undefined; next = this.#takeDue(end)) {
      this.#monotonic = Math.max(this.#monotonic, next.at);
      next.fire();
      await this.settle();
    }
    this.#monotonic = end;
  }

  #takeDue(end: number): Entry | undefined {
    const due = this.#timers
      .filter((one) => one.at <= end)
      .sort((a, b) => a.at - b.at || a.order - b.order)[0];
    if (due) this.#timers = this.#timers.filter((one) => one !== due);
    return due;
  }
}

/** Randomness that a seed replays (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const fraction = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  return {
    fraction,
    bytes: (length) => Buffer.from(Array.from({ length }, () => Math.floor(fraction() * 256))),
  };
}
