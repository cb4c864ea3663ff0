import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type TestDatabase, testDatabase } from '../../../test/helpers/postgres.ts';
import { startPostgres } from '../../../test/helpers/postgres-server.ts';
import { SIGNALS_PURGE_STEP } from '../../limits.ts';
import { systemClock } from '../../system/clock.ts';
import type { Signal, Store } from '../store.ts';
import { openDatabase } from './connection.ts';
import { openPostgresStore } from './open.ts';
import { purgeSignals } from './signals.ts';

const NOW = Date.UTC(2026, 0, 1);
const KEYS: Signal = { kind: 'keys' };
const LISTENERS =
  "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'";

let database: TestDatabase;
const opened: Store[] = [];

beforeEach(async () => {
  database = await testDatabase();
});
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
  await database.dispose();
});

/** A process that uses the database, and what it is told. Others that join or leave ask it to look, too. */
class Process {
  readonly store: Store;
  /** But for `look`. */
  readonly told: Signal[] = [];
  looks = 0;

  constructor(store: Store) {
    this.store = store;
  }

  listen(): void {
    this.store.listen((signals) => {
      const told = signals.filter(({ kind }) => kind !== 'look');
      this.told.push(...told);
      this.looks += signals.length - told.length;
    });
  }

  /** Until it is asked to look again. */
  async looksAgain(after = this.looks): Promise<void> {
    await expect.poll(() => this.looks, { timeout: 10_000 }).toBeGreaterThan(after);
  }
}

async function joined(url = database.url): Promise<Process> {
  const store = await openPostgresStore({ url, clock: systemClock });
  opened.push(store);
  await store.nodeJoin({ name: 'test', leaseMs: 60_000 });
  return new Process(store);
}

async function listening(url?: string): Promise<Process> {
  const process = await joined(url);
  process.listen();
  await process.looksAgain(0);
  return process;
}

/** A transaction of somebody else. */
async function transaction() {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query('BEGIN');
  return {
    tell: (signal: Signal) => client.query('SELECT posthorn.signal_send(0, $1)', [JSON.stringify([signal])]),
    query: (sql: string) => client.query(sql),
    async end(how: 'COMMIT' | 'ROLLBACK') {
      await client.query(how);
      await client.end();
    },
  };
}

describe('what one process changes', () => {
  test('is told to the others within milliseconds, in order, once, and not to itself', async () => {
    const [one, other] = [await listening(), await listening()];
    const application = await one.store.applicationInsert({
      ...{ id: 'app_1', uid: null, name: 'Acme', throttleRate: null, metadata: {}, now: NOW },
    });
    const applicationKey = application?.key as number;
    const waits: number[] = [];
    for (let times = 0; times < 20; times++) {
      const begin = performance.now();
      await one.store.applicationUpdate({ applicationKey, now: NOW, changes: { name: `Acme ${times}` } });
      await expect.poll(() => other.told.length, { interval: 1 }).toBe(times + 1);
      waits.push(performance.now() - begin);
    }
    expect(other.told).toEqual(Array.from({ length: 20 }, () => ({ kind: 'application', applicationKey })));
    expect(waits.sort((a, b) => a - b)[10]).toBeLessThan(100);
    await other.store.signalSend({ signals: [KEYS, { kind: 'task' }] });
    await expect.poll(() => one.told).toEqual([KEYS, { kind: 'task' }]);
    expect(other.told).toHaveLength(20);
  });

  test('is told when it is committed, however early it was written; and not when it is rolled back', async () => {
    const { told, store } = await listening();
    const teller = await listening();
    const late = await transaction();
    await late.tell({ kind: 'hurry', endpointKey: 1 });
    await late.query('SAVEPOINT one');
    await late.tell({ kind: 'hurry', endpointKey: 2 });
    const never = await transaction();
    await never.tell({ kind: 'hurry', endpointKey: 3 });
    for (let endpointKey = 10; endpointKey < 13; endpointKey++) {
      await teller.store.signalSend({ signals: [{ kind: 'hurry', endpointKey }] });
      await expect.poll(() => told).toContainEqual({ kind: 'hurry', endpointKey });
    }
    await never.end('ROLLBACK');
    await late.end('COMMIT');
    await expect.poll(() => told).toHaveLength(5);
    await teller.store.signalSend({ signals: [KEYS] });
    await expect.poll(() => told).toContainEqual(KEYS);
    const keys = told.flatMap((signal) => (signal.kind === 'hurry' ? [signal.endpointKey] : []));
    expect(keys).toEqual([10, 11, 12, 1, 2]);
    expect(told).toHaveLength(6);
    await store.check();
  });

  test('between the opening of a store and the moment that somebody listens is told then', async () => {
    const [one, other] = [await joined(), await joined()];
    await other.store.signalSend({ signals: [KEYS] });
    one.listen();
    await one.looksAgain(0);
    await expect.poll(() => one.told).toEqual([KEYS]);
  });

  test('is looked for by who becomes a node: until then signals of publishers seemed to be its own', async () => {
    const process = new Process(await openPostgresStore({ url: database.url, clock: systemClock }));
    opened.push(process.store);
    process.listen();
    await process.looksAgain(0);
    const publisher = await transaction();
    await publisher.tell(KEYS);
    await publisher.end('COMMIT');
    await process.store.nodeJoin({ name: 'test', leaseMs: 60_000 });
    const again = await transaction();
    await again.tell(KEYS);
    await again.end('COMMIT');
    await process.looksAgain(1);
    await expect.poll(() => process.told).toContainEqual(KEYS);
  });

  test('is told by many at once, to each of many', async () => {
    const processes = [await listening(), await listening(), await listening()];
    const rounds = Array.from({ length: 50 }, (_, index) => index);
    await Promise.all(
      processes.flatMap(({ store }, from) =>
        rounds.map((round) =>
          store.signalSend({ signals: [{ kind: 'hurry', endpointKey: from * 1_000 + round }] }),
        ),
      ),
    );
    for (const [index, { told }] of processes.entries()) {
      const expected = processes.flatMap((_, from) =>
        from === index ? [] : rounds.map((each) => from * 1_000 + each),
      );
      const heard = () =>
        told.map((signal) => (signal.kind === 'hurry' ? signal.endpointKey : -1)).sort((a, b) => a - b);
      await expect.poll(heard).toEqual(expected);
    }
  });
});

describe('without LISTEN', () => {
  test('as through a pooler the table is looked at', async () => {
    const { told } = await listening(`${database.url}?pooler=transaction`);
    expect((await database.query(LISTENERS)).rows).toEqual([]);
    const other = await listening();
    await other.store.signalSend({ signals: [KEYS] });
    await expect.poll(() => told).toEqual([KEYS]);
  });

  test('a crash of the server is noticed by what it lost, even when nobody asked anything meanwhile', async () => {
    const pooled = await listening(`${database.url}?pooler=transaction`);
    const { looks } = pooled;
    // What a crash does to tables that are not logged.
    await database.query('TRUNCATE posthorn.signal, posthorn.signal_life');
    await pooled.looksAgain(looks);
    const other = await listening();
    await other.store.signalSend({ signals: [KEYS] });
    await expect.poll(() => pooled.told).toEqual([KEYS]);
  });
});

describe('a connection that is lost', () => {
  test('is made anew, and something may have been missed', async () => {
    const [one, other] = [await listening(), await listening()];
    const { looks } = one;
    await database.query(`SELECT pg_terminate_backend(pid) FROM (${LISTENERS}) AS listeners`);
    await one.looksAgain(looks);
    await expect.poll(async () => (await database.query(LISTENERS)).rows.length).toBe(2);
    await other.store.signalSend({ signals: [KEYS] });
    await expect.poll(() => one.told).toEqual([KEYS]);
  });

  test('is closed with the store, with all others of it', async () => {
    const { store } = await listening();
    const more = await joined();
    more.listen();
    await Promise.all([store.close(), more.store.close()]);
    const connections =
      'SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND pid != pg_backend_pid()';
    await expect.poll(async () => (await database.query(connections)).rows[0].n).toBe(0);
  });
});

test.each(['fast', 'immediate'] as const)(
  'a server that ended (%s) and is back is listened to again',
  async (how) => {
    const server = await startPostgres();
    try {
      await server.create('signals');
      const [one, other] = [await listening(server.url('signals')), await listening(server.url('signals'))];
      const before = [one.looks, other.looks];
      await server.stop(how);
      await server.start();
      await one.looksAgain(before[0]);
      await other.looksAgain(before[1]);
      await other.store.signalSend({ signals: [KEYS] });
      await expect.poll(() => one.told, { timeout: 10_000 }).toContainEqual(KEYS);
      for (const store of opened.splice(0)) await store.close();
    } finally {
      await server.dispose();
    }
  },
);

test('what all have heard long ago is purged, and nothing else', async () => {
  const { store, told } = await listening();
  await database.query(
    `INSERT INTO posthorn.signal (epoch, body, created_at)
     SELECT 0, '[]', now() - interval '1 hour' FROM generate_series(1, ${SIGNALS_PURGE_STEP + 5})`,
  );
  await store.signalSend({ signals: [KEYS] });
  const db = openDatabase(database.url);
  await purgeSignals(db);
  await db.close();
  const { rows } = await database.query("SELECT body FROM posthorn.signal WHERE body NOT LIKE '%look%'");
  expect(rows).toEqual([{ body: JSON.stringify([KEYS]) }]);
  expect(told).toEqual([]);
});
