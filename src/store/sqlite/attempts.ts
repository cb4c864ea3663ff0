import type { AttemptTrigger } from '../../model/attempt.ts';
import type { ExchangeErrorCode } from '../../model/exchange.ts';
import type { AttemptFilter, AttemptPage, ListedAttempt, Scanned } from '../store.ts';
import { ATTEMPT_IS_WANTED, attemptFilterValues } from './attempt-filter.ts';
import type { Connection } from './connection.ts';
import { towardsNewest } from './pages.ts';
import { type ScannedRow, scan } from './scan.ts';

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
  request_headers: string | null;
  response_headers: string | null;
  body: string;
  message_id: string;
  endpoint_id: string;
}

export const ATTEMPT_COLUMNS = [
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
  'request_headers',
  'response_headers',
  'body',
];

type ListParams = ({ applicationKey: number; messageKey: number } | { endpointKey: number }) &
  AttemptPage & { filter?: AttemptFilter; scan?: number };
type FindParams = { applicationKey: number; messageKey: number; id: string };
type LatestParams = {
  applicationKey: number;
  messageKey: number;
  endpointKeys: readonly number[];
  before: string | null;
  scan: number;
};
type CountParams = { endpointKey: number; from: string; to: string; scan: number };
type Count = { succeeded: number; failed: number; scannedTo: string | null };

export function attempts(connection: Connection) {
  const statements = prepare(connection);
  const { byMessage, byEndpoint, byKey, latest, find, expunge, count, more } = statements;

  return {
    attemptList(params: ListParams): Scanned<ListedAttempt> {
      const [list, of] =
        'messageKey' in params ? [byMessage, params.messageKey] : [byEndpoint, params.endpointKey];
      const { before, after, limit, filter, scan: bound = Number.POSITIVE_INFINITY } = params;
      const upwards = towardsNewest(params);
      const { rows, scans } = list[upwards ? 'oldest' : 'newest'];
      let found: { rows: Row[]; scannedTo: string | null };
      if (filter === undefined) {
        found = { rows: rows.all({ of, before, after, limit }) as Row[], scannedTo: null };
      } else {
        const values = { of, before, after, ...attemptFilterValues(filter) };
        const { keys, scannedTo } = scan(scans.iterate(values) as Iterable<ScannedRow>, limit, bound);
        found = { rows: keys.map((key) => byKey.get(key) as Row), scannedTo };
      }
      const listed = found.rows.map(attempt);
      return { rows: upwards ? listed.reverse() : listed, scannedTo: found.scannedTo };
    },
    attemptLatest({ endpointKeys, scan: bound, ...range }: LatestParams): Scanned<ListedAttempt> {
      const wanted = new Set(endpointKeys);
      const rows: ListedAttempt[] = [];
      let looked = 0;
      let scannedTo: string | null = null;
      for (const [id, key, of] of latest.iterate(range) as Iterable<[string, number, number]>) {
        if (wanted.delete(of)) rows.push(attempt(byKey.get(key) as Row));
        if (wanted.size === 0) break;
        if (++looked < bound) continue;
        scannedTo = id;
        break;
      }
      return { rows, scannedTo };
    },
    attemptFind({ messageKey, id }: FindParams): ListedAttempt | null {
      const row = find.get(messageKey, id);
      return row === undefined ? null : attempt(row as Row);
    },
    attemptExpunge: ({ messageKey, id }: FindParams): boolean => expunge.run(messageKey, id).changes > 0,
    attemptCount({ scan: bound, ...params }: CountParams): Count {
      const { looked, succeeded, last } = count.get({ ...params, bound }) as {
        looked: number;
        succeeded: number;
        last: string | null;
      };
      const ended = looked < bound || more.get({ ...params, from: last }) === undefined;
      return { succeeded, failed: looked - succeeded, scannedTo: ended ? null : last };
    },
  };
}

/** An attempt with the ids of what it belongs to, which are there as long as it is. */
const LISTED = `SELECT a.*, m.id AS message_id, e.id AS endpoint_id FROM attempt a
  JOIN message m ON m.message_key = a.message_key JOIN endpoint e ON e.endpoint_key = a.endpoint_key`;

function prepare(connection: Connection) {
  /** Newest first; with only a lower bound, the page next to it. */
  const lists = (column: 'message_key' | 'endpoint_key') => {
    const list = (order: 'ASC' | 'DESC') => {
      const range = `WHERE a.${column} = @of AND a.id < coalesce(@before, '~') AND a.id > coalesce(@after, '')
         ORDER BY a.id ${order}`;
      return {
        rows: connection.prepare(`${LISTED} ${range} LIMIT @limit`),
        scans: connection
          .prepare(`SELECT a.id, a.attempt_key, iif(${ATTEMPT_IS_WANTED}, 1, 0), 0 FROM attempt a ${range}`)
          .raw(),
      };
    };
    return { newest: list('DESC'), oldest: list('ASC') };
  };
  const counted = 'FROM attempt WHERE endpoint_key = @endpointKey AND id < @to AND id';
  return {
    byMessage: lists('message_key'),
    byEndpoint: lists('endpoint_key'),
    byKey: connection.prepare(`${LISTED} WHERE a.attempt_key = ?`),
    latest: connection
      .prepare(
        `SELECT a.id, a.attempt_key, a.endpoint_key FROM attempt a
         WHERE a.message_key = @messageKey AND a.id < coalesce(@before, '~') ORDER BY a.id DESC`,
      )
      .raw(),
    find: connection.prepare(`${LISTED} WHERE a.message_key = ? AND a.id = ?`),
    expunge: connection.prepare(
      `UPDATE attempt SET body = 'EXPUNGED', response_headers = NULL, retry_after = NULL WHERE message_key = ? AND id = ?`,
    ),
    count: connection.prepare(
      `SELECT count(*) AS looked, count(*) FILTER (WHERE status BETWEEN 200 AND 299) AS succeeded, max(id) AS last
       FROM (SELECT id, status ${counted} >= @from ORDER BY id LIMIT @bound)`,
    ),
    more: connection.prepare(`SELECT 1 ${counted} > @from LIMIT 1`),
  };
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
      requestHeaders: row.request_headers ?? '',
      responseHeaders: row.response_headers ?? '',
      retryAfter: row.retry_after,
      error: row.error_code === null ? null : { code: row.error_code, message: row.error_message ?? '' },
    },
  };
}
