import type { Clock, Timer } from '../model/clock.ts';

interface Alarm {
  /** Monotonic ms. */
  readonly at: number;
  readonly ring: () => void;
}

/**
 * Many alarms on one timer: a binary heap by time. An alarm cannot be taken back; whoever set it looks on ringing
 * whether it still has a meaning.
 */
export class Alarms {
  readonly #clock: Clock;
  readonly #heap: Alarm[] = [];
  #timer: Timer | null = null;
  #timerAt = Number.POSITIVE_INFINITY;
  #stopped = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Rings once after `delayMs`, never early. */
  set(delayMs: number, ring: () => void): void {
    if (this.#stopped) return;
    const alarm = { at: this.#clock.monotonic() + Math.max(0, delayMs), ring };
    this.#insert(alarm);
    if (alarm.at < this.#timerAt) this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#heap.length = 0;
  }

  #arm(): void {
    this.#timer?.cancel();
    const first = this.#heap[0];
    this.#timer = null;
    this.#timerAt = Number.POSITIVE_INFINITY;
    if (first === undefined || this.#stopped) return;
    this.#timerAt = first.at;
    // A node timer may fire a fraction of a millisecond early; a full one more saves a second round.
    this.#timer = this.#clock.timer(Math.ceil(first.at - this.#clock.monotonic()) + 1, () => this.#ring());
  }

  #ring(): void {
    const now = this.#clock.monotonic();
    for (let first = this.#heap[0]; first !== undefined && first.at <= now; first = this.#heap[0]) {
      this.#removeFirst();
      first.ring();
    }
    this.#arm();
  }

  #insert(alarm: Alarm): void {
    const heap = this.#heap;
    let index = heap.push(alarm) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if ((heap[parent] as Alarm).at <= alarm.at) break;
      heap[index] = heap[parent] as Alarm;
      index = parent;
    }
    heap[index] = alarm;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop() as Alarm;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && (heap[child + 1] as Alarm).at < (heap[child] as Alarm).at) child++;
      if ((heap[child] as Alarm).at >= last.at) break;
      heap[index] = heap[child] as Alarm;
      index = child;
    }
    heap[index] = last;
  }
}
