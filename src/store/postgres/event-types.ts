import type { EventType } from '../../model/event-type.ts';
import { type EventTypeRow, eventType, storedEventType } from '../rows/event-type-row.ts';
import { namedChanges } from '../rows/named-changes.ts';
import type { Store } from '../store.ts';
import { bigints, smallints, storable, texts } from './arrays.ts';
import type { Backend } from './backend.ts';
import { statement, type Value } from './connection.ts';
import { lock } from './locks.ts';

type InsertParams = Parameters<Store['eventTypeInsert']>[0];
type UpdateParams = Parameters<Store['eventTypeUpdate']>[0];

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
          tx.row<EventTypeRow>(BY_NAME, [storable(added.name)]),
          tx.row<{ count: number }>(COUNT),
        ]);
        if (present !== null && present.archived === 0) return 'exists';
        if (present === null && (count?.count ?? 0) >= limit) return 'limit';
        const [result] = await Promise.all([
          present === null
            ? tx.changes(INSERT, columnsOf([added])).then(() => added)
            : tx.row<EventTypeRow>(UPDATE, fields(added)).then((row) => eventType(row as EventTypeRow)),
          tell(tx, [{ kind: 'event_types' }]),
        ]);
        return result;
      }),
    eventTypeUpdate: ({ name, now, changes }: UpdateParams): Promise<EventType | null> =>
      db.transaction(async (tx) => {
        const [, present] = await Promise.all([
          lock(tx, 'eventTypes'),
          tx.row<EventTypeRow>(BY_NAME, [storable(name)]),
        ]);
        if (present === null) return null;
        const changed = { ...eventType(present), ...namedChanges(changes), name, updatedAt: now };
        const [row] = await Promise.all([
          tx.row<EventTypeRow>(UPDATE, fields(changed)),
          tell(tx, [{ kind: 'event_types' }]),
        ]);
        return eventType(row as EventTypeRow);
      }),
    eventTypeDelete: ({ name }: { name: string }): Promise<boolean> =>
      db.transaction(async (tx) => {
        const [, deleted] = await Promise.all([lock(tx, 'eventTypes'), tx.changes(DELETE, [storable(name)])]);
        if (deleted > 0) await tell(tx, [{ kind: 'event_types' }]);
        return deleted > 0;
      }),
    eventTypeList: async (): Promise<EventType[]> => (await db.rows<EventTypeRow>(LIST)).map(eventType),
  };
}

/** In the order of `INSERT`. */
function columnsOf(eventTypes: readonly EventType[]): Value[] {
  const rows = eventTypes.map(storedEventType);
  return [
    texts(rows.map(({ name }) => name)),
    texts(rows.map(({ description }) => description)),
    texts(rows.map(({ schemas }) => schemas)),
    smallints(rows.map(({ archived }) => archived)),
    smallints(rows.map(({ deprecated }) => deprecated)),
    texts(rows.map(({ featureFlags }) => featureFlags)),
    texts(rows.map(({ groupName }) => groupName)),
    texts(rows.map(({ validation }) => validation)),
    bigints(rows.map(({ createdAt }) => createdAt)),
    bigints(rows.map(({ updatedAt }) => updatedAt)),
  ];
}

/** In the order of `UPDATE`. */
function fields(changed: EventType): Value[] {
  const row = storedEventType(changed);
  return [
    storable(row.name),
    storable(row.description),
    row.schemas,
    row.archived,
    row.deprecated,
    row.featureFlags,
    row.groupName === null ? null : storable(row.groupName),
    row.validation,
    row.updatedAt,
  ];
}
