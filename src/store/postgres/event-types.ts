import type { EventType, Validation } from '../../model/event-type.ts';
import type { EventTypeChanges } from '../store.ts';
import { bigints, smallints, storable, texts } from './arrays.ts';
import type { Backend } from './backend.ts';
import { named } from './changes.ts';
import { statement, type Value } from './connection.ts';
import { lock } from './locks.ts';

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

const COLUMNS =
  'name, description, schemas, archived, deprecated, feature_flags, group_name, validation, created_at, updated_at';

const INSERT = statement(
  `INSERT INTO posthorn.event_type (${COLUMNS})
   SELECT ${COLUMNS} FROM unnest($1::text[], $2::text[], $3::text[], $4::smallint[], $5::smallint[], $6::text[], $7::text[],
     $8::text[], $9::bigint[], $10::bigint[]) WITH ORDINALITY AS u (${COLUMNS}, place)
   ORDER BY place ON CONFLICT (name) DO NOTHING`,
);
const BY_NAME = statement(`SELECT ${COLUMNS} FROM posthorn.event_type WHERE name = $1`);
const COUNT = statement('SELECT count(*) AS count FROM posthorn.event_type');
const LIST = statement(`SELECT ${COLUMNS} FROM posthorn.event_type ORDER BY position`);
const UPDATE = statement(
  `UPDATE posthorn.event_type SET description = $2, schemas = $3, archived = $4, deprecated = $5, feature_flags = $6,
     group_name = $7, validation = $8, updated_at = $9 WHERE name = $1 RETURNING ${COLUMNS}`,
);
const DELETE = statement('DELETE FROM posthorn.event_type WHERE name = $1');

/** Each change takes the lock of the catalogue first: they are few, and a limit holds for all of it. */
export function eventTypes({ db, tell }: Backend) {
  return {
    eventTypeInsertMissing: (params: { eventTypes: readonly EventType[] }): Promise<number> =>
      db.transaction(async (tx) => {
        const [, inserted] = await Promise.all([
          lock(tx, 'eventTypes'),
          tx.changes(INSERT, columnsOf(params.eventTypes)),
        ]);
        if (inserted > 0) await tell(tx, [{ kind: 'event_types' }]);
        return inserted;
      }),
    eventTypeInsert: ({ eventType: added, limit }: InsertParams): Promise<EventType | 'exists' | 'limit'> =>
      db.transaction(async (tx) => {
        const [, present, count] = await Promise.all([
          lock(tx, 'eventTypes'),
          tx.row<Row>(BY_NAME, [storable(added.name)]),
          tx.row<{ count: number }>(COUNT),
        ]);
        if (present !== null && present.archived === 0) return 'exists';
        if (present === null && (count?.count ?? 0) >= limit) return 'limit';
        const [result] = await Promise.all([
          present === null
            ? tx.changes(INSERT, columnsOf([added])).then(() => added)
            : tx.row<Row>(UPDATE, fields(added)).then((row) => eventType(row as Row)),
          tell(tx, [{ kind: 'event_types' }]),
        ]);
        return result;
      }),
    eventTypeUpdate: ({ name, now, changes }: UpdateParams): Promise<EventType | null> =>
      db.transaction(async (tx) => {
        const [, present] = await Promise.all([
          lock(tx, 'eventTypes'),
          tx.row<Row>(BY_NAME, [storable(name)]),
        ]);
        if (present === null) return null;
        const changed = { ...eventType(present), ...named(changes), name, updatedAt: now };
        const [row] = await Promise.all([
          tx.row<Row>(UPDATE, fields(changed)),
          tell(tx, [{ kind: 'event_types' }]),
        ]);
        return eventType(row as Row);
      }),
    eventTypeDelete: ({ name }: { name: string }): Promise<boolean> =>
      db.transaction(async (tx) => {
        const [, deleted] = await Promise.all([lock(tx, 'eventTypes'), tx.changes(DELETE, [storable(name)])]);
        if (deleted > 0) await tell(tx, [{ kind: 'event_types' }]);
        return deleted > 0;
      }),
    eventTypeList: async (): Promise<EventType[]> => (await db.rows<Row>(LIST)).map(eventType),
  };
}

/** In the order of `INSERT`. */
function columnsOf(eventTypes: readonly EventType[]): Value[] {
  return [
    texts(eventTypes.map(({ name }) => name)),
    texts(eventTypes.map(({ description }) => description)),
    texts(eventTypes.map(({ schemas }) => json(schemas))),
    smallints(eventTypes.map(({ archived }) => (archived ? 1 : 0))),
    smallints(eventTypes.map(({ deprecated }) => (deprecated ? 1 : 0))),
    texts(eventTypes.map(({ featureFlags }) => json(featureFlags))),
    texts(eventTypes.map(({ groupName }) => groupName)),
    texts(eventTypes.map(({ validation }) => validation)),
    bigints(eventTypes.map(({ createdAt }) => createdAt)),
    bigints(eventTypes.map(({ updatedAt }) => updatedAt)),
  ];
}

/** In the order of `UPDATE`. */
function fields(changed: EventType): Value[] {
  return [
    storable(changed.name),
    storable(changed.description),
    json(changed.schemas),
    changed.archived ? 1 : 0,
    changed.deprecated ? 1 : 0,
    json(changed.featureFlags),
    changed.groupName === null ? null : storable(changed.groupName),
    changed.validation,
    changed.updatedAt,
  ];
}

function json(value: object | null): string | null {
  return value === null ? null : JSON.stringify(value);
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
