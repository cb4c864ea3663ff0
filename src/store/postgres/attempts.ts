import { type AttemptRow, attempt } from '../rows/attempt-row.ts';
import type { ListedAttempt, Scanned, Store } from '../store.ts';
import { storable, texts } from './arrays.ts';
import { ATTEMPT_IS_WANTED, attemptFilterValues } from './attempt-filter.ts';
import type { Backend } from './backend.ts';
import { type Executor, statement } from './connection.ts';
import { named } from './named.ts';
import { towardsNewest } from './pages.ts';
import { rowsOf, type ScanOf, scanBound, scanEdge, upToEdge } from './scan.ts';

type ListParams = Parameters<Store['attemptList']>[0];
type FindParams = Parameters<Store['attemptFind']>[0];
type LatestParams = Parameters<Store['attemptLatest']>[0];

/** With the ids of what it belongs to, which are there as long as it is. */
const COLUMNS = `a.id, a.message_key, a.endpoint_key, a.number, a.trigger, a.url, a.started_at, a.duration_ms, a.status,
  a.retry_after, a.error_code, a.error_message, a.request_headers, a.response_headers, a.body,
  (SELECT m.id FROM posthorn.message m
    WHERE m.application_key = a.application_key AND m.message_key = a.message_key) AS message_id,
  (SELECT e.id FROM posthorn.endpoint e WHERE e.endpoint_key = a.endpoint_key) AS endpoint_id`;

const OF = {
  message: 'a.application_key = @applicationKey::bigint AND a.message_key = @messageKey::bigint',
  endpoint: `a.application_key = (SELECT application_key FROM posthorn.endpoint WHERE endpoint_key = @endpointKey::bigint)
    AND a.endpoint_key = @endpointKey::bigint`,
};

/** Newest first; with only a lower bound, the page next to it. */
const listOf = (whose: string, direction: 'ASC' | 'DESC') => {
  const range = `${whose} AND a.id < coalesce(@before::text, '~') AND a.id > coalesce(@after::text, '')`;
  const of: ScanOf = { from: 'posthorn.attempt a', range, direction, cost: '0' };
  const end = `ORDER BY a.id ${direction} LIMIT @limit::bigint`;
  return {
    all: named(`SELECT ${COLUMNS} FROM posthorn.attempt a WHERE ${range} ${end}`),
    wanted: named(
      `${scanEdge(of)}
       SELECT (SELECT id FROM edge) AS scanned_to, hit.* FROM (SELECT 1) AS one LEFT JOIN LATERAL (
         SELECT ${COLUMNS} FROM posthorn.attempt a WHERE ${range} AND ${upToEdge(of)} AND ${ATTEMPT_IS_WANTED} ${end}) AS hit ON true`,
    ),
  };
};
const listsOf = (whose: string) => ({ newest: listOf(whose, 'DESC'), oldest: listOf(whose, 'ASC') });
const LISTS = { message: listsOf(OF.message), endpoint: listsOf(OF.endpoint) };

const LOOK = statement(
  `SELECT a.id, a.endpoint_key FROM posthorn.attempt a
   WHERE a.application_key = $1 AND a.message_key = $2 AND a.id < coalesce($3::text, '~') ORDER BY a.id DESC LIMIT $4`,
);
const FIND = statement(
  `SELECT a.* FROM unnest($3::text[]) AS wanted (id) CROSS JOIN LATERAL (
     SELECT ${COLUMNS} FROM posthorn.attempt a
     WHERE a.application_key = $1 AND a.message_key = $2 AND a.id = wanted.id OFFSET 0) AS a`,
);
const EXPUNGE = statement(
  `UPDATE posthorn.attempt SET body = 'EXPUNGED', response_headers = NULL, retry_after = NULL
   WHERE application_key = $1 AND message_key = $2 AND id = $3`,
);
export function attempts({ db }: Backend) {
  return {
    async attemptList(params: ListParams): Promise<Scanned<ListedAttempt>> {
      const { before, after, limit, filter, scan, ...whose } = params;
      const upwards = towardsNewest(params);
      const lists = LISTS['messageKey' in params ? 'message' : 'endpoint'];
      const { all, wanted } = lists[upwards ? 'oldest' : 'newest'];
      const page = { ...whose, before: before && storable(before), after: after && storable(after), limit };
      let found: Scanned<AttemptRow>;
      if (filter === undefined) {
        found = { rows: await db.rows<AttemptRow>(all.statement, all.values(page)), scannedTo: null };
      } else {
        const values = wanted.values({ ...page, scan: scanBound(scan), ...attemptFilterValues(filter) });
        found = rowsOf<AttemptRow>(await db.rows(wanted.statement, values), limit);
      }
      const listed = found.rows.map(attempt);
      return { rows: upwards ? listed.reverse() : listed, scannedTo: found.scannedTo };
    },
    async attemptLatest(params: LatestParams): Promise<Scanned<ListedAttempt>> {
      const { applicationKey, messageKey, before, scan } = params;
      const wanted = new Set(params.endpointKeys);
      if (wanted.size === 0) return { rows: [], scannedTo: null };
      const values = [applicationKey, messageKey, before && storable(before), scan];
      const looked = await db.rows<{ id: string; endpoint_key: number }>(LOOK, values);
      const ids = looked.filter(({ endpoint_key }) => wanted.delete(endpoint_key)).map(({ id }) => id);
      const ended = wanted.size === 0 || looked.length < scan;
      return {
        rows: await byIds(db, params, ids),
        scannedTo: ended ? null : (looked.at(-1)?.id ?? null),
      };
    },
    async attemptFind({ id, ...message }: FindParams): Promise<ListedAttempt | null> {
      return (await byIds(db, message, [id]))[0] ?? null;
    },
    async attemptExpunge({ applicationKey, messageKey, id }: FindParams): Promise<boolean> {
      return (await db.changes(EXPUNGE, [applicationKey, messageKey, storable(id)])) > 0;
    },
  };
}

/** Those attempts of a message, newest first. */
async function byIds(
  db: Executor,
  { applicationKey, messageKey }: { applicationKey: number; messageKey: number },
  ids: readonly string[],
): Promise<ListedAttempt[]> {
  if (ids.length === 0) return [];
  const rows = await db.rows<AttemptRow>(FIND, [applicationKey, messageKey, texts(ids)]);
  return rows.map(attempt).sort((one, other) => (one.id < other.id ? 1 : -1));
}
