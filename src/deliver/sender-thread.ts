import { Worker } from 'node:worker_threads';
import type { Clock, Timer } from '../model/clock.ts';
import {
  type ExchangeErrorCode,
  type HoldUntil,
  type Sender,
  type SendJob,
  type SendResult,
  type SendResultHandler,
  type Target,
  unsentExchange,
} from '../model/exchange.ts';
import { SharedClock } from '../model/shared-clock.ts';
import { Holding } from './holding.ts';
import type { HttpSenderSettings } from './http-sender.ts';
import {
  addJob,
  type FlatJobs,
  type FlatResults,
  type FromWorker,
  type NumberedTarget,
  readResults,
  type ToWorker,
  type WorkerSettings,
} from './thread-messages.ts';

/** Like those of `createHttpSender`, without what can't be sent to a thread. */
export interface ThreadSenderOptions extends HttpSenderSettings {
  readonly clock: Clock;
  readonly onResults: SendResultHandler;
  /** The thread ended by itself. A new one is started; the jobs it had have ended as `internal_error`. */
  readonly onCrash?: (error: Error) => void;
  /** Told of bugs that only cost one job. */
  readonly onBug?: (error: unknown) => void;
  /** The thread's program, for tests. */
  readonly program?: URL;
}

const RESTART_MS = 100;
const RESTART_MOST_MS = 10_000;
const CLOSE_MS = 5_000;
const CRASHED = 'The thread that sends requests failed; whether this one arrived is not known.';
const STOPPED = 'Posthorn was stopped before the answer came.';

/** This file is .ts in a clone and .js in the package, and so is its neighbour. */
const PROGRAM = new URL(`./sender-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

/**
 * Sends on a thread of its own, so that accepting and storing don't wait for TLS, HMAC and HTTP.
 *
 *     starting --first message--> running --exit--> backing off --timer--> starting
 *         any --close()--> closed
 */
export function createThreadSender(options: ThreadSenderOptions): Sender {
  return new ThreadSender(options);
}

/** A thread and what it was told. A new thread knows nothing, so all of this goes with the old one. */
interface Thread {
  readonly worker: Worker;
  readonly targets: WeakMap<Target, number>;
  readonly exited: Promise<void>;
}

class ThreadSender implements Sender {
  readonly #options: ThreadSenderOptions;
  /** Own numbers to the callers' refs, of all jobs without a result. */
  readonly #refs = new Map<number, number>();
  readonly #forgotten = new FinalizationRegistry<number>((number) => this.#forget.push(number));
  /** The same for each thread that is started. */
  readonly #holding = new Holding();
  #forget: number[] = [];
  #outbox: SendJob[] = [];
  #posting = false;
  #lastNumber = 0;
  #thread: Thread | null = null;
  #restartMs = RESTART_MS;
  #restart: Timer | null = null;
  #closed = false;

  constructor(options: ThreadSenderOptions) {
    this.#options = options;
    this.#start();
  }

  send(jobs: readonly SendJob[]): void {
    if (this.#closed) {
      queueMicrotask(() =>
        this.#options.onResults(jobs.map(({ ref }) => this.#unsent(ref, 'connection_closed', STOPPED))),
      );
      return;
    }
    for (const job of jobs) this.#outbox.push(job);
    if (this.#posting) return;
    this.#posting = true;
    queueMicrotask(() => this.#post());
  }

  holdUntil(until: HoldUntil): void {
    this.#holding.set(until);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#restart?.cancel();
    const thread = this.#thread;
    if (thread !== null) {
      this.#post();
      thread.worker.postMessage({ kind: 'close' } satisfies ToWorker);
      const late = this.#options.clock.timer(CLOSE_MS, () => void thread.worker.terminate());
      await thread.exited;
      late.cancel();
    }
    this.#endAll('connection_closed', STOPPED);
  }

  /** Jobs that come while no thread runs wait for the next one. */
  #post(): void {
    this.#posting = false;
    const thread = this.#thread;
    if (thread === null || this.#outbox.length === 0) return;
    const jobs: FlatJobs = [];
    const targets: NumberedTarget[] = [];
    for (const job of this.#outbox) {
      let target = thread.targets.get(job.target);
      if (target === undefined) {
        target = ++this.#lastNumber;
        thread.targets.set(job.target, target);
        this.#forgotten.register(job.target, target);
        targets.push([target, job.target]);
      }
      const number = ++this.#lastNumber;
      this.#refs.set(number, job.ref);
      addJob(jobs, job, number, target);
    }
    const forget = this.#forget;
    this.#forget = [];
    this.#outbox = [];
    thread.worker.postMessage({ kind: 'send', targets, jobs, forget } satisfies ToWorker);
  }

  #start(): void {
    const { clock } = this.#options;
    const workerData: WorkerSettings = {
      ...settingsOf(this.#options),
      holding: this.#holding.memory,
      time: clock instanceof SharedClock ? clock.memory : null,
    };
    const worker = new Worker(this.#options.program ?? PROGRAM, { workerData });
    let cause: Error | null = null;
    const exited = new Promise<void>((resolve) => {
      worker.on('error', (error) => {
        cause = error instanceof Error ? error : new Error(String(error));
      });
      worker.on('messageerror', (error) => {
        cause = error;
        void worker.terminate();
      });
      worker.on('exit', (code) => {
        this.#exited(cause ?? new Error(`The sending thread ended by itself (exit code ${code}).`));
        resolve();
      });
    });
    worker.on('message', (message: FromWorker) => {
      if (message.kind === 'results') this.#receive(message.results);
      else if (message.kind === 'bug') this.#options.onBug?.(new Error(message.text));
      else void worker.terminate();
    });
    this.#thread = { worker, targets: new WeakMap(), exited };
  }

  #exited(cause: Error): void {
    this.#thread = null;
    if (this.#closed) return;
    // What waits in the outbox was not given to the thread, and goes to the next.
    this.#endRunning('internal_error', CRASHED);
    this.#options.onCrash?.(cause);
    this.#restart = this.#options.clock.timer(this.#restartMs, () => {
      this.#start();
      this.#post();
    });
    this.#restartMs = Math.min(this.#restartMs * 2, RESTART_MOST_MS);
  }

  #receive(flat: FlatResults): void {
    this.#restartMs = RESTART_MS;
    const results: SendResult[] = [];
    for (const { ref: number, exchange } of readResults(flat)) {
      const ref = this.#refs.get(number);
      if (ref === undefined) continue;
      this.#refs.delete(number);
      results.push({ ref, exchange });
    }
    if (results.length > 0) this.#options.onResults(results);
  }

  #endRunning(code: ExchangeErrorCode, message: string): void {
    const results = [...this.#refs.values()].map((ref) => this.#unsent(ref, code, message));
    this.#refs.clear();
    if (results.length > 0) this.#options.onResults(results);
  }

  #endAll(code: ExchangeErrorCode, message: string): void {
    for (const job of this.#outbox.splice(0)) this.#refs.set(++this.#lastNumber, job.ref);
    this.#endRunning(code, message);
  }

  #unsent(ref: number, code: ExchangeErrorCode, message: string): SendResult {
    return { ref, exchange: unsentExchange(this.#options.clock.now(), { code, message }) };
  }
}

function settingsOf(options: ThreadSenderOptions): HttpSenderSettings {
  const { allowNetworks, signatureHeaders, userAgent, socketsMost, ca } = options;
  return {
    allowNetworks,
    signatureHeaders,
    userAgent,
    ...(socketsMost !== undefined && { socketsMost }),
    ...(ca && { ca }),
  };
}
