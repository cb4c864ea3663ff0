/** Time as the rooms see it. The real one is `system/clock.ts`; the simulator brings its own. */
export interface Clock {
  /** Wall time, milliseconds since the Unix epoch. For what is stored and shown. */
  now(): number;
  /** Monotonic time in milliseconds, with a fraction, the same on all threads. For delays and durations: it never jumps. */
  monotonic(): number;
  /** Calls `fire` once after `delayMs`. Delays above an hour are cut to an hour: re-arm on waking. */
  timer(delayMs: number, fire: () => void): Timer;
  /** Calls `fire` once the events at hand are dealt with: gathers what arrives together into one batch. */
  soon(fire: () => void): void;
}

export interface Timer {
  cancel(): void;
}

/** Randomness as the rooms see it, so that a seed can replay a run. */
export interface Random {
  /** Uniform in [0, 1). For jitter. */
  fraction(): number;
  /** `length` bytes fit for secrets and ids. */
  bytes(length: number): Buffer;
}
