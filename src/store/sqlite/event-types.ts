import type { EventType } from '../../model/event-type.ts';
import { type Connection, transaction } from './connection.ts';

interface Row {
  name: string;
  description: string;
  schema: string | null;
  example: string | null;
  archived: number;
  created_at: number;
  updated_at: number;
}

export function eventTypes(connection: Connection) {
  const insert = connection.prepare(
    `INSERT INTO event_type (name, description, schema, example, archived, created_at, updated_at)
     VALUES (@name, @description, @schema, @example, @archived, @createdAt, @updatedAt) ON CONFLICT (name) DO NOTHING`,
  );
  const byName = connection.prepare('SELECT * FROM event_type WHERE name = ?');
  const list = connection.prepare('SELECT * FROM event_type WHERE archived = 0 ORDER BY position');

  return {
    eventTypeInsertMissing: (params: { eventTypes: readonly EventType[] }): number =>
      transaction(connection, () =>
        params.eventTypes.reduce((inserted, each) => inserted + insert.run(columns(each)).changes, 0),
      ),
    eventTypeFind({ name }: { name: string }): EventType | null {
      const row = byName.get(name);
      return row === undefined ? null : eventType(row as Row);
    },
    eventTypeList: (): EventType[] => (list.all() as Row[]).map(eventType),
  };
}

function columns({ schema, example, archived, ...rest }: EventType) {
  return {
    ...rest,
    schema: schema === null ? null : JSON.stringify(schema),
    example: example === null ? null : JSON.stringify(example),
    archived: archived ? 1 : 0,
  };
}

function eventType(row: Row): EventType {
  return {
    name: row.name,
    description: row.description,
    schema: row.schema === null ? null : JSON.parse(row.schema),
    example: row.example === null ? null : JSON.parse(row.example),
    archived: row.archived === 1,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
