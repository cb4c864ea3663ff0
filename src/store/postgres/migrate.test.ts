import { readdirSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type TestDatabase, testDatabase } from '../../../test/helpers/postgres.ts';
import { systemClock } from '../../system/clock.ts';
import type { Store } from '../store.ts';
import { openDatabase } from './connection.ts';
import { migrate, schemaState } from './migrate.ts';
import { openPostgresStore } from './open.ts';

const NAMES = readdirSync(new URL('./migrations/', import.meta.url))
  .filter((name) => name.endsWith('.sql'))
  .sort();
const MIGRATIONS = NAMES.map((name, index) => ({ number: index + 1, name }));

let database: TestDatabase;
const opened: Store[] = [];

beforeEach(async () => {
  database = await testDatabase({ empty: true });
});
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
  await database.dispose();
});

async function open(url = database.url): Promise<Store> {
  const store = await openPostgresStore({ url, clock: systemClock });
  opened.push(store);
  return store;
}

/** With a connection of its own. */
async function connected<T>(work: (db: ReturnType<typeof openDatabase>) => Promise<T>): Promise<T> {
  const db = openDatabase(database.url);
  try {
    return await work(db);
  } finally {
    await db.close();
  }
}

const applied = async () =>
  (await database.query('SELECT number, name FROM posthorn.migration ORDER BY number')).rows;

test('processes that open an empty database together all find the whole schema, made once', async () => {
  const stores = await Promise.all(Array.from({ length: 8 }, () => open()));
  expect(await applied()).toEqual(MIGRATIONS);
  const epochs = await Promise.all(stores.map((store) => store.nodeJoin({ name: 'test', leaseMs: 60_000 })));
  expect(new Set(epochs.map(({ epoch }) => epoch)).size).toBe(8);
  await Promise.all(stores.map((store) => store.check()));
  await open();
  expect(await applied()).toEqual(MIGRATIONS);
});

test('what is pending is known before, and is nothing after', async () => {
  await connected(async (db) => {
    expect(await schemaState(db)).toEqual({ present: 0, known: MIGRATIONS.length, pending: MIGRATIONS });
    expect(await migrate(db)).toEqual(MIGRATIONS);
    expect(await schemaState(db)).toEqual({
      present: MIGRATIONS.length,
      known: MIGRATIONS.length,
      pending: [],
    });
    expect(await migrate(db)).toEqual([]);
  });
});

test('a schema that was written by a newer program is refused, and stays as it is', async () => {
  await open();
  await database.query(
    `INSERT INTO posthorn.migration (number, name) VALUES (${MIGRATIONS.length + 1}, 'from-the-future.sql')`,
  );
  const before = await applied();
  const opening = open();
  await expect(opening).rejects.toMatchObject({ name: 'StoreError', code: 'incompatible' });
  await expect(opening).rejects.toThrow(/version \d+; this Posthorn knows \d+\. Start the newer Posthorn/);
  expect(await applied()).toEqual(before);
});

test('a newer program that comes between is noticed', async () => {
  await connected(async (db) => {
    await db
      .transaction(async (tx) => {
        await tx.script('SELECT pg_advisory_xact_lock(1886745448, -1)');
        const opening = open();
        opening.catch(() => {});
        const waits =
          "SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'advisory'";
        await expect.poll(async () => (await database.query(waits)).rows[0].n).toBe(1);
        await tx.script(
          `CREATE SCHEMA posthorn; CREATE TABLE posthorn.migration (number integer PRIMARY KEY, name text NOT NULL);
         INSERT INTO posthorn.migration VALUES (99, 'from-the-future.sql')`,
        );
        // In a list: it is not waited for here.
        return [opening];
      })
      .then(([opening]) => expect(opening).rejects.toMatchObject({ code: 'incompatible' }));
  });
});

test('one that fails leaves nothing, and the next opening begins where it began', async () => {
  // In the way of the first one.
  await database.query('CREATE SCHEMA posthorn; CREATE TABLE posthorn.answer (something text)');
  await expect(open()).rejects.toThrow(/\(42P07\)/);
  const tables =
    "SELECT relname FROM pg_class WHERE relnamespace = 'posthorn'::regnamespace AND relkind IN ('r', 'p')";
  expect((await database.query(tables)).rows).toEqual([{ relname: 'answer' }]);
  await database.query('DROP TABLE posthorn.answer');
  await open();
  expect(await applied()).toEqual(MIGRATIONS);
});

test('a database that cannot hold every text is refused, and stays as it is', async () => {
  const name = `ascii_${database.url.split('_').at(-1)}`;
  await database.query(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'SQL_ASCII'`);
  try {
    const url = new URL(database.url);
    url.pathname = `/${name}`;
    const opening = open(url.href);
    await expect(opening).rejects.toMatchObject({ name: 'StoreError', code: 'incompatible' });
    await expect(opening).rejects.toThrow(/has the encoding SQL_ASCII.*needs one with UTF8/);
  } finally {
    await database.query(`DROP DATABASE ${name} WITH (FORCE)`);
  }
});

test('somebody who may not make schemas can be given one', async () => {
  const owner = `owner_${database.url.split('_').at(-1)}`;
  await database.query(`CREATE ROLE ${owner} LOGIN; CREATE SCHEMA posthorn AUTHORIZATION ${owner}`);
  try {
    const store = await open(database.url.replace('postgres@', `${owner}@`));
    await store.check();
    await store.storeTend({ now: systemClock.now(), keepMs: null, rows: 1 });
    expect(await applied()).toEqual(MIGRATIONS);
  } finally {
    for (const store of opened.splice(0)) await store.close();
    await database.query(`DROP OWNED BY ${owner} CASCADE; DROP ROLE ${owner}`);
  }
});

test('it is told before a database with data is changed, which can take long, and not of a new one', async () => {
  const lines: unknown[][] = [];
  const log = { info: (fields: object, text: string) => lines.push([fields, text]) };
  const told = { log, clock: { monotonic: () => 1_000 * lines.length } };
  await connected(async (db) => {
    await migrate(db, { told });
    expect(lines).toEqual([]);
    if (MIGRATIONS.length < 2) return;
    // As the first version left it, but for what the later ones add.
    await db.script(`ALTER SCHEMA posthorn RENAME TO later; CREATE SCHEMA posthorn;
      CREATE TABLE posthorn.migration AS SELECT * FROM later.migration WHERE number < ${MIGRATIONS.length}`);
    await migrate(db, { told }).catch(() => {});
    expect(lines[0]).toEqual([{ migration: NAMES.at(-1) }, expect.stringContaining('brought up to date')]);
  });
});
