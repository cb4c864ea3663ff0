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

/** A plan or a name that this connection has prepared is of no use any more. Others may have the same, a new one has not. */
const STALE_CONNECTION = /^(0A000|26000|42P05)$/;

/**
 * What PostgreSQL or the way to it says, in the port's words. What it never should say (a mistake of ours, a table that somebody
 * changed, a fault of the server) is `unavailable` as well: it waits, is tried again, and is told with its code and statement, where
 * the end of the process would help nobody. Mistakes that are thrown here stay what they are.
 * @param unsure A commit was under way: without an answer of the server nobody knows how it ended.
 * @param of The statement, for people.
 */
export function asStoreError(
  error: unknown,
  { unsure, of }: { unsure: boolean; of?: { readonly name: string; readonly text: string } },
): unknown {
  if (error instanceof StoreError) return error;
  if (!(error instanceof Error)) return error;
  if (error instanceof pg.DatabaseError) return ofServer(error, unsure, of);
  if (!isOfConnection(error)) return error;
  return unreachable(error, unsure);
}

/** There is no connection, for whatever reason: nothing was asked yet. */
export function asConnectError(error: unknown): unknown {
  if (error instanceof StoreError || error instanceof pg.DatabaseError) {
    return asStoreError(error, { unsure: false });
  }
  return error instanceof Error && !isMistake(error) ? unreachable(error, false) : error;
}

function ofServer(error: pg.DatabaseError, unsure: boolean, of?: { name: string; text: string }): StoreError {
  const code = error.code ?? '';
  const said = `${error.message} (${code})`;
  const options = { cause: error };
  if (CONFLICT.test(code)) {
    return new StoreError('unavailable', `Another transaction was in the way: ${said}.`, options);
  }
  if (unsure && GOING_DOWN.test(code)) {
    return new StoreError('unknown', `PostgreSQL went away and may have kept it: ${said}.`, options);
  }
  if (FOR_NOW.test(code)) {
    return new StoreError('unavailable', `PostgreSQL cannot do that now: ${said}.`, options);
  }
  const where =
    of === undefined ? '' : ` in the statement ${of.name || 'without a name'}: ${beginning(of.text)}`;
  return new StoreError('unavailable', `PostgreSQL refuses what it should not: ${said}${where}`, options);
}

/** Enough of a statement for a person to find it. */
function beginning(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length <= 80 ? line : `${line.slice(0, 80)} …`;
}

function unreachable(error: Error, unsure: boolean): StoreError {
  const said = textOf(error);
  return unsure
    ? new StoreError('unknown', `PostgreSQL did not answer and may have kept it: ${said}.`, { cause: error })
    : new StoreError('unavailable', `PostgreSQL cannot be reached: ${said}.`, { cause: error });
}

/** A host with several addresses fails with one error for each, and no text of its own. */
function textOf(error: Error): string {
  if (error.message !== '') return error.message;
  if (error instanceof AggregateError)
    return error.errors.map((each) => String(each?.message ?? each)).join(', ');
  return (error as NodeJS.ErrnoException).code ?? error.name;
}

/** What the server said, if it did. */
function codeOf(error: unknown): string {
  const cause = error instanceof StoreError ? error.cause : error;
  return cause instanceof pg.DatabaseError ? (cause.code ?? '') : '';
}

/** Nothing was done, and the same may work at once: another transaction was in the way, or what the connection had prepared. */
export function isWorthAnotherTry(error: unknown): boolean {
  const code = codeOf(error);
  return CONFLICT.test(code) || STALE_CONNECTION.test(code);
}

/** It took longer than a statement, or the wait for a lock, may take. */
export function isTimeout(error: unknown): boolean {
  return /^(57014|55P03)$/.test(codeOf(error));
}

/** Whether the connection goes on: the server did not end it, it answers, is not confused, and leads to a server that takes writes. */
export function isUsableAfter(error: unknown): boolean {
  if (!(error instanceof pg.DatabaseError)) return false;
  // By code as well: the severity is in the server's language.
  const { severity, code = '' } = error;
  if (severity === 'FATAL' || severity === 'PANIC' || STALE_CONNECTION.test(code)) return false;
  return !/^(57P0|25006|XX)/.test(code);
}

const TEXTS =
  /timeout|Connection terminated|connection error|not queryable|Client was closed|Cannot use a pool|Client has encountered/i;

/** Errors of sockets, of TLS and of name servers have a code; those that `pg` makes itself only have their text. */
function isOfConnection(error: Error): boolean {
  if (isMistake(error)) return false;
  const { code } = error as NodeJS.ErrnoException;
  return (typeof code === 'string' && /^[A-Z][A-Z0-9_]+$/.test(code)) || TEXTS.test(error.message);
}

function isMistake(error: Error): boolean {
  return [TypeError, RangeError, ReferenceError, SyntaxError].some((kind) => error instanceof kind);
}
