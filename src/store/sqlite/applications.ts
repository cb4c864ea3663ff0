import type { Application } from '../../model/application.ts';
import { type ApplicationRow, application, numberOf } from '../rows/application-row.ts';
import { namedChanges } from '../rows/named-changes.ts';
import type { NewApplication, Store } from '../store.ts';
import { type Connection, transaction } from './connection.ts';
import { failures } from './failing.ts';
import { upwards } from './pages.ts';

type ListParams = Parameters<Store['applicationList']>[0];
type UpdateParams = Parameters<Store['applicationUpdate']>[0];
type DeleteParams = Parameters<Store['applicationDelete']>[0];

export function applications(connection: Connection) {
  const { insert, byId, byUid, byNumber, byKey, highest, update, list, ...others } = prepare(connection);
  const works = failures(connection).clear;
  const { makeOperational, operational, ...gone } = others;
  const lastNumber = () => highest.get() as number;

  /** A uid may look like a number that is not given yet: that number is left out. */
  function nextNumber(uid: string | null): number {
    let number = lastNumber() + 1;
    while (String(number) !== uid && byUid.get(String(number)) !== undefined) number++;
    return number;
  }

  /** Whether another application is found by it. */
  function taken(uid: string | null, ownKey?: number): boolean {
    if (uid === null) return false;
    const found = [byUid.get(uid), byNumber.get(numberOf(uid))] as ApplicationRow[];
    return found.some((row) => row !== undefined && row.application_key !== ownKey);
  }

  return {
    applicationInsert: (params: NewApplication): Application | null =>
      transaction(connection, () => {
        if (taken(params.uid)) return null;
        const fields = { number: nextNumber(params.uid), metadata: JSON.stringify(params.metadata) };
        return application(insert.get({ ...params, ...fields }) as ApplicationRow);
      }),
    applicationOperational: ({ id, now }: { id: string; now: number }): Application =>
      transaction(connection, () => {
        makeOperational.run(id, now, now);
        return application(operational.get() as ApplicationRow);
      }),
    applicationFind: ({ ref }: { ref: string }): Application | null =>
      found(byId.get(ref) ?? byUid.get(ref) ?? byNumber.get(numberOf(ref))),
    applicationFindByNumber: ({ number }: { number: number }): Application | null =>
      found(byNumber.get(number)),
    applicationFindByKey: ({ applicationKey }: { applicationKey: number }): Application | null =>
      found(byKey.get(applicationKey)),
    applicationRevisions: ({ applicationKeys }: { applicationKeys: readonly number[] }) =>
      applicationKeys.flatMap((key) => found(byKey.get(key)) ?? []).map(revisionOf),
    applicationLastNumber: lastNumber,
    applicationList: (params: ListParams): Application[] => list(params).map(application),
    applicationUpdate: ({ applicationKey, now, changes }: UpdateParams): Application | 'uid_taken' | null =>
      transaction(connection, () => {
        const present = found(byKey.get(applicationKey));
        if (present === null) return null;
        const { uid, name, throttleRate, metadata } = { ...present, ...namedChanges(changes) };
        if (taken(uid, applicationKey)) return 'uid_taken';
        const fields = { uid, name, throttleRate, metadata: JSON.stringify(metadata) };
        return application(update.get({ ...fields, applicationKey, now }) as ApplicationRow);
      }),
    applicationDelete: ({ applicationKey, now }: DeleteParams): { endpointKeys: number[] } | null =>
      transaction(connection, () => {
        if (gone.remove.run(now, applicationKey).changes === 0) return null;
        gone.revokeKeys.run(now, applicationKey);
        const endpointKeys = gone.removeEndpoints.all(now, applicationKey) as number[];
        for (const endpointKey of endpointKeys) works(endpointKey);
        return { endpointKeys };
      }),
  };
}

function prepare(connection: Connection) {
  const live = (condition: string) =>
    connection.prepare(`SELECT * FROM application WHERE ${condition} AND deleted_at IS NULL`);
  return {
    insert: connection.prepare(
      `INSERT INTO application (id, number, uid, name, throttle_rate, metadata, created_at, updated_at)
       VALUES (@id, @number, @uid, @name, @throttleRate, @metadata, @now, @now) RETURNING *`,
    ),
    byId: live('id = ?'),
    byUid: live('uid = ?'),
    byNumber: live('number = ? AND number > 0'),
    byKey: live('application_key = ?'),
    // Its number is none that an application is given, and no reference.
    makeOperational: connection.prepare(
      `INSERT INTO application (id, number, name, metadata, created_at, updated_at)
       VALUES (?, 0, 'Operational webhooks', '{}', ?, ?) ON CONFLICT (number) DO NOTHING`,
    ),
    operational: connection.prepare('SELECT * FROM application WHERE number = 0'),
    // Deleted ones count: a number is never given again.
    highest: connection.prepare('SELECT coalesce(max(number), 0) FROM application').pluck(),
    list: upwards<ApplicationRow>(
      connection,
      (order) =>
        `SELECT * FROM application WHERE deleted_at IS NULL AND number > 0 AND id > coalesce(@after, '') AND id < coalesce(@before, '~')
         ORDER BY id ${order} LIMIT @limit`,
    ),
    update: connection.prepare(
      `UPDATE application SET uid = @uid, name = @name, throttle_rate = @throttleRate, metadata = @metadata,
         updated_at = @now WHERE application_key = @applicationKey RETURNING *`,
    ),
    remove: connection.prepare(
      'UPDATE application SET deleted_at = ?, uid = NULL WHERE application_key = ? AND deleted_at IS NULL',
    ),
    removeEndpoints: connection
      .prepare(
        `UPDATE endpoint SET deleted_at = ?, uid = NULL WHERE application_key = ? AND deleted_at IS NULL
         RETURNING endpoint_key`,
      )
      .pluck(),
    revokeKeys: connection.prepare(
      'UPDATE api_key SET revoked_at = ? WHERE application_key = ? AND revoked_at IS NULL',
    ),
  };
}

function revisionOf({ key, revision }: Application): { applicationKey: number; revision: number } {
  return { applicationKey: key, revision };
}

function found(row: unknown): Application | null {
  return row === undefined ? null : application(row as ApplicationRow);
}
