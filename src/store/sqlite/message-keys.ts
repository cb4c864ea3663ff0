import type { Connection } from './connection.ts';

const FORGOTTEN = 'message_key';

/** The highest key that a message ever had: also of those that are gone. What is written of a message must never meet another one. */
export function lastMessageKey(connection: Connection): number {
  const sql = `SELECT max(coalesce((SELECT max(message_key) FROM message), 0),
    coalesce((SELECT max(message_key) FROM delivery), 0),
    coalesce((SELECT value FROM meta WHERE name = '${FORGOTTEN}'), 0))`;
  return connection.prepare(sql).pluck().get() as number;
}

/** For the transaction in which a message goes: its key, and those below it, are not given again. */
export function messageKeyKeeping(connection: Connection): (messageKey: number) => void {
  const keep = connection.prepare(
    `INSERT INTO meta (name, value) VALUES ('${FORGOTTEN}', ?)
     ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)`,
  );
  return (messageKey) => void keep.run(messageKey);
}
