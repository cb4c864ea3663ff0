import type { Endpoint } from '../../model/endpoint.ts';
import { webHookId } from '../../model/web-hook-id.ts';
import { type EndpointRow, endpoint, storedEndpoint } from '../rows/endpoint-row.ts';
import { namedChanges } from '../rows/named-changes.ts';
import type { Store } from '../store.ts';
import { announcing } from './announcements.ts';
import { type Connection, transaction } from './connection.ts';
import { failures } from './failing.ts';
import { taskRestarts } from './task-restarts.ts';
import { beginTask } from './tasks.ts';

export function endpoints(connection: Connection) {
  const statements = prepare(connection);
  const announce = announcing(connection).ofEndpoint;
  const works = failures(connection).clear;
  const insertTask = beginTask(connection);
  const restartTask = taskRestarts(connection);
  const { count, byUid, byWebHookId, byKey, list, nextSecond, insert, update, remove } = statements;
  const find = (endpointKey: number): Endpoint | null => {
    const row = byKey.get(endpointKey);
    return row === undefined ? null : endpoint(row as EndpointRow);
  };
  /** Whether another endpoint of the application is found by it. */
  const taken = (applicationKey: number, uid: string | null | undefined, ownKey?: number): boolean => {
    if (typeof uid !== 'string') return false;
    const found = [byUid.get(applicationKey, uid), byWebHookId.get(applicationKey, uid)];
    return found.some((key) => key !== undefined && key !== ownKey);
  };
  /** A uid may look like a web hook id that is not given yet: that one is left out. */
  const nextWebHookId = (applicationKey: number, uid: string | null, now: number): string => {
    for (;;) {
      const next = nextSecond.get(Math.floor(now / 1000), applicationKey) as Second;
      const id = webHookId(next.number, next.second);
      if (id === uid || byUid.get(applicationKey, id) === undefined) return id;
    }
  };

  return {
    endpointInsert: ({
      limit,
      announcements = [],
      ...params
    }: InsertParams): Endpoint | 'limit' | 'uid_taken' =>
      transaction(connection, () => {
        const { applicationKey, id, now } = params;
        const { live } = count.get(applicationKey) as { live: number };
        if (live >= limit) return 'limit';
        if (taken(applicationKey, params.uid)) return 'uid_taken';
        const own = { applicationKey, id, now, webHookId: nextWebHookId(applicationKey, params.uid, now) };
        const inserted = endpoint(insert.get({ ...storedEndpoint(params), ...own }) as EndpointRow);
        announce(announcements, { applicationKey, endpointKey: inserted.key, now });
        return inserted;
      }),
    endpointList: ({ applicationKey }: { applicationKey: number }): Endpoint[] =>
      (list.all(applicationKey) as EndpointRow[]).map(endpoint),
    endpointFindByKey: ({ endpointKey }: { endpointKey: number }): Endpoint | null => find(endpointKey),
    endpointUpdate: (params: UpdateParams): Endpoint | 'uid_taken' | null =>
      transaction(connection, () => {
        const { endpointKey, applicationKey, now, changes, announcements = [], task } = params;
        const present = find(endpointKey);
        if (present === null || present.applicationKey !== applicationKey) return null;
        if (taken(applicationKey, changes.uid, endpointKey)) return 'uid_taken';
        const fields = storedEndpoint({ ...present, ...namedChanges(changes) });
        const changed = endpoint(update.get({ ...fields, endpointKey, now }) as EndpointRow);
        if (present.disabled && !changed.disabled) works(endpointKey);
        announce(announcements, { applicationKey, endpointKey, now });
        if (task !== undefined && restartTask(task) === null) insertTask(task);
        return changed;
      }),
    endpointDelete: ({ announcements = [], ...params }: DeleteParams): boolean =>
      transaction(connection, () => {
        const { applicationKey, endpointKey, now } = params;
        if (remove.run(now, endpointKey, applicationKey).changes === 0) return false;
        works(endpointKey);
        announce(announcements, params);
        return true;
      }),
  };
}

/** What a web hook id is made of. */
interface Second {
  number: number;
  second: number;
}
type InsertParams = Parameters<Store['endpointInsert']>[0];
type DeleteParams = Parameters<Store['endpointDelete']>[0];
type UpdateParams = Parameters<Store['endpointUpdate']>[0];

function prepare(connection: Connection) {
  return {
    nextSecond: connection.prepare(
      `UPDATE application SET web_hook_second = max(web_hook_second + 1, ?) WHERE application_key = ?
     RETURNING number, web_hook_second AS second`,
    ),
    count: connection.prepare(
      'SELECT count(*) AS live FROM endpoint WHERE application_key = ? AND deleted_at IS NULL',
    ),
    byUid: connection
      .prepare('SELECT endpoint_key FROM endpoint WHERE application_key = ? AND uid = ?')
      .pluck(),
    byWebHookId: connection
      .prepare(
        'SELECT endpoint_key FROM endpoint WHERE application_key = ? AND web_hook_id = ? AND deleted_at IS NULL',
      )
      .pluck(),
    byKey: connection.prepare('SELECT * FROM endpoint WHERE endpoint_key = ? AND deleted_at IS NULL'),
    list: connection.prepare(
      'SELECT * FROM endpoint WHERE application_key = ? AND deleted_at IS NULL ORDER BY endpoint_key',
    ),
    insert: connection.prepare(
      `INSERT INTO endpoint (application_key, id, web_hook_id, uid, url, href, description, disabled,
       disabled_reason, disabled_at, paused_at, event_types, channels, throttle_rate, max_in_flight, ordering, retry_schedule,
       final_statuses, version, metadata, sealed_headers, sealed_secret, secret_expiries, created_at, updated_at)
     VALUES (@applicationKey, @id, @webHookId, @uid, @url, @href, @description, @disabled,
       @disabledReason, @disabledAt, @pausedAt, @eventTypes, @channels, @throttleRate, @maxInFlight, @ordering, @retrySchedule,
       @finalStatuses, @version, @metadata, @sealedHeaders, @sealedSecret, @secretExpiries, @now, @now) RETURNING *`,
    ),
    update: connection.prepare(
      `UPDATE endpoint SET uid = @uid, url = @url, href = @href, description = @description, disabled = @disabled,
       disabled_reason = @disabledReason, disabled_at = @disabledAt, paused_at = @pausedAt, max_in_flight = @maxInFlight,
       ordering = @ordering, retry_schedule = @retrySchedule, final_statuses = @finalStatuses, event_types = @eventTypes, channels = @channels, throttle_rate = @throttleRate, version = @version,
       metadata = @metadata, sealed_headers = @sealedHeaders, sealed_secret = @sealedSecret,
       secret_expiries = @secretExpiries, updated_at = @now
     WHERE endpoint_key = @endpointKey RETURNING *`,
    ),
    remove: connection.prepare(
      'UPDATE endpoint SET deleted_at = ?, uid = NULL WHERE endpoint_key = ? AND application_key = ? AND deleted_at IS NULL',
    ),
  };
}
