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
  makeFile(file);
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

/**
 * Makes the file if it is not there. One that is there is not opened: to close it again would free every lock that this
 * process has on it (fcntl(2)), and a second opening in one process would let other processes in.
 */
function makeFile(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
