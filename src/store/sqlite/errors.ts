import Database from 'better-sqlite3';
import { StoreError } from '../store.ts';

const FOR_NOW = /^SQLITE_(FULL|BUSY|LOCKED|READONLY|CANTOPEN|NOMEM)/;
// What a full disk looks like to the WAL's index, which grows after the commit was synced to the WAL: the next
// transaction writes over it, but a process that dies before that finds it committed (met on a full tmpfs).
const UNKNOWN = /^SQLITE_IOERR_SHMSIZE/;
const BROKEN = /^SQLITE_(IOERR|CORRUPT|NOTADB)/;

/** What SQLite says, in the port's words. Anything else (a bug) stays as it is. */
export function asStoreError(error: unknown): unknown {
  if (!(error instanceof Database.SqliteError)) return error;
  if (FOR_NOW.test(error.code)) {
    return new StoreError('unavailable', `SQLite cannot do that now: ${error.message} (${error.code}).`, {
      cause: error,
    });
  }
  if (UNKNOWN.test(error.code)) {
    return new StoreError(
      'unknown',
      `SQLite could not finish that and may have kept it: ${error.message} (${error.code}). Free some disk space.`,
      { cause: error },
    );
  }
  if (BROKEN.test(error.code)) {
    return new StoreError(
      'broken',
      `The SQLite file cannot be trusted any more: ${error.message} (${error.code}).`,
      { cause: error },
    );
  }
  return error;
}
