import pg from 'pg';
import { StoreError } from '../store.ts';

/** Of another transaction: a deadlock, or a serialization failure. Nothing was written; the same may work the next time. */
const CONFLICT = /^(40001|40P01)$/;
/**
 * Connections (08), resources (53), an operator's doing (57), a server that only reads (25006), a lock that could not be had
 * (55P03), time over within a transaction (25P03, 25P04), authorization (28), a database that is not there (3D000).
 */
const FOR_NOW = /^(08|53|57|28|25006|25P0[234]|55P03|3D000|58)/;
/** The server goes down: it may have committed before. */
const GOING_DOWN = /^(57P0[123]|08)/;

/**
 * What PostgreSQL or the way to it says, in the port's words. Anything else (a bug) stays as it is.
 * @param unsure A commit was under way: without an answer of the server nobody knows how it ended.
 */
export function asStoreError(error: unknown, { unsure }: { unsure: boolean }): unknown {
  if (error instanceof StoreError) return error;
  if (!(error instanceof Error)) return error;
  if (error instanceof pg.DatabaseError) {
    const code = error.code ?? '';
    const said = `${error.message} (${code})`;
    if (CONFLICT.test(code)) {
      return new StoreError('unavailable', `Another transaction was in the way: ${said}.`, { cause: error });
    }
    if (!FOR_NOW.test(code)) return error;
    if (unsure && GOING_DOWN.test(code)) {
      return new StoreError('unknown', `PostgreSQL went away and may have kept it: ${said}.`, {
        cause: error,
      });
    }
    return new StoreError('unavailable', `PostgreSQL cannot do that now: ${said}.`, { cause: error });
  }
  if (!isOfConnection(error)) return error;
  if (unsure) {
    return new StoreError('unknown', `PostgreSQL did not answer and may have kept it: ${error.message}.`, {
      cause: error,
    });
  }
  return new StoreError('unavailable', `PostgreSQL cannot be reached: ${error.message}.`, { cause: error });
}

export function isConflict(error: unknown): boolean {
  const cause = error instanceof StoreError ? error.cause : error;
  return cause instanceof pg.DatabaseError && CONFLICT.test(cause.code ?? '');
}

/** It took longer than a statement, or the wait for a lock, may take. */
export function isTimeout(error: unknown): boolean {
  const cause = error instanceof StoreError ? error.cause : error;
  return cause instanceof pg.DatabaseError && /^(57014|55P03)$/.test(cause.code ?? '');
}

const TEXTS =
  /timeout|Connection terminated|connection error|not queryable|Client was closed|Cannot use a pool|Client has encountered/i;

/** Errors of sockets have a code; those that `pg` makes itself only have their text. */
function isOfConnection(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return (code !== undefined && /^E[A-Z]+$/.test(code)) || TEXTS.test(error.message);
}
