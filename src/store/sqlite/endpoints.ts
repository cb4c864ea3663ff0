import type { Endpoint } from '../../model/endpoint.ts';
import { webHookId } from '../../model/web-hook-id.ts';
import type { EndpointChanges, NewEndpoint } from '../store.ts';
import { named } from './changes.ts';
import { type Connection, transaction } from './connection.ts';

export interface EndpointRow {
  endpoint_key: number;
  application_key: number;
  id: string;
  web_hook_id: string;
  uid: string | null;
  url: string;
  href: string;
  description: string;
  disabled: number;
  event_types: string | null;
  channels: string | null;
  throttle_rate: number | null;
  version: number;
  metadata: string;
  sealed_headers: Buffer | null;
  sealed_secret: Buffer;
  /** A JSON list of times. */
  secret_expiries: string;
  created_at: number;
  updated_at: number;
  deleted_at: number | null;
}

type Fields = Omit<NewEndpoint, 'applicationKey' | 'id' | 'now'>;

export function endpoints(connection: Connection) {
  const statements = prepare(connection);
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
    endpointInsert: ({ limit, ...params }: InsertParams): Endpoint | 'limit' | 'uid_taken' =>
      transaction(connection, () => {
        const { applicationKey, id, now } = params;
        const { live } = count.get(applicationKey) as { live: number };
        if (live >= limit) return 'limit';
        if (taken(applicationKey, params.uid)) return 'uid_taken';
        const own = { applicationKey, id, now, webHookId: nextWebHookId(applicationKey, params.uid, now) };
        return endpoint(insert.get({ ...columns(params), ...own }) as EndpointRow);
      }),
    endpointList: ({ applicationKey }: { applicationKey: number }): Endpoint[] =>
      (list.all(applicationKey) as EndpointRow[]).map(endpoint),
    endpointFindByKey: ({ endpointKey }: { endpointKey: number }): Endpoint | null => find(endpointKey),
    endpointUpdate: (params: UpdateParams): Endpoint | 'uid_taken' | null =>
      transaction(connection, () => {
        const { endpointKey, applicationKey, now, changes } = params;
        const present = find(endpointKey);
        if (present === null || present.applicationKey !== applicationKey) return null;
        if (taken(applicationKey, changes.uid, endpointKey)) return 'uid_taken';
        const fields = columns({ ...present, ...named(changes) });
        return endpoint(update.get({ ...fields, endpointKey, now }) as EndpointRow);
      }),
    endpointDelete: (params: { applicationKey: number; endpointKey: number; now: number }): boolean =>
      remove.run(params.now, params.endpointKey, params.applicationKey).changes > 0,
  };
}

/** What a web hook id is made of. */
interface Second {
  number: number;
  second: number;
}
type InsertParams = NewEndpoint & { limit: number };
type UpdateParams = { applicationKey: number; endpointKey: number; now: number; changes: EndpointChanges };

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
      `INSERT INTO endpoint (application_key, id, web_hook_id, uid, url, href, description, disabled, event_types, channels,
       throttle_rate, version, metadata, sealed_headers, sealed_secret, secret_expiries, created_at, updated_at)
     VALUES (@applicationKey, @id, @webHookId, @uid, @url, @href, @description, @disabled, @eventTypes, @channels,
       @throttleRate, @version, @metadata, @sealedHeaders, @sealedSecret, @secretExpiries, @now, @now) RETURNING *`,
    ),
    update: connection.prepare(
      `UPDATE endpoint SET uid = @uid, url = @url, href = @href, description = @description, disabled = @disabled,
       event_types = @eventTypes, channels = @channels, throttle_rate = @throttleRate, version = @version,
       metadata = @metadata, sealed_headers = @sealedHeaders, sealed_secret = @sealedSecret,
       secret_expiries = @secretExpiries, updated_at = @now
     WHERE endpoint_key = @endpointKey RETURNING *`,
    ),
    remove: connection.prepare(
      'UPDATE endpoint SET deleted_at = ?, uid = NULL WHERE endpoint_key = ? AND application_key = ? AND deleted_at IS NULL',
    ),
  };
}

function columns(fields: Fields) {
  return {
    uid: fields.uid,
    url: fields.url,
    href: fields.href,
    description: fields.description,
    disabled: fields.disabled ? 1 : 0,
    eventTypes: fields.eventTypes === null ? null : JSON.stringify(fields.eventTypes),
    channels: fields.channels === null ? null : JSON.stringify(fields.channels),
    throttleRate: fields.throttleRate,
    version: fields.version,
    metadata: JSON.stringify(fields.metadata),
    sealedHeaders: fields.sealedHeaders,
    sealedSecret: fields.sealedSecret,
    secretExpiries: JSON.stringify(fields.secretExpiries),
  };
}

export function endpoint(row: EndpointRow): Endpoint {
  return {
    key: row.endpoint_key,
    applicationKey: row.application_key,
    id: row.id,
    webHookId: row.web_hook_id,
    uid: row.uid,
    url: row.url,
    href: row.href,
    description: row.description,
    disabled: row.disabled === 1,
    eventTypes: row.event_types === null ? null : JSON.parse(row.event_types),
    channels: row.channels === null ? null : JSON.parse(row.channels),
    throttleRate: row.throttle_rate,
    version: row.version,
    metadata: JSON.parse(row.metadata),
    sealedHeaders: row.sealed_headers,
    sealedSecret: row.sealed_secret,
    secretExpiries: JSON.parse(row.secret_expiries),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
