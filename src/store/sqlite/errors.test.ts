import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { asStoreError } from './errors.ts';

test.each([
  ['SQLITE_FULL', 'unavailable'],
  ['SQLITE_IOERR_SHMSIZE', 'unknown'],
  ['SQLITE_BUSY_SNAPSHOT', 'unavailable'],
  ['SQLITE_CANTOPEN', 'unavailable'],
  ['SQLITE_IOERR_FSYNC', 'broken'],
  ['SQLITE_IOERR_WRITE', 'broken'],
  ['SQLITE_CORRUPT_INDEX', 'broken'],
  ['SQLITE_NOTADB', 'broken'],
])('%s is told as %s, with its cause', (sqliteCode, code) => {
  const cause = new Database.SqliteError('what happened', sqliteCode);
  const message = expect.stringContaining(`what happened (${sqliteCode})`);
  expect(asStoreError(cause)).toMatchObject({ name: 'StoreError', code, message, cause });
});

test('a bug stays what it is', () => {
  const bugs = [new TypeError('x is undefined'), new Database.SqliteError('bad', 'SQLITE_CONSTRAINT_UNIQUE')];
  for (const bug of bugs) expect(asStoreError(bug)).toBe(bug);
});
