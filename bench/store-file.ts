import Database from 'better-sqlite3';
import { pairKey } from './reconcile.ts';

/** What a stopped server's file says, read without Posthorn's own code. */
export interface StoreContents {
  /** `ok`, or what SQLite found broken. */
  readonly integrity: string;
  readonly messages: number;
  /** Deliveries by state. */
  readonly deliveries: Readonly<Record<string, number>>;
  /** Deliveries whose count of attempts is not the number of their attempts. Must be 0. */
  readonly miscounted: number;
  /** Attempts by `pairKey`; a hook's name is the path of its URL. */
  readonly attempts: ReadonlyMap<string, number>;
}

/** As the schema numbers them. */
const STATES = ['pending', 'sending', 'succeeded', 'failed', 'held', 'cancelled'];

export function readStoreFile(path: string): StoreContents {
  const file = new Database(path, { readonly: true, fileMustExist: true });
  const count = (sql: string) => file.prepare(sql).pluck().get() as number;
  try {
    const states = file.prepare('SELECT state, count(*) FROM delivery GROUP BY state').raw().all() as [
      number,
      number,
    ][];
    const attempts = file
      .prepare(
        `SELECT message.id, endpoint.url, count(*) FROM attempt JOIN message USING (message_key)
         JOIN endpoint USING (endpoint_key) GROUP BY message_key, endpoint_key`,
      )
      .raw()
      .all() as [string, string, number][];
    return {
      integrity: (file.pragma('integrity_check') as { integrity_check: string }[])
        .map((row) => row.integrity_check)
        .join('; '),
      messages: count('SELECT count(*) FROM message'),
      deliveries: Object.fromEntries(states.map(([state, number]) => [STATES[state] ?? state, number])),
      miscounted: count(
        `SELECT count(*) FROM delivery LEFT JOIN
         (SELECT message_key, endpoint_key, count(*) AS made FROM attempt GROUP BY message_key, endpoint_key)
         USING (message_key, endpoint_key) WHERE attempt_count <> coalesce(made, 0)`,
      ),
      attempts: new Map(
        attempts.map(([id, url, number]) => [pairKey(id, new URL(url).pathname.slice(1)), number]),
      ),
    };
  } finally {
    file.close();
  }
}
