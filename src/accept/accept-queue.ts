import { ApiError } from '../errors.ts';
import {
  ACCEPT_BATCH_BYTES,
  ACCEPT_BATCH_DELIVERIES,
  ACCEPT_BATCH_MESSAGES,
  ACCEPT_QUEUE_BYTES,
  ACCEPT_QUEUE_DELIVERIES,
  ACCEPT_WAIT_MS,
} from '../limits.ts';
import type { Clock, Timer } from '../model/clock.ts';
import type { PublishOutcome, PublishRequest } from './publish-request.ts';

/** A publish that waits for its transaction. */
export interface Waiting {
  readonly request: PublishRequest;
  readonly bytes: number;
  /** How many deliveries it leads to at the most. */
  readonly deliveries: number;
  /** What these cost in a transaction: as many deliveries that are not ordered. */
  readonly cost: number;
  /** Since when, monotonic. */
  readonly since: number;
  /** How often it was fanned out by endpoints that had changed in the store. */
  stale: number;
  readonly resolve: (outcome: PublishOutcome) => void;
  readonly reject: (error: Error) => void;
}

/** Publishes in the order in which they came, and not without end: neither in number nor in time. */
export class AcceptQueue {
  readonly #clock: Clock;
  #waiting: Waiting[] = [];
  #bytes = 0;
  #deliveries = 0;
  #deadline: Timer | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#waiting.length;
  }

  /** An empty queue takes anything. */
  isFullFor(bytes: number, deliveries: number): boolean {
    if (this.#waiting.length === 0) return false;
    return (
      this.#bytes + bytes > ACCEPT_QUEUE_BYTES || this.#deliveries + deliveries > ACCEPT_QUEUE_DELIVERIES
    );
  }

  push(waiting: Waiting): void {
    this.#waiting.push(waiting);
    this.#count([waiting], 1);
  }

  /** These go first, as they have waited before. */
  putBack(waiting: readonly Waiting[]): void {
    this.#waiting.unshift(...waiting);
    this.#count(waiting, 1);
  }

  /** What goes into the next transaction: at least one publish, and no more than ends within milliseconds. */
  take(): Waiting[] {
    let messages = 0;
    let bytes = 0;
    let cost = 0;
    let end = 0;
    for (const waiting of this.#waiting) {
      messages += waiting.request.messages.length;
      bytes += waiting.bytes;
      cost += waiting.cost;
      const full =
        messages > ACCEPT_BATCH_MESSAGES || bytes > ACCEPT_BATCH_BYTES || cost > ACCEPT_BATCH_DELIVERIES;
      if (end > 0 && full) break;
      end++;
    }
    return this.#takeFirst(end);
  }

  /** All transactions are busy: those that wait too long for one are refused. For as long as any waits. */
  watch(): void {
    const [first] = this.#waiting;
    if (first === undefined || this.#deadline !== null) return;
    const leftMs = first.since + ACCEPT_WAIT_MS - this.#clock.monotonic();
    this.#deadline = this.#clock.timer(leftMs, () => {
      this.#deadline = null;
      this.#refuseOverdue();
      this.watch();
    });
  }

  #refuseOverdue(): void {
    const latest = this.#clock.monotonic() - ACCEPT_WAIT_MS;
    const end = this.#waiting.findIndex(({ since }) => since > latest);
    for (const { reject } of this.#takeFirst(end < 0 ? this.#waiting.length : end))
      reject(new ApiError('unavailable', undefined, { retryAfterSeconds: 2 }));
  }

  #takeFirst(count: number): Waiting[] {
    const taken = this.#waiting.splice(0, count);
    this.#count(taken, -1);
    if (this.#waiting.length === 0) {
      this.#deadline?.cancel();
      this.#deadline = null;
    }
    return taken;
  }

  #count(all: readonly Waiting[], sign: 1 | -1): void {
    for (const { bytes, deliveries } of all) {
      this.#bytes += sign * bytes;
      this.#deliveries += sign * deliveries;
    }
  }
}
