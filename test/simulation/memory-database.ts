import Database from 'better-sqlite3';
import { migrate } from '../../src/store/sqlite/migrate.ts';

let empty: Buffer | null = null;

/** An SQLite database in memory, with the schema of a store and nothing in it. */
export function memoryDatabase(): Database.Database {
  empty ??= madeOnce();
  const connection = new Database(empty);
  connection.pragma('foreign_keys = ON');
  connection.pragma('temp_store = MEMORY');
  return connection;
}

/** The schema is made once; the others are copies. */
function madeOnce(): Buffer {
  const connection = new Database(':memory:');
  migrate(connection);
  const copy = connection.serialize();
  connection.close();
  return copy;
}
