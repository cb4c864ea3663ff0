import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { Migration, SchemaState } from '../store.ts';
import { type Connection, openConnection, openForReading } from './connection.ts';
import { asStoreError } from './errors.ts';
import { lockFolder } from './lock.ts';
import { type MigrateOptions, migrate, schemaState, schemaStateFrom } from './migrate.ts';

const FILE = 'posthorn.db';

/** Where SQLite has `user_version` in the header of a file: https://www.sqlite.org/fileformat.html#the_database_header */
const HEADER = { bytes: 100, version: 60, begin: 'SQLite format 3\0' };

/** The schema of the file in a folder, which a server may have. Nothing of it is changed. */
export async function readSqliteSchema({ folder }: { folder: string }): Promise<SchemaState> {
  let connection: Connection | undefined;
  try {
    const file = join(folder, FILE);
    // Without a log beside it all is in the file. SQLite, also when it only reads, would make a log, and leave it there.
    const version = existsSync(`${file}-wal`) ? null : versionIn(file);
    if (version !== null) return schemaStateFrom(version);
    connection = openForReading(file);
    return schemaState(connection);
  } catch (error) {
    throw asStoreError(error);
  } finally {
    connection?.close();
  }
}

/** Brings the file in a folder up to date; no server may have it. */
export async function migrateSqlite({
  folder,
  ...options
}: { folder: string } & MigrateOptions): Promise<readonly Migration[]> {
  const lock = lockFolder(folder);
  let connection: Connection | undefined;
  try {
    connection = openConnection(join(folder, FILE));
    return migrate(connection, options);
  } catch (error) {
    throw asStoreError(error);
  } finally {
    connection?.close();
    lock.release();
  }
}

/** Null: it is no file of SQLite, or empty. This process must not have it open: closing it frees the locks of that, too (fcntl(2)). */
function versionIn(file: string): number | null {
  const header = Buffer.alloc(HEADER.bytes);
  const descriptor = openSync(file, 'r');
  try {
    if (readSync(descriptor, header, 0, HEADER.bytes, 0) < HEADER.bytes) return null;
  } finally {
    closeSync(descriptor);
  }
  if (header.toString('latin1', 0, HEADER.begin.length) !== HEADER.begin) return null;
  return header.readUInt32BE(HEADER.version);
}
