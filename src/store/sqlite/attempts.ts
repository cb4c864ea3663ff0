import { type AttemptRow, attempt } from '../rows/attempt-row.ts';
import type { ListedAttempt, Scanned, Store } from '../store.ts';
import { ATTEMPT_IS_WANTED, attemptFilterValues } from './attempt-filter.ts';
import type { Connection } from './connection.ts';
import { towardsNewest } from './pages.ts';
import { type ScannedRow, scan } from './scan.ts';

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

type ListParams = Parameters<Store['attemptList']>[0];
type FindParams = Parameters<Store['attemptFind']>[0];
type LatestParams = Parameters<Store['attemptLatest']>[0];

export function attempts(connection: Connection) {
  const statements = prepare(connection);
  const { byMessage, byEndpoint, byKey, latest, find, expunge } = statements;

  return {
    attemptList(params: ListParams): Scanned<ListedAttempt> {
      const [list, of] =
        'messageKey' in params ? [byMessage, params.messageKey] : [byEndpoint, params.endpointKey];
      const { before, after, limit, filter, scan: bound = Number.POSITIVE_INFINITY } = params;
      const upwards = towardsNewest(params);
      const { rows, scans } = list[upwards ? 'oldest' : 'newest'];
      let found: { rows: AttemptRow[]; scannedTo: string | null };
      if (filter === undefined) {
        found = { rows: rows.all({ of, before, after, limit }) as AttemptRow[], scannedTo: null };
      } else {
        const values = { of, before, after, ...attemptFilterValues(filter) };
        const { keys, scannedTo } = scan(scans.iterate(values) as Iterable<ScannedRow>, limit, bound);
        found = { rows: keys.map((key) => byKey.get(key) as AttemptRow), scannedTo };
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
        if (wanted.delete(of)) rows.push(attempt(byKey.get(key) as AttemptRow));
        if (wanted.size === 0) break;
        if (++looked < bound) continue;
        scannedTo = id;
        break;
      }
      return { rows, scannedTo };
    },
    attemptFind({ messageKey, id }: FindParams): ListedAttempt | null {
      const row = find.get(messageKey, id);
      return row === undefined ? null : attempt(row as AttemptRow);
    },
    attemptExpunge: ({ messageKey, id }: FindParams): boolean => expunge.run(messageKey, id).changes > 0,
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
  };
}
