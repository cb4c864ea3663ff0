import { RESEND_DUE_AT } from '../../model/lease.ts';
import type { Backlog } from '../store.ts';
import { bigints } from './arrays.ts';
import type { Backend } from './backend.ts';
import { type Executor, type Statement, statement } from './connection.ts';

export const TIMED = 'd.state = 0 AND d.next_attempt_at IS NOT NULL';
const WAITING = 'd.state = 0 AND d.next_attempt_at IS NULL';
const HELD = 'd.state = 4';

/**
 * Goes from endpoint to endpoint through an index that begins with them, in each partition by itself: what it costs is the number
 * of endpoints, however many deliveries each has. `first`: by what the first of an endpoint is told from its others. `within`: of which
 * endpoints, if not of all.
 */
export function endpointsWith(which: string, first: string, within = ''): string {
  const next = (after: string) =>
    `CROSS JOIN LATERAL (
       SELECT d.application_key, d.endpoint_key, d.${first} FROM posthorn.delivery d
       WHERE ${which} ${within} AND d.message_key >= p.low AND d.message_key < p.high ${after}
       ORDER BY d.application_key, d.endpoint_key, d.${first} LIMIT 1) AS n`;
  return `WITH RECURSIVE walk AS (
       SELECT p.low, p.high, n.* FROM (
         SELECT number << 30 AS low, (number + 1) << 30 AS high FROM posthorn.partition) AS p ${next('')}
       UNION ALL
       SELECT p.low, p.high, n.* FROM walk AS p
         ${next('AND (d.application_key, d.endpoint_key) > (p.application_key, p.endpoint_key)')}
     )`;
}

const BACKLOG = statement(
  `${endpointsWith(TIMED, 'next_attempt_at')}
   SELECT endpoint_key AS "endpointKey", min(next_attempt_at) AS "nextDueAt" FROM walk GROUP BY endpoint_key`,
);
const RESENDS = statement(
  `WITH RECURSIVE walk AS (
     (SELECT r.application_key, r.endpoint_key FROM posthorn.resend r WHERE r.fence = 0
      ORDER BY r.application_key, r.endpoint_key LIMIT 1)
     UNION ALL
     SELECT n.* FROM walk CROSS JOIN LATERAL (
       SELECT r.application_key, r.endpoint_key FROM posthorn.resend r
       WHERE r.fence = 0 AND (r.application_key, r.endpoint_key) > (walk.application_key, walk.endpoint_key)
       ORDER BY r.application_key, r.endpoint_key LIMIT 1) AS n
   )
   SELECT endpoint_key AS "endpointKey" FROM walk`,
);
const ITS_ENDPOINT = `CROSS JOIN LATERAL (
     SELECT o.deleted_at, o.disabled, o.paused_at FROM posthorn.endpoint o WHERE o.endpoint_key = walk.endpoint_key OFFSET 0) AS e`;
const HELD_OF_DELETED = statement(
  `${endpointsWith(HELD, 'message_key')}
   SELECT DISTINCT endpoint_key AS "endpointKey" FROM walk ${ITS_ENDPOINT} WHERE e.deleted_at IS NOT NULL`,
);
const WAITING_OF_STOPPED = statement(
  `${endpointsWith(WAITING, 'message_key')}
   SELECT DISTINCT endpoint_key AS "endpointKey" FROM walk ${ITS_ENDPOINT}
   WHERE e.deleted_at IS NOT NULL OR e.disabled = 1 OR e.paused_at IS NOT NULL`,
);
const NEXT_DUE = statement(
  `SELECT CASE WHEN EXISTS (SELECT FROM posthorn.resend r WHERE r.application_key = e.application_key
         AND r.endpoint_key = e.endpoint_key AND r.fence = 0) THEN 0
       ELSE (SELECT d.next_attempt_at FROM posthorn.delivery d WHERE d.application_key = e.application_key
         AND d.endpoint_key = e.endpoint_key AND ${TIMED} ORDER BY d.next_attempt_at LIMIT 1) END AS "nextDueAt"
   FROM unnest($1::bigint[]) WITH ORDINALITY AS lane (endpoint_key, position)
   LEFT JOIN posthorn.endpoint e ON e.endpoint_key = lane.endpoint_key ORDER BY lane.position`,
);

/** Endpoints that something is to be done for. */
export function backlogs({ db }: Backend) {
  const keys = async (statement: Statement) =>
    (await db.rows<{ endpointKey: number }>(statement)).map(({ endpointKey }) => endpointKey);
  return {
    async deliveryBacklog(): Promise<Backlog[]> {
      const [timed, resends] = await Promise.all([db.rows<Backlog>(BACKLOG), keys(RESENDS)]);
      const due = new Map(timed.map(({ endpointKey, nextDueAt }) => [endpointKey, nextDueAt]));
      for (const endpointKey of resends) due.set(endpointKey, RESEND_DUE_AT);
      return Array.from(due, ([endpointKey, nextDueAt]) => ({ endpointKey, nextDueAt }));
    },
    async deliveryOrphans(): Promise<number[]> {
      const found = await Promise.all([keys(HELD_OF_DELETED), keys(WAITING_OF_STOPPED)]);
      return [...new Set(found.flat())];
    },
  };
}

/** When the first of what waits in the store for each of these endpoints is due; null: nothing waits. */
export async function nextDueOf(
  tx: Executor,
  endpointKeys: readonly number[],
): Promise<{ nextDueAt: number | null }[]> {
  return tx.rows<{ nextDueAt: number | null }>(NEXT_DUE, [bigints(endpointKeys)]);
}
