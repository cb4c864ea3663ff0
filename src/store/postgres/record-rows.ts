import { stateCode } from '../rows/delivery-states.ts';
import type { AttemptResult } from '../store.ts';
import { bigints, integers, texts } from './arrays.ts';
import type { Column } from './columns.ts';

/** What a result makes of its delivery, when its fence holds. */
export interface Settled {
  readonly state: number;
  readonly attemptCount: number;
  readonly nextAttemptAt: number | null;
  readonly fence: number;
  readonly reason: string | null;
}

export function settled({ lease, attempt, verdict, keepLease }: AttemptResult): Settled {
  const kept = keepLease && verdict.state === 'pending';
  return {
    state: stateCode(kept ? 'sending' : verdict.state),
    attemptCount: attempt.number,
    nextAttemptAt: verdict.state === 'pending' ? verdict.nextAttemptAt : null,
    fence: kept ? lease.fence : 0,
    reason: 'reason' in verdict ? verdict.reason : null,
  };
}

/** Which application, message and endpoint it is about. */
export function keyValues(results: readonly AttemptResult[]): Buffer[] {
  return [
    bigints(results.map(({ applicationKey }) => applicationKey)),
    bigints(results.map(({ lease }) => lease.messageKey)),
    bigints(results.map(({ lease }) => lease.endpointKey)),
  ];
}

/** Beside the keys. */
export const ATTEMPT_COLUMNS: readonly Column[] = [
  ['started_at', 'bigint'],
  ['duration_ms', 'bigint'],
  ['number', 'integer'],
  ['status', 'integer'],
  ['id', 'text'],
  ['url', 'text'],
  ['request_headers', 'text'],
  ['response_headers', 'text'],
  ['body', 'text'],
];
/** Most attempts are `scheduled`, and have none of the others. */
export const SELDOM_ATTEMPT_COLUMNS: readonly Column[] = [
  ['trigger', 'text'],
  ['retry_after', 'text'],
  ['error_code', 'text'],
  ['error_message', 'text'],
];

export const ALL_ATTEMPT_COLUMNS: readonly Column[] = [...ATTEMPT_COLUMNS, ...SELDOM_ATTEMPT_COLUMNS];

/** In the order of ATTEMPT_COLUMNS. */
export function attemptValues(results: readonly AttemptResult[]): Buffer[] {
  const exchanges = results.map(({ attempt }) => attempt.exchange);
  return [
    bigints(exchanges.map(({ startedAt }) => startedAt)),
    bigints(exchanges.map(({ durationMs }) => durationMs)),
    integers(results.map(({ attempt }) => attempt.number)),
    integers(exchanges.map(({ status }) => status)),
    texts(results.map(({ attempt }) => attempt.id)),
    texts(results.map(({ attempt }) => attempt.url)),
    texts(exchanges.map(({ requestHeaders }) => requestHeaders)),
    texts(exchanges.map(({ responseHeaders }) => responseHeaders)),
    texts(exchanges.map(({ body }) => body)),
  ];
}

/** In the order of SELDOM_ATTEMPT_COLUMNS. */
export function seldomAttemptValues(results: readonly AttemptResult[]): Buffer[] {
  return [
    texts(results.map(({ attempt }) => attempt.trigger)),
    texts(results.map(({ attempt }) => attempt.exchange.retryAfter)),
    texts(results.map(({ attempt }) => attempt.exchange.error?.code ?? null)),
    texts(results.map(({ attempt }) => attempt.exchange.error?.message ?? null)),
  ];
}

/** In the order of ALL_ATTEMPT_COLUMNS. */
export function allAttemptValues(results: readonly AttemptResult[]): Buffer[] {
  return [...attemptValues(results), ...seldomAttemptValues(results)];
}
