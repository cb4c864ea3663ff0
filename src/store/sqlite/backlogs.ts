import type { Statement } from 'better-sqlite3';
import type { Backlog } from '../store.ts';
import type { Connection } from './connection.ts';

type EndpointOf = { key: number; deleted: 0 | 1; taking: 0 | 1 };

/** Endpoints that something is to be done for. Their number is what it costs, however many deliveries each has. */
export function backlogs(connection: Connection) {
  const statements = prepare(connection);
  const { nextEndpoint } = statements;
  const nextDueAt = nextDueOf(connection);

  return {
    deliveryBacklog(): Backlog[] {
      const backlog: Backlog[] = [];
      let next = nextEndpoint.get({ after: -1 }) as number | null;
      while (next !== null) {
        const at = nextDueAt(next, true);
        if (at !== null) backlog.push({ endpointKey: next, nextDueAt: at });
        next = nextEndpoint.get({ after: next }) as number | null;
      }
      return backlog;
    },
    deliveryOrphans: (): number[] => orphans(statements),
  };
}

/** When the first of what waits in the store for an endpoint is due; null: nothing waits. */
export function nextDueOf(
  connection: Connection,
): (endpointKey: number, withResends: boolean) => number | null {
  const { nextDue, waits } = {
    nextDue: connection
      .prepare(
        'SELECT min(next_attempt_at) FROM delivery WHERE state = 0 AND endpoint_key = ? AND next_attempt_at IS NOT NULL',
      )
      .pluck(),
    waits: connection
      .prepare('SELECT EXISTS (SELECT 1 FROM resend WHERE fence = 0 AND endpoint_key = ?)')
      .pluck(),
  };
  return (endpointKey, withResends) =>
    withResends && waits.get(endpointKey) === 1 ? 0 : (nextDue.get(endpointKey) as number | null);
}

/** Goes from endpoint to endpoint that has what is held, or waits behind another. */
function orphans({ nextHeld, nextWaiting }: ReturnType<typeof prepare>): number[] {
  const found = new Set<number>();
  const walk = (next: Statement, wanted: (endpoint: EndpointOf) => boolean) => {
    let endpoint = next.get(-1) as EndpointOf | undefined;
    for (; endpoint !== undefined; endpoint = next.get(endpoint.key) as EndpointOf | undefined) {
      if (wanted(endpoint)) found.add(endpoint.key);
    }
  };
  walk(nextHeld, ({ deleted }) => deleted === 1);
  walk(nextWaiting, ({ taking }) => taking === 0);
  return [...found];
}

function prepare(connection: Connection) {
  const nextOf = (which: string) =>
    connection.prepare(
      `SELECT endpoint_key AS key, deleted_at IS NOT NULL AS deleted,
         deleted_at IS NULL AND disabled = 0 AND paused_at IS NULL AS taking
       FROM endpoint WHERE endpoint_key = (SELECT min(endpoint_key) FROM delivery WHERE ${which} AND endpoint_key > ?)`,
    );
  return {
    nextEndpoint: connection
      .prepare(
        `SELECT min(key) FROM (
           SELECT min(endpoint_key) AS key FROM delivery WHERE state = 0 AND endpoint_key > @after AND next_attempt_at IS NOT NULL
           UNION ALL SELECT min(endpoint_key) FROM resend WHERE fence = 0 AND endpoint_key > @after)`,
      )
      .pluck(),
    nextHeld: nextOf('state = 4'),
    nextWaiting: nextOf('state = 0 AND next_attempt_at IS NULL'),
  };
}
