import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type TestDatabase, testDatabase } from '../../../test/helpers/postgres.ts';
import { systemClock } from '../../system/clock.ts';
import { openDatabase, STATEMENTS, statement } from './connection.ts';
// All files of the driver, which make their statements when they are read.
import { openPostgresStore } from './open.ts';

const ALL = statement('SELECT * FROM thing');
const INSERT = statement('INSERT INTO thing (name) VALUES ($1) RETURNING *');

let database: TestDatabase;
beforeEach(async () => {
  database = await testDatabase();
});
afterEach(() => database.dispose());

/** What was prepared is good as long as it gives the same columns: a later version of the schema may have more. */
test('no statement gives other columns when a table gets one', async () => {
  await (await openPostgresStore({ url: database.url, clock: systemClock })).close();
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    const places = new Map<string, number>();
    for (const { name, text } of STATEMENTS.values()) {
      // A plan is of queries; and not of those of the test below.
      if (!/^\s*(WITH|SELECT|INSERT|UPDATE|DELETE)\b/.test(text)) continue;
      if (name === ALL.name || name === INSERT.name) continue;
      await client.query(`PREPARE "${name}" AS ${text}`);
      places.set(name, Math.max(0, ...[...text.matchAll(/\$(\d+)/g)].map(([, place]) => Number(place))));
    }
    expect(places.size).toBeGreaterThan(100);
    const tables = await client.query<{ name: string }>(
      "SELECT relname AS name FROM pg_class WHERE relnamespace = 'posthorn'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition",
    );
    for (const { name } of tables.rows)
      await client.query(`ALTER TABLE posthorn."${name}" ADD COLUMN another int`);
    const bad: string[] = [];
    for (const [name, count] of places) {
      const values = Array.from({ length: count }, () => 'NULL').join(', ');
      await client
        .query(`EXPLAIN EXECUTE "${name}"${count > 0 ? `(${values})` : ''}`)
        .catch((error) => bad.push(`${STATEMENTS.get(name)?.text}: ${error.message}`));
    }
    expect(bad).toEqual([]);
  } finally {
    await client.end();
  }
});

test('connections whose statements give other columns than before are replaced, and nobody notices', async () => {
  await database.query('CREATE TABLE thing (name text)');
  const db = openDatabase(`${database.url}?pool=2`);
  try {
    // Both connections have prepared both.
    await Promise.all(
      [1, 2].map(() => db.transaction((tx) => Promise.all([tx.rows(INSERT, ['a']), tx.rows(ALL)]))),
    );
    await database.query('ALTER TABLE thing ADD COLUMN another int DEFAULT 7');
    const both = [db.rows(ALL), db.transaction((tx) => tx.row(INSERT, ['b']))] as const;
    const [, inserted] = await Promise.all(both);
    expect(inserted).toEqual({ name: 'b', another: 7 });
    expect(await db.rows(ALL)).toEqual(['a', 'a', 'b'].map((name) => ({ name, another: 7 })));
  } finally {
    await db.close();
  }
});
