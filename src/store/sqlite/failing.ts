import type { EndpointFailing, EndpointFailingChange } from '../store.ts';
import { announcing } from './announcements.ts';
import type { Connection } from './connection.ts';

/** Endpoints that did nothing but fail since a time. */
export function failing(connection: Connection) {
  const list = connection.prepare(
    `SELECT f.endpoint_key AS endpointKey, f.since, f.warned_at AS warnedAt FROM endpoint_failing f
     CROSS JOIN endpoint e ON e.endpoint_key = f.endpoint_key WHERE e.deleted_at IS NULL`,
  );
  return { endpointFailing: (): EndpointFailing[] => list.all() as EndpointFailing[] };
}

/** For the transaction of what made it fail, or work again. */
export function failures(connection: Connection) {
  // An endpoint may have been deleted while its attempt was under way. And a change may come a second time, when nobody knew
  // whether the first was written: it is announced once.
  const upsert = connection.prepare(
    `INSERT INTO endpoint_failing (endpoint_key, since, warned_at)
     SELECT endpoint_key, @since, @warnedAt FROM endpoint WHERE endpoint_key = @endpointKey AND deleted_at IS NULL
     ON CONFLICT (endpoint_key) DO UPDATE SET since = excluded.since, warned_at = excluded.warned_at
     WHERE since != excluded.since OR warned_at IS NOT excluded.warned_at`,
  );
  const remove = connection.prepare('DELETE FROM endpoint_failing WHERE endpoint_key = ?');
  const announce = announcing(connection);
  const clear = (endpointKey: number): void => void remove.run(endpointKey);
  return {
    clear,
    change(change: EndpointFailingChange, now: number): void {
      const { endpointKey } = change;
      if (change.since === null) {
        clear(endpointKey);
        return;
      }
      const { since, warnedAt, announcements = [] } = change;
      if (upsert.run({ endpointKey, since, warnedAt }).changes === 0) return;
      for (const each of announcements) {
        announce.ofEndpoint([each], { applicationKey: each.applicationKey, endpointKey, now });
      }
    },
  };
}
