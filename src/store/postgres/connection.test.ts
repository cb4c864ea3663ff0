import { afterEach, beforeEach, expect, test } from 'vitest';
import { type TestDatabase, testDatabase } from '../../../test/helpers/postgres.ts';
import { type Database, openDatabase, statement, unprepared } from './connection.ts';

const PREPARED = statement('SELECT count(*) AS count FROM pg_prepared_statements');
const SETTINGS = statement(
  `SELECT name, setting FROM pg_settings
   WHERE name IN ('plan_cache_mode', 'enable_hashjoin', 'statement_timeout', 'work_mem') ORDER BY name`,
);
const INSERT = statement('INSERT INTO thing (number) VALUES ($1)');
const COUNT = statement('SELECT count(*) AS count FROM thing');

let database: TestDatabase;
const opened: Database[] = [];

beforeEach(async () => {
  database = await testDatabase({ empty: true });
  await database.query('CREATE TABLE thing (number bigint PRIMARY KEY)');
});
afterEach(async () => {
  for (const db of opened.splice(0)) await db.close();
  await database.dispose();
});

function open(options = ''): Database {
  const db = openDatabase(`${database.url}${options}`);
  opened.push(db);
  return db;
}

const settings = async (db: Database) =>
  Object.fromEntries(
    (await db.rows<{ name: string; setting: string }>(SETTINGS)).map(({ name, setting }) => [name, setting]),
  );

test('sessions have the settings that statements need, beside those of the URL', async () => {
  const ours = { enable_hashjoin: 'off', plan_cache_mode: 'force_generic_plan', statement_timeout: '8000' };
  expect(await settings(open())).toMatchObject(ours);
  const asked = '?options=-c%20work_mem%3D1234%20-c%20statement_timeout%3D77';
  expect(await settings(open(asked))).toEqual({ ...ours, statement_timeout: '77', work_mem: '1234' });
  const pooled = open('?pooler=transaction');
  expect(pooled.listens).toBe(false);
  expect(await settings(pooled)).toMatchObject({ enable_hashjoin: 'on', plan_cache_mode: 'auto' });
});

test('statements are prepared, but for a pooler and for those that are not meant to be', async () => {
  const count = (db: Database) => db.transaction((tx) => tx.row(PREPARED));
  const [usual, pooled] = [open('?pool=2'), open('?pool=2&pooler=transaction')];
  expect(await count(usual)).toEqual({ count: 1 });
  await usual.transaction((tx) => tx.rows(unprepared('SELECT 1')));
  expect(await count(usual)).toEqual({ count: 1 });
  await pooled.rows(COUNT);
  expect(await count(pooled)).toEqual({ count: 0 });
});

test('numbers arrive as numbers, lists of them too, and what has no value as null', async () => {
  const most = 2 ** 53 - 1;
  const row = await open().row(
    statement(
      `SELECT ${most}::bigint AS big, -${most}::bigint AS least, 1::smallint AS small, 1.5::numeric AS fraction,
         ARRAY[1, ${most}]::bigint[] AS list, '{}'::bigint[] AS none, NULL::bigint AS nothing, true AS yes, '\\x00ff'::bytea AS bytes`,
    ),
  );
  expect(row).toEqual({
    ...{
      big: most,
      least: -most,
      small: 1,
      fraction: 1.5,
      list: [1, most],
      none: [],
      nothing: null,
      yes: true,
    },
    bytes: Buffer.from([0, 255]),
  });
  expect(await open().row(statement('SELECT 1 WHERE false'))).toBeNull();
});

test('statements that are sent together run in order, and all of a transaction or nothing is kept', async () => {
  const db = open();
  await db.transaction(async (tx) => {
    const counts = [];
    for (let number = 0; number < 20; number++) {
      counts.push(
        tx.changes(INSERT, [number]).then(() => number),
        tx.row<{ count: number }>(COUNT),
      );
    }
    const results = await Promise.all(counts);
    results.forEach((result, index) => {
      expect(result).toEqual(index % 2 === 0 ? index / 2 : { count: (index + 1) / 2 });
    });
  });
  const failing = db.transaction((tx) =>
    Promise.all([tx.changes(INSERT, [100]), tx.changes(INSERT, [1]), tx.changes(INSERT, [101])]),
  );
  await expect(failing).rejects.toThrow(/\(23505\)/);
  // One that is caught undoes the whole all the same, and that is no success.
  const caught = db.transaction(async (tx) => {
    await tx.changes(INSERT, [102]);
    await tx.changes(INSERT, [1]).catch(() => {});
  });
  await expect(caught).rejects.toThrow(/rolled back although nothing failed/);
  expect(await db.row(COUNT)).toEqual({ count: 20 });
});
