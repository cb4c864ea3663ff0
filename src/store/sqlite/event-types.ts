import type { EventType } from '../../model/event-type.ts';
import { type EventTypeRow, eventType, storedEventType } from '../rows/event-type-row.ts';
import { namedChanges } from '../rows/named-changes.ts';
import type { Store } from '../store.ts';
import { type Connection, transaction } from './connection.ts';

type InsertParams = Parameters<Store['eventTypeInsert']>[0];
type UpdateParams = Parameters<Store['eventTypeUpdate']>[0];

export function eventTypes(connection: Connection) {
  const { insert, byName, count, list, update, remove } = prepare(connection);

  return {
    eventTypeInsertMissing: (params: { eventTypes: readonly EventType[] }): number =>
      transaction(connection, () =>
        params.eventTypes.reduce((inserted, each) => inserted + insert.run(storedEventType(each)).changes, 0),
      ),
    eventTypeInsert: ({ eventType: added, limit }: InsertParams): EventType | 'exists' | 'limit' =>
      transaction(connection, () => {
        const present = byName.get(added.name) as EventTypeRow | undefined;
        if (present !== undefined) {
          return present.archived === 1
            ? eventType(update.get(storedEventType(added)) as EventTypeRow)
            : 'exists';
        }
        if ((count.get() as number) >= limit) return 'limit';
        insert.run(storedEventType(added));
        return added;
      }),
    eventTypeUpdate: ({ name, now, changes }: UpdateParams): EventType | null =>
      transaction(connection, () => {
        const present = byName.get(name);
        if (present === undefined) return null;
        const changed = {
          ...eventType(present as EventTypeRow),
          ...namedChanges(changes),
          name,
          updatedAt: now,
        };
        return eventType(update.get(storedEventType(changed)) as EventTypeRow);
      }),
    eventTypeDelete: ({ name }: { name: string }): boolean => remove.run(name).changes > 0,
    eventTypeList: (): EventType[] => (list.all() as EventTypeRow[]).map(eventType),
  };
}

function prepare(connection: Connection) {
  return {
    insert: connection.prepare(
      `INSERT INTO event_type (name, description, schemas, archived, deprecated, feature_flags, group_name,
         validation, created_at, updated_at)
       VALUES (@name, @description, @schemas, @archived, @deprecated, @featureFlags, @groupName,
         @validation, @createdAt, @updatedAt)
       ON CONFLICT (name) DO NOTHING`,
    ),
    byName: connection.prepare('SELECT * FROM event_type WHERE name = ?'),
    count: connection.prepare('SELECT count(*) FROM event_type').pluck(),
    list: connection.prepare('SELECT * FROM event_type ORDER BY position'),
    update: connection.prepare(
      `UPDATE event_type SET description = @description, schemas = @schemas, archived = @archived, deprecated = @deprecated,
         feature_flags = @featureFlags, group_name = @groupName, validation = @validation,
         updated_at = @updatedAt WHERE name = @name RETURNING *`,
    ),
    remove: connection.prepare('DELETE FROM event_type WHERE name = ?'),
  };
}
