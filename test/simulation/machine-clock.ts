import type { Clock, Timer } from '../../src/model/clock.ts';
import type { Planned, Timeline } from './timeline.ts';

/** 1 January 2026: when simulated worlds begin. */
export const BEGINNING = Date.UTC(2026, 0, 1);

interface Pending {
  readonly due: number;
  readonly fire: () => void;
  planned: Planned;
}

/**
 * The clock of one simulated process, and the door through which everything reaches it: a process that is stopped notices nothing
 * until it goes on, and one that is dead never again.
 */
export class MachineClock implements Clock {
  readonly #timeline: Timeline;
  #wallOffset = BEGINNING;
  /** The monotonic clock stands while the machine sleeps. */
  #sleptMs = 0;
  #state: 'runs' | 'stopped' | 'asleep' | 'dead' = 'runs';
  #stoppedAt = 0;
  readonly #timers = new Set<Pending>();
  #missed: (() => void)[] = [];

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
  }

  get state(): 'runs' | 'stopped' | 'asleep' | 'dead' {
    return this.#state;
  }

  now(): number {
    return Math.floor(this.#timeline.at + this.#wallOffset);
  }

  monotonic(): number {
    return (this.#state === 'asleep' ? this.#stoppedAt : this.#timeline.at) - this.#sleptMs;
  }

  timer(delayMs: number, fire: () => void): Timer {
    // As `Clock` has it: whoever waits longer looks again.
    const ms = Math.min(Math.max(0, delayMs), 3_600_000);
    const pending: Pending = {
      due: this.monotonic() + ms,
      fire: () => {
        this.#timers.delete(pending);
        fire();
      },
      planned: this.#timeline.plan(ms, () => this.reach(pending.fire)),
    };
    this.#timers.add(pending);
    return {
      cancel: () => {
        pending.planned.cancel();
        if (this.#timers.delete(pending))
          this.#missed = this.#missed.filter((missed) => missed !== pending.fire);
      },
    };
  }

  soon(fire: () => void): void {
    this.#timeline.soon(() => this.reach(fire));
  }

  /** Something comes to the process: now, when it goes on, or never. */
  reach(fire: () => void): void {
    if (this.#state === 'runs') fire();
    else if (this.#state !== 'dead') this.#missed.push(fire);
  }

  /** The wall clock is set: monotonic time goes on as before. */
  jump(byMs: number): void {
    this.#wallOffset += byMs;
  }

  /** The process is stopped, as by SIGSTOP or a long collection of garbage; or its machine sleeps. */
  stop(how: 'stopped' | 'asleep'): void {
    if (this.#state !== 'runs') return;
    this.#state = how;
    this.#stoppedAt = this.#timeline.at;
  }

  goOn(): void {
    if (this.#state !== 'stopped' && this.#state !== 'asleep') return;
    if (this.#state === 'asleep') this.#wake();
    this.#state = 'runs';
    for (const fire of this.#missed.splice(0)) this.soon(fire);
  }

  kill(): void {
    this.#state = 'dead';
    this.#missed = [];
    for (const { planned } of this.#timers) planned.cancel();
    this.#timers.clear();
  }

  /** Timers are as far away as when the machine fell asleep. */
  #wake(): void {
    this.#sleptMs += this.#timeline.at - this.#stoppedAt;
    for (const pending of this.#timers) {
      if (this.#missed.includes(pending.fire)) {
        this.#missed = this.#missed.filter((missed) => missed !== pending.fire);
      }
      pending.planned.cancel();
      const delayMs = pending.due - (this.#timeline.at - this.#sleptMs);
      pending.planned = this.#timeline.plan(delayMs, () => this.reach(pending.fire));
    }
  }
}
