import { AHEAD_WAIT_MS } from '../limits.ts';
import type { Clock, Timer } from '../model/clock.ts';
import type { SendJob, SendQueue } from '../model/exchange.ts';
import { Fifo } from '../model/fifo.ts';

export interface SendQueuesOptions {
  readonly clock: Clock;
  begin(job: SendJob): void;
  /** Their turn did not come: they are not begun. */
  giveBack(jobs: readonly SendJob[]): void;
}

interface Queue {
  running: number;
  readonly waiting: Fifo<{ readonly job: SendJob; readonly since: number }>;
}

/**
 * What the sender was given ahead of its time, endpoint by endpoint: the next request begins when one has ended, without asking the
 * schedule, which may be waiting for a disk. What cannot be begun soon goes back, so that it can be cancelled, held, or sent by another.
 */
export class SendQueues {
  readonly #options: SendQueuesOptions;
  /** Those with requests under way, by endpoint. */
  readonly #queues = new Map<number, Queue>();
  #waiting = 0;
  #timer: Timer | null = null;

  constructor(options: SendQueuesOptions) {
    this.#options = options;
  }

  add(job: SendJob, { endpointKey, atOnce }: SendQueue): void {
    let queue = this.#queues.get(endpointKey);
    if (queue === undefined) {
      queue = { running: 0, waiting: new Fifo() };
      this.#queues.set(endpointKey, queue);
    }
    if (queue.running < atOnce) {
      queue.running++;
      this.#options.begin(job);
      return;
    }
    queue.waiting.push({ job, since: this.#options.clock.monotonic() });
    this.#waiting++;
    this.#watch();
  }

  /** A request has ended. Unless it ended well, the endpoint may take no more: what waits for it goes back. */
  ended({ endpointKey, atOnce }: SendQueue, well: boolean): void {
    const queue = this.#queues.get(endpointKey);
    if (queue === undefined) return;
    queue.running--;
    if (!well) this.#giveBack(queue, Number.POSITIVE_INFINITY);
    while (queue.running < atOnce) {
      const next = queue.waiting.shift();
      if (next === undefined) break;
      this.#waiting--;
      queue.running++;
      this.#options.begin(next.job);
    }
    if (queue.running === 0) this.#queues.delete(endpointKey);
  }

  /** Gives everything back that waits. */
  close(): void {
    this.#timer?.cancel();
    for (const queue of this.#queues.values()) this.#giveBack(queue, Number.POSITIVE_INFINITY);
  }

  #watch(): void {
    if (this.#waiting === 0 || this.#timer !== null) return;
    const { clock } = this.#options;
    this.#timer = clock.timer(AHEAD_WAIT_MS, () => {
      this.#timer = null;
      const before = clock.monotonic() - AHEAD_WAIT_MS;
      for (const queue of this.#queues.values()) this.#giveBack(queue, before);
      this.#watch();
    });
  }

  /** What has waited since then, or longer. */
  #giveBack({ waiting }: Queue, since: number): void {
    const late: SendJob[] = [];
    for (let { first } = waiting; first !== undefined && first.since <= since; first = waiting.first) {
      late.push(first.job);
      waiting.shift();
    }
    this.#waiting -= late.length;
    if (late.length > 0) this.#options.giveBack(late);
  }
}
