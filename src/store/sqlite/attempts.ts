import type { AttemptTrigger } from '../../model/attempt.ts';
import type { ExchangeErrorCode } from '../../model/exchange.ts';
import type { AttemptPage, AttemptResult, ListedAttempt } from '../store.ts';
import { bulkInsert } from './bulk-insert.ts';
import { type Connection, transaction } from './connection.ts';
import { stateCode } from './deliveries.ts';

interface Row {
  id: string;
  message_key: number;
  endpoint_key: number;
  number: number;
  trigger: AttemptTrigger;
  url: string;
  started_at: number;
  duration_ms: number;
  status: number | null;
  retry_after: string | null;
  error_code: ExchangeErrorCode | null;
  error_message: string | null;
  body: string;
  message_id: string;
  endpoint_id: string;
}

const COLUMNS = [
  'id',
  'message_key',
  'endpoint_key',
  'number',
  'trigger',
  'url',
  'started_at',
  'duration_ms',
  'status',
  'retry_after',
  'error_code',
  'error_message',
  'body',
];

export function attempts(connection: Connection) {
  const insert = bulkInsert(connection, 'attempt', COLUMNS);
  const settle = connection.prepare(
    `UPDATE delivery SET state = ?, attempt_count = ?, next_attempt_at = ?, fence = ?, reason = ?
     WHERE message_key = ? AND endpoint_key = ? AND fence = ?`,
  );
  const settleCancelled = connection.prepare(
    `UPDATE delivery SET attempt_count = max(attempt_count, @number), state = iif(@succeeded, 2, state),
       reason = iif(@succeeded, NULL, reason)
     WHERE message_key = @messageKey AND endpoint_key = @endpointKey AND state = 5`,
  );
  const byMessage = lists(connection, 'message_key');
  const byEndpoint = lists(connection, 'endpoint_key');

  return {
    deliveryRecord: ({ results }: { results: readonly AttemptResult[] }): boolean[] =>
      transaction(connection, () => {
        const values: unknown[] = [];
        for (const { attempt } of results) addAttempt(values, attempt);
        insert(values);
        return results.map((result) => {
          if (settle.run(...settled(result)).changes > 0) return true;
          const { number, messageKey, endpointKey } = result.attempt;
          settleCancelled.run({
            number,
            messageKey,
            endpointKey,
            succeeded: result.verdict.state === 'succeeded' ? 1 : 0,
          });
          return false;
        });
      }),
    attemptListByMessage: ({ messageKey, ...page }: { messageKey: number } & AttemptPage): ListedAttempt[] =>
      byMessage(messageKey, page),
    attemptListByEndpoint: ({
      endpointKey,
      ...page
    }: { endpointKey: number } & AttemptPage): ListedAttempt[] => byEndpoint(endpointKey, page),
  };
}

/** Newest first; with only a lower bound, the page next to it. */
function lists(connection: Connection, column: 'message_key' | 'endpoint_key') {
  const list = (direction: 'ASC' | 'DESC') =>
    connection.prepare(
      `SELECT a.*, m.id AS message_id, e.id AS endpoint_id FROM attempt a
       JOIN message m ON m.message_key = a.message_key JOIN endpoint e ON e.endpoint_key = a.endpoint_key
       WHERE a.${column} = ? AND a.id < coalesce(?, '~') AND a.id > coalesce(?, '') ORDER BY a.id ${direction} LIMIT ?`,
    );
  const newest = list('DESC');
  const oldest = list('ASC');
  return (key: number, { limit, before, after }: AttemptPage): ListedAttempt[] => {
    const upwards = after !== null && before === null;
    const rows = (upwards ? oldest : newest).all(key, before, after, limit) as Row[];
    return (upwards ? rows.reverse() : rows).map(attempt);
  };
}

function addAttempt(values: unknown[], { exchange, ...attempt }: AttemptResult['attempt']): void {
  values.push(
    attempt.id,
    attempt.messageKey,
    attempt.endpointKey,
    attempt.number,
    attempt.trigger,
    attempt.url,
    exchange.startedAt,
    exchange.durationMs,
    exchange.status,
    exchange.retryAfter,
    exchange.error?.code ?? null,
    exchange.error?.message ?? null,
    exchange.body,
  );
}

/** The values of `settle`. */
function settled({ lease, attempt, verdict, keepLease }: AttemptResult): unknown[] {
  const kept = keepLease && verdict.state === 'pending';
  return [
    stateCode(kept ? 'sending' : verdict.state),
    attempt.number,
    verdict.state === 'pending' ? verdict.nextAttemptAt : null,
    kept ? lease.fence : 0,
    verdict.state === 'failed' ? verdict.reason : null,
    lease.messageKey,
    lease.endpointKey,
    lease.fence,
  ];
}

function attempt(row: Row): ListedAttempt {
  return {
    id: row.id,
    messageKey: row.message_key,
    endpointKey: row.endpoint_key,
    messageId: row.message_id,
    endpointId: row.endpoint_id,
    number: row.number,
    trigger: row.trigger,
    url: row.url,
    exchange: {
      startedAt: row.started_at,
      durationMs: row.duration_ms,
      status: row.status,
      body: row.body,
      retryAfter: row.retry_after,
      error: row.error_code === null ? null : { code: row.error_code, message: row.error_message ?? '' },
    },
  };
}
