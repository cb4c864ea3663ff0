import Database from 'better-sqlite3';
import { StoreError } from '../store.ts';

// IOERR_SHMSIZE is what a full disk looks like to the WAL's index (met on a tmpfs of 24 KiB): nothing is lost by it.
const FOR_NOW = /^SQLITE_(FULL|BUSY|LOCKED|READONLY|CANTOPEN|NOMEM|IOERR_SHMSIZE)/;
const BROKEN = /^SQLITE_(IOERR|CORRUPT|NOTADB)/;

/** What SQLite says, in the port's words. Anything else (a bug) stays as it is. */
export function asStoreError(error: unknown): unknown {
  if (!(error instanceof Database.SqliteError)) return error;
  if (FOR_NOW.test(error.code)) {
    return new StoreError('unavailable', `SQLite cannot do that now: ${error.message} (${error.code}).`, {
      cause: error,
    });
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
