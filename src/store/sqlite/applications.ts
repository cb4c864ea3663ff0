import type { Application } from '../../model/application.ts';
import type { NewApplication } from '../store.ts';
import { type Connection, transaction } from './connection.ts';

interface Row {
  application_key: number;
  id: string;
  number: number;
  uid: string | null;
  name: string;
  throttle_rate: number | null;
  metadata: string;
  created_at: number;
  updated_at: number;
}

export function applications(connection: Connection) {
  const insert = connection.prepare(
    `INSERT INTO application (id, number, uid, name, throttle_rate, metadata, created_at, updated_at)
     VALUES (@id, (SELECT coalesce(max(number), 0) + 1 FROM application), @uid, @name, @throttleRate, @metadata, @now, @now) RETURNING *`,
  );
  const byId = connection.prepare('SELECT * FROM application WHERE id = ?');
  const byUid = connection.prepare('SELECT * FROM application WHERE uid = ?');
  const byNumber = connection.prepare('SELECT * FROM application WHERE number = ?');
  const byKey = connection.prepare('SELECT * FROM application WHERE application_key = ?');

  return {
    applicationInsert: (params: NewApplication): Application | null =>
      transaction(connection, () => {
        if (params.uid !== null && byUid.get(params.uid)) return null;
        return application(insert.get({ ...params, metadata: JSON.stringify(params.metadata) }) as Row);
      }),
    applicationFind({ ref }: { ref: string }): Application | null {
      const row =
        byId.get(ref) ??
        byUid.get(ref) ??
        (/^[1-9]\d{0,14}$/.test(ref) ? byNumber.get(Number(ref)) : undefined);
      return row === undefined ? null : application(row as Row);
    },
    applicationFindByNumber({ number }: { number: number }): Application | null {
      const row = byNumber.get(number);
      return row === undefined ? null : application(row as Row);
    },
    applicationFindByKey({ applicationKey }: { applicationKey: number }): Application | null {
      const row = byKey.get(applicationKey);
      return row === undefined ? null : application(row as Row);
    },
  };
}

function application(row: Row): Application {
  return {
    key: row.application_key,
    id: row.id,
    number: row.number,
    uid: row.uid,
    name: row.name,
    throttleRate: row.throttle_rate,
    metadata: JSON.parse(row.metadata),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
