import { SendQueues } from '../../src/deliver/send-queues.ts';
import type { Random } from '../../src/model/clock.ts';
import {
  type Exchange,
  type Sender,
  type SendJob,
  type SendResultHandler,
  succeeded,
} from '../../src/model/exchange.ts';
import type { ManualClock } from '../helpers/manual-clock.ts';

/** How a receiver of the simulation behaves. */
export type Manner =
  | 'works'
  | 'slow'
  | 'answers late'
  | 'fails often'
  | 'always fails'
  | 'hangs'
  | 'asks for patience'
  /** Says now and then that it will not come back. */
  | 'goes';

export interface Hit {
  readonly href: string;
  readonly messageId: string;
  readonly payload: string;
  readonly startedAt: number;
  /** Null while it is under way, and for ever if the process died under it. */
  endedAt: number | null;
  succeeded: boolean;
}

/** All receivers of a simulated world. They outlive the processes that send to them. */
export class Receivers {
  readonly hits: Hit[] = [];
  readonly manners = new Map<string, Manner>();
  readonly #clock: ManualClock;
  readonly #random: Random;
  /** Faults are on; off, every receiver works. */
  faulty = true;
  mostUnderWay = new Map<string, number>();
  #underWay = new Map<string, number>();

  constructor(clock: ManualClock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** A sender for one process. After `kill`, its requests still arrive, but nobody hears the answers. */
  sender(onResults: SendResultHandler): Sender & { kill(): void } {
    let alive = true;
    const begin = (job: SendJob) =>
      this.#receive(job, (exchange) => {
        if (!alive) return;
        if (job.queue !== null) queues.ended(job.queue, succeeded(exchange));
        onResults([{ ref: job.ref, exchange }]);
      });
    const queues = new SendQueues({
      clock: this.#clock,
      begin,
      giveBack: (jobs) => {
        if (alive) onResults(jobs.map(({ ref }) => ({ ref, exchange: null })));
      },
    });
    return {
      send: (jobs) => {
        for (const job of jobs) {
          if (job.queue === null) begin(job);
          else queues.add(job, job.queue);
        }
      },
      holdUntil: () => {},
      close: async () => {},
      kill: () => {
        alive = false;
        this.#underWay.clear();
      },
    };
  }

  #receive(job: SendJob, answer: (exchange: Exchange) => void): void {
    const { href } = job.target;
    const hit: Hit = {
      href,
      messageId: job.messageId,
      payload: job.payload,
      startedAt: this.#clock.now(),
      endedAt: null,
      succeeded: false,
    };
    this.hits.push(hit);
    const underWay = (this.#underWay.get(href) ?? 0) + 1;
    this.#underWay.set(href, underWay);
    this.mostUnderWay.set(href, Math.max(underWay, this.mostUnderWay.get(href) ?? 0));
    const { status, afterMs, retryAfter } = this.#behave(href, job.timeoutMs);
    this.#clock.timer(afterMs, () => {
      this.#underWay.set(href, Math.max(0, (this.#underWay.get(href) ?? 1) - 1));
      hit.endedAt = this.#clock.now();
      hit.succeeded = status === 200;
      answer({
        startedAt: hit.startedAt,
        durationMs: afterMs,
        status,
        body: '',
        requestHeaders: '',
        responseHeaders: '',
        retryAfter,
        error: status === null ? { code: 'timed_out', message: 'No answer.' } : null,
      });
    });
  }

  #behave(
    href: string,
    timeoutMs: number,
  ): { status: number | null; afterMs: number; retryAfter: string | null } {
    const chance = this.#random.fraction();
    const quick = 1 + Math.floor(this.#random.fraction() * 20);
    const manner = this.faulty ? this.manners.get(href) : 'works';
    switch (manner) {
      case 'hangs':
        return { status: null, afterMs: timeoutMs, retryAfter: null };
      case 'slow':
        return { status: 200, afterMs: 1_000 + Math.floor(chance * 3_000), retryAfter: null };
      case 'answers late':
        return { status: 200, afterMs: timeoutMs - 1_000, retryAfter: null };
      case 'always fails':
        return { status: 500, afterMs: quick, retryAfter: null };
      case 'fails often':
        return { status: chance < 0.5 ? 503 : 200, afterMs: quick, retryAfter: null };
      case 'asks for patience':
        return { status: chance < 0.5 ? 429 : 200, afterMs: quick, retryAfter: '45' };
      case 'goes':
        return { status: chance < 0.05 ? 410 : 200, afterMs: quick, retryAfter: null };
      default:
        return { status: 200, afterMs: quick, retryAfter: null };
    }
  }
}
