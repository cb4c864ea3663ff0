import { closeSync, openSync } from 'node:fs';
import Database from 'better-sqlite3';
import { StoreError } from '../store.ts';

export type Connection = Database.Database;

/** Before it, a WAL reset could corrupt the file. */
const OLDEST_SQLITE = [3, 51, 3];
const WAL_BYTES = 64 * 1024 * 1024;

/**
 * Opens the file for one owner. `synchronous` is read back: better-sqlite3's default for WAL is NORMAL, with which a
 * power cut loses acknowledged transactions.
 */
export function openConnection(file: string): Connection {
  // Made here, so that it and the files that SQLite puts beside it are readable by their owner only.
  closeSync(openSync(file, 'a', 0o600));
  const connection = new Database(file, { timeout: 5_000 });
  try {
    refuseOldSqlite(versionOf(connection));
    connection.pragma('journal_mode = WAL');
    connection.pragma('synchronous = FULL');
    connection.pragma('foreign_keys = ON');
    connection.pragma(`journal_size_limit = ${WAL_BYTES}`);
    connection.pragma('cache_size = -65536');
    connection.pragma('temp_store = MEMORY');
    const mode = connection.pragma('journal_mode', { simple: true });
    const synchronous = connection.pragma('synchronous', { simple: true });
    if (mode !== 'wal' || synchronous !== 2) {
      throw new StoreError(
        'incompatible',
        `SQLite runs with journal_mode ${mode} and synchronous ${synchronous}; Posthorn needs wal and 2 (FULL).`,
      );
    }
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** Opens a file that is there and writes nothing to it, also beside the process that owns it. */
export function openForReading(file: string): Connection {
  return new Database(file, { readonly: true, fileMustExist: true, timeout: 5_000 });
}

/** One transaction: all of `work` or nothing of it. */
export function transaction<T>(connection: Connection, work: () => T): T {
  return connection.transaction(work).immediate();
}

function versionOf(connection: Connection): string {
  return connection.prepare('SELECT sqlite_version()').pluck().get() as string;
}

/** @param version As SQLite tells it: `3.54.1`. */
export function refuseOldSqlite(version: string): void {
  const parts = version.split('.').map(Number);
  const difference =
    OLDEST_SQLITE.map((least, index) => (parts[index] ?? 0) - least).find((each) => each !== 0) ?? 0;
  if (difference < 0) {
    throw new StoreError(
      'incompatible',
      `SQLite ${version} can corrupt its file; Posthorn needs ${OLDEST_SQLITE.join('.')} or newer.`,
    );
  }
}
