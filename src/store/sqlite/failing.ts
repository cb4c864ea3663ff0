import type { EndpointFailing, EndpointFailingChange } from '../store.ts';
import { announcing } from './announcements.ts';
import type { Connection } from './connection.ts';

type Row = Omit<EndpointFailing, 'broken'> & { broken: 0 | 1 };

/** Endpoints that did nothing but fail since a time. */
export function failing(connection: Connection) {
  const list = connection.prepare(
    `SELECT f.endpoint_key AS endpointKey, f.since, f.warned_at AS warnedAt, f.broken FROM endpoint_failing f
     CROSS JOIN endpoint e ON e.endpoint_key = f.endpoint_key WHERE e.deleted_at IS NULL`,
  );
  return {
    endpointFailing: (): EndpointFailing[] =>
      (list.all() as Row[]).map((row) => ({ ...row, broken: row.broken === 1 })),
  };
}

/** For the transaction of what made it fail, or work again. */
export function failures(connection: Connection) {
  // An endpoint may have been deleted while its attempt was under way. And a change may come a second time, when nobody knew
  // whether the first was written: it is announced once.
  const upsert = connection.prepare(
    `INSERT INTO endpoint_failing (endpoint_key, since, warned_at, broken)
     SELECT endpoint_key, @since, @warnedAt, @broken FROM endpoint WHERE endpoint_key = @endpointKey AND deleted_at IS NULL
     ON CONFLICT (endpoint_key) DO UPDATE SET since = excluded.since, warned_at = excluded.warned_at, broken = excluded.broken
     WHERE since != excluded.since OR warned_at IS NOT excluded.warned_at`,
  );
  // That the breaker opened or closed is told to nobody.
  const setBroken = connection.prepare(
    'UPDATE endpoint_failing SET broken = @broken WHERE endpoint_key = @endpointKey AND broken != @broken',
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
      const broken = change.broken ? 1 : 0;
      if (upsert.run({ endpointKey, since, warnedAt, broken }).changes === 0) {
        setBroken.run({ endpointKey, broken });
        return;
      }
      for (const each of announcements) {
        announce.ofEndpoint([each], { applicationKey: each.applicationKey, endpointKey, now });
      }
    },
  };
}
