import type { EventType, Validation } from '../../model/event-type.ts';
import type { EventTypeChanges } from '../store.ts';
import { named } from './changes.ts';
import { type Connection, transaction } from './connection.ts';

interface Row {
  name: string;
  description: string;
  schemas: string | null;
  archived: number;
  deprecated: number;
  feature_flags: string | null;
  group_name: string | null;
  validation: Validation;
  created_at: number;
  updated_at: number;
}

type InsertParams = { eventType: EventType; limit: number };
type UpdateParams = { name: string; now: number; changes: EventTypeChanges };

export function eventTypes(connection: Connection) {
  const { insert, byName, count, list, update, remove } = prepare(connection);

  return {
    eventTypeInsertMissing: (params: { eventTypes: readonly EventType[] }): number =>
      transaction(connection, () =>
        params.eventTypes.reduce((inserted, each) => inserted + insert.run(columns(each)).changes, 0),
      ),
    eventTypeInsert: ({ eventType: added, limit }: InsertParams): EventType | 'exists' | 'limit' =>
      transaction(connection, () => {
        const present = byName.get(added.name) as Row | undefined;
        if (present !== undefined) {
          return present.archived === 1 ? eventType(update.get(columns(added)) as Row) : 'exists';
        }
        if ((count.get() as number) >= limit) return 'limit';
        insert.run(columns(added));
        return added;
      }),
    eventTypeUpdate: ({ name, now, changes }: UpdateParams): EventType | null =>
      transaction(connection, () => {
        const present = byName.get(name);
        if (present === undefined) return null;
        const changed = { ...eventType(present as Row), ...named(changes), name, updatedAt: now };
        return eventType(update.get(columns(changed)) as Row);
      }),
    eventTypeDelete: ({ name }: { name: string }): boolean => remove.run(name).changes > 0,
    eventTypeList: (): EventType[] => (list.all() as Row[]).map(eventType),
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

function columns({ schemas, archived, deprecated, featureFlags, ...rest }: EventType) {
  return {
    ...rest,
    schemas: schemas === null ? null : JSON.stringify(schemas),
    archived: archived ? 1 : 0,
    deprecated: deprecated ? 1 : 0,
    featureFlags: featureFlags === null ? null : JSON.stringify(featureFlags),
  };
}

function eventType(row: Row): EventType {
  return {
    name: row.name,
    description: row.description,
    schemas: row.schemas === null ? null : JSON.parse(row.schemas),
    archived: row.archived === 1,
    deprecated: row.deprecated === 1,
    featureFlags: row.feature_flags === null ? null : JSON.parse(row.feature_flags),
    groupName: row.group_name,
    validation: row.validation,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
