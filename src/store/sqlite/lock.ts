import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { StoreError } from '../store.ts';

/**
 * One process per folder. The lock is an exclusive transaction on a tiny SQLite file of its own: the operating system
 * frees it when the process ends, however it ends, and the store's own file stays open to readers and backups.
 */
export function lockFolder(folder: string): { release(): void } {
  const file = join(folder, 'posthorn.lock');
  closeSync(openSync(file, 'a', 0o600));
  const lock = new Database(file, { timeout: 0 });
  try {
    lock.pragma('journal_mode = DELETE');
    lock.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    lock.close();
    if (!(cause instanceof Database.SqliteError) || !cause.code.startsWith('SQLITE_BUSY')) throw cause;
    throw new StoreError(
      'locked',
      `Another Posthorn process uses the data folder ${folder}. Stop it first, or choose another folder (POSTHORN_DATA).`,
      { cause },
    );
  }
  return { release: () => void lock.close() };
}
