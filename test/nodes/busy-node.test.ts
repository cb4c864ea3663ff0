import pg from 'pg';
import { expect, it } from 'vitest';
import { openPostgresStore } from '../../src/store/postgres/open.ts';
import { systemClock } from '../../src/system/clock.ts';
import { testDatabase } from '../helpers/postgres.ts';

it('a node is live although all connections for other work are busy, and more work waits', async () => {
  const database = await testDatabase();
  const store = await openPostgresStore({ url: database.url, clock: systemClock });
  const { epoch } = await store.nodeJoin({ name: 'busy', leaseMs: 60_000 });
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query('BEGIN');
  await client.query('LOCK TABLE posthorn.application');
  let answered = 0;
  const reads = Array.from({ length: 30 }, async () => {
    await store.applicationFind({ ref: '1' }).catch(() => {});
    answered++;
  });
  expect(await store.nodeBeat({ epoch, leaseMs: 60_000 })).toMatchObject({ live: [epoch] });
  expect(answered).toBe(0);
  await client.query('ROLLBACK');
  await client.end();
  await Promise.all(reads);
  await store.close();
  await database.dispose();
});
