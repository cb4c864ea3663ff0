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

/** How an application's number is written. */
const NUMBER = /^[1-9]\d{0,14}$/;

export function applications(connection: Connection) {
  const insert = connection.prepare(
    `INSERT INTO application (id, number, uid, name, throttle_rate, metadata, created_at, updated_at)
     VALUES (@id, @number, @uid, @name, @throttleRate, @metadata, @now, @now) RETURNING *`,
  );
  const byId = connection.prepare('SELECT * FROM application WHERE id = ?');
  const byUid = connection.prepare('SELECT * FROM application WHERE uid = ?');
  const byNumber = connection.prepare('SELECT * FROM application WHERE number = ?');
  const highest = connection.prepare('SELECT coalesce(max(number), 0) FROM application').pluck();
  const byKey = connection.prepare('SELECT * FROM application WHERE application_key = ?');

  /** A uid may look like a number that is not given yet: that number is left out. */
  function nextNumber(uid: string | null): number {
    let number = (highest.get() as number) + 1;
    while (String(number) !== uid && byUid.get(String(number)) !== undefined) number++;
    return number;
  }

  return {
    applicationInsert: (params: NewApplication): Application | null =>
      transaction(connection, () => {
        const { uid } = params;
        if (uid !== null && (byUid.get(uid) ?? (NUMBER.test(uid) && byNumber.get(Number(uid))))) return null;
        const fields = { number: nextNumber(uid), metadata: JSON.stringify(params.metadata) };
        return application(insert.get({ ...params, ...fields }) as Row);
      }),
    applicationFind({ ref }: { ref: string }): Application | null {
      const row =
        byId.get(ref) ?? byUid.get(ref) ?? (NUMBER.test(ref) ? byNumber.get(Number(ref)) : undefined);
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
