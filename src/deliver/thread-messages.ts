import type { ExchangeErrorCode, SendJob, SendResult, Target } from '../model/exchange.ts';
import type { HttpSenderSettings } from './http-sender.ts';

/** What a thread is started with. */
export interface WorkerSettings extends HttpSenderSettings {
  /** The memory of a `Holding`. */
  readonly holding: SharedArrayBuffer;
  /** The memory of a `SharedClock`; null: the thread has its own time. */
  readonly time: SharedArrayBuffer | null;
}

/**
 * What goes between `sender-thread.ts` and `sender-worker.ts`. Jobs and results travel in one flat array per batch:
 * cloning an array of primitives costs a third of cloning an array of objects.
 */
export type ToWorker =
  | {
      readonly kind: 'send';
      /** Targets that these jobs are the first to use. */
      readonly targets: readonly NumberedTarget[];
      readonly jobs: FlatJobs;
      /** Targets that nobody holds any more. */
      readonly forget: readonly number[];
    }
  | { readonly kind: 'close' };

export type FromWorker =
  | { readonly kind: 'results'; readonly results: FlatResults }
  | { readonly kind: 'bug'; readonly text: string }
  /** All results are out; the thread may be ended. */
  | { readonly kind: 'closed' };

export type NumberedTarget = readonly [number: number, target: Target];

type Primitive = string | number | boolean | null;
export type FlatJobs = Primitive[];
export type FlatResults = Primitive[];

const JOB_FIELDS = 8;
const RESULT_FIELDS = 10;
/** In the place of an exchange's fields. */
const UNSENT: readonly Primitive[] = Array.from({ length: RESULT_FIELDS - 1 }, () => null);

export function addJob(flat: FlatJobs, job: SendJob, ref: number, target: number): void {
  const { messageId, payload, timeoutMs, test, queue } = job;
  flat.push(ref, target, messageId, payload, timeoutMs, test);
  if (queue === null) flat.push(null, null);
  else flat.push(queue.endpointKey, queue.atOnce);
}

export function readJobs(flat: FlatJobs, target: (number: number) => Target): SendJob[] {
  const jobs: SendJob[] = [];
  for (let at = 0; at < flat.length; at += JOB_FIELDS) {
    const endpointKey = flat[at + 6] as number | null;
    jobs.push({
      ref: flat[at] as number,
      target: target(flat[at + 1] as number),
      messageId: flat[at + 2] as string,
      payload: flat[at + 3] as string,
      timeoutMs: flat[at + 4] as number,
      test: flat[at + 5] as boolean,
      queue: endpointKey === null ? null : { endpointKey, atOnce: flat[at + 7] as number },
    });
  }
  return jobs;
}

export function flatResults(results: readonly SendResult[]): FlatResults {
  const flat: FlatResults = [];
  for (const { ref, exchange } of results) {
    if (exchange === null) {
      flat.push(ref, ...UNSENT);
      continue;
    }
    const { error } = exchange;
    flat.push(
      ref,
      exchange.startedAt,
      exchange.durationMs,
      exchange.status,
      exchange.body,
      exchange.requestHeaders,
      exchange.responseHeaders,
      exchange.retryAfter,
      error?.code ?? null,
      error?.message ?? null,
    );
  }
  return flat;
}

export function readResults(flat: FlatResults): SendResult[] {
  const results: SendResult[] = [];
  for (let at = 0; at < flat.length; at += RESULT_FIELDS) {
    const ref = flat[at] as number;
    const code = flat[at + 8] as ExchangeErrorCode | null;
    if (flat[at + 1] === null) {
      results.push({ ref, exchange: null });
      continue;
    }
    results.push({
      ref,
      exchange: {
        startedAt: flat[at + 1] as number,
        durationMs: flat[at + 2] as number,
        status: flat[at + 3] as number | null,
        body: flat[at + 4] as string,
        requestHeaders: flat[at + 5] as string,
        responseHeaders: flat[at + 6] as string,
        retryAfter: flat[at + 7] as string | null,
        error: code === null ? null : { code, message: flat[at + 9] as string },
      },
    });
  }
  return results;
}
