import type { Clock } from '../model/clock.ts';

/** `setTimeout` fires at once beyond 2^31-1 ms; an hour is far below and enough between two looks. */
const LONGEST_TIMER_MS = 3_600_000;

/** `performance.now` begins anew on each thread; what it counts on from is the same for all of them. */
const THREAD_BEGAN_AT = Number(process.hrtime.bigint()) / 1e6 - performance.now();

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => THREAD_BEGAN_AT + performance.now(),
  timer(delayMs, fire) {
    const handle = setTimeout(fire, Math.min(Math.max(delayMs, 0), LONGEST_TIMER_MS));
    return { cancel: () => clearTimeout(handle) };
  },
  soon: (fire) => void setImmediate(fire),
};
