import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type PostgresServer, startPostgres } from '../../../test/helpers/postgres-server.ts';
import { systemClock } from '../../system/clock.ts';
import { StoreError } from '../store.ts';
import { type Database, type Executor, openDatabase, statement } from './connection.ts';
import { asConnectError, asStoreError } from './errors.ts';
import { openPostgresStore } from './open.ts';

const SLEEP = statement('SELECT pg_sleep(30)');
const INSERT = statement('INSERT INTO thing (name) VALUES ($1)');
const INSERT_SLOWLY = statement('INSERT INTO thing (name) SELECT $1::text FROM pg_sleep(30)');
const COUNT = statement('SELECT count(*) AS count FROM thing');
const CHANGE = statement('UPDATE thing SET name = $2 WHERE name = $1');
const ONE = statement('SELECT 1 AS one');

let server: PostgresServer;
let db: Database;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.dispose());

beforeEach(async () => {
  if (server.pid === 0) await server.start();
  await server.drop('errors');
  await server.create('errors');
  await server.query('CREATE TABLE thing (name text PRIMARY KEY)', 'errors');
  db = openDatabase(server.url('errors'));
});
afterEach(() => db.close());

const count = async () => (await db.row<{ count: number }>(COUNT))?.count;

/** Until so many of its statements are under way. */
async function underWay(condition: string): Promise<void> {
  await expect
    .poll(
      async () =>
        (await server.query(`SELECT count(*) AS n FROM pg_stat_activity WHERE ${condition}`)).rows[0].n,
    )
    .toBe('1');
}

async function outcome(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => 'done',
    (error: unknown) => (error instanceof StoreError ? error.code : error),
  );
}

describe('a server that is not there', () => {
  test('makes a store that does not open, for now', async () => {
    const { port } = server;
    for (const [url, said] of [
      ['postgres://nobody@127.0.0.1:1/nothing', /cannot be reached/],
      [`postgres://postgres@127.0.0.1:${port}/nothing`, /does not exist \(3D000\)/],
      [`postgres://stranger@127.0.0.1:${port}/errors`, /does not exist \(28000\)/],
    ] as const) {
      const opening = openPostgresStore({ url, clock: systemClock });
      await expect(opening).rejects.toMatchObject({ name: 'StoreError', code: 'unavailable' });
      await expect(opening).rejects.toThrow(said);
    }
  });

  test('is unavailable until it is back', async () => {
    await db.changes(INSERT, ['first']);
    await server.stop();
    expect(await outcome(db.changes(INSERT, ['second']))).toBe('unavailable');
    expect(await outcome(db.transaction((tx) => tx.changes(INSERT, ['third'])))).toBe('unavailable');
    expect(await outcome(db.rows(ONE))).toBe('unavailable');
    await server.start();
    expect(await count()).toBe(1);
  });
});

describe('the way to a server', () => {
  const failure = (code: string, text: string) => Object.assign(new Error(text), { code });

  test.each([
    failure('EAI_AGAIN', 'getaddrinfo EAI_AGAIN db.internal'),
    failure('ECONNREFUSED', 'connect ECONNREFUSED'),
    failure('CERT_HAS_EXPIRED', 'certificate has expired'),
    failure('ERR_TLS_CERT_ALTNAME_INVALID', 'Host is not in the cert'),
    failure('UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'unable to verify the first certificate'),
    failure('ERR_SSL_WRONG_VERSION_NUMBER', 'wrong version number'),
  ])('that fails with $code is no mistake of ours', (error) => {
    expect(asConnectError(error)).toMatchObject({ code: 'unavailable' });
    expect(asStoreError(error, { unsure: false })).toMatchObject({ code: 'unavailable' });
    expect(asStoreError(error, { unsure: true })).toMatchObject({ code: 'unknown' });
  });

  test('is unavailable whatever says so before there is a connection, but for a mistake of ours', () => {
    expect(asConnectError(new Error('no pg_hba.conf entry'))).toMatchObject({ code: 'unavailable' });
    const both = new AggregateError([
      failure('ECONNREFUSED', 'connect ECONNREFUSED ::1'),
      failure('ETIMEDOUT', 'slow'),
    ]);
    expect(asConnectError(both)).toMatchObject({
      message: 'PostgreSQL cannot be reached: connect ECONNREFUSED ::1, slow.',
    });
    for (const mistake of [new TypeError('x is not a function'), 'a text'])
      expect(asConnectError(mistake)).toBe(mistake);
  });

  test('is unavailable when no name server knows it', async () => {
    const nowhere = openDatabase('postgres://postgres@no-such-host.invalid/errors');
    try {
      expect(await outcome(nowhere.changes(INSERT, ['one']))).toBe('unavailable');
      expect(await outcome(nowhere.connect())).toBe('unavailable');
    } finally {
      await nowhere.close();
    }
  });
});

describe('connections apart', () => {
  test('are lent by the others when the server has as many as it takes', async () => {
    const limited = 'errors_limited';
    await server.query(`DROP DATABASE IF EXISTS ${limited} WITH (FORCE)`);
    await server.query(`CREATE DATABASE ${limited} CONNECTION LIMIT 2`);
    await server.query('DROP ROLE IF EXISTS guest');
    await server.query('CREATE ROLE guest LOGIN');
    const most = openDatabase(server.url(limited).replace('postgres@', 'guest@'));
    const apart = most.apart(1);
    try {
      await Promise.all([1, 2].map(() => most.transaction((tx) => tx.rows(ONE))));
      expect(await apart.row(ONE)).toEqual({ one: 1 });
    } finally {
      await Promise.all([most.close(), apart.close()]);
    }
  });
});

describe('a server that stops in the middle', () => {
  for (const how of ['fast', 'immediate'] as const) {
    test(`leaves open what became of a write, and of nothing else (${how})`, async () => {
      const sleeping = "state = 'active' AND wait_event = 'PgSleep'";
      const cases: [() => Promise<unknown>, 'unavailable' | 'unknown'][] = [
        [() => db.rows(SLEEP), 'unavailable'],
        [() => db.changes(INSERT_SLOWLY, ['once']), 'unknown'],
        [() => db.transaction((tx) => tx.changes(INSERT_SLOWLY, ['within'])), 'unavailable'],
        [
          () => db.transaction((tx) => Promise.all([tx.rows(SLEEP), tx.changes(INSERT, ['behind'])])),
          'unavailable',
        ],
      ];
      for (const [work, expected] of cases) {
        const ended = outcome(work());
        await underWay(sleeping);
        await server.stop(how);
        expect(await ended).toBe(expected);
        await server.start();
        expect(await count()).toBe(0);
      }
    });

    test(`leaves open what became of a commit (${how})`, async () => {
      await server.query(
        `CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(30); RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER slowly AFTER INSERT ON thing DEFERRABLE INITIALLY DEFERRED
           FOR EACH ROW EXECUTE FUNCTION slowly()`,
        'errors',
      );
      const ended = outcome(db.transaction((tx) => tx.changes(INSERT, ['first'])));
      await underWay("state = 'active' AND query = 'COMMIT'");
      await server.stop(how);
      expect(await ended).toBe('unknown');
    });
  }

  test('is no harm to a connection that nobody uses, nor to one that somebody has without asking anything', async () => {
    let go = () => {};
    const wait = new Promise<void>((resolve) => {
      go = resolve;
    });
    await Promise.all([db.rows(ONE), db.rows(ONE)]);
    const idle = db.transaction(async (tx) => {
      await tx.changes(INSERT, ['idle']);
      await wait;
    });
    const ended = outcome(idle);
    await underWay("state = 'idle in transaction'");
    await server.stop();
    go();
    // The commit was never sent, but that is not known here.
    expect(await ended).toMatch(/unavailable|unknown/);
    await server.start();
    expect(await count()).toBe(0);
  });
});

describe('what PostgreSQL refuses', () => {
  test('a statement that takes too long is undone, and the connection goes on', async () => {
    const timedOut = db.transaction(async (tx) => {
      await tx.script('SET LOCAL statement_timeout = 20');
      await tx.changes(INSERT_SLOWLY, ['slow']);
    });
    expect(await outcome(timedOut)).toBe('unavailable');
    expect(await count()).toBe(0);
  });

  test('one that is not answered at all: a write may have been made, and others are served', async () => {
    const impatient = openDatabase(`${server.url('errors')}?query_timeout=100`);
    try {
      expect(await outcome(impatient.rows(SLEEP))).toBe('unavailable');
      expect(await outcome(impatient.changes(INSERT_SLOWLY, ['slow']))).toBe('unknown');
      expect(await outcome(impatient.transaction((tx) => tx.rows(SLEEP)))).toBe('unavailable');
      expect(await impatient.row(ONE)).toEqual({ one: 1 });
    } finally {
      await impatient.close();
    }
  });

  test('a server that takes no writes is unavailable, and is asked anew by another connection', async () => {
    const readOnly = (value: string) =>
      server.query(`ALTER DATABASE errors SET default_transaction_read_only = ${value}`);
    await readOnly('on');
    const elsewhere = openDatabase(server.url('errors'));
    try {
      expect(await outcome(elsewhere.changes(INSERT, ['one']))).toBe('unavailable');
      expect(await outcome(elsewhere.transaction((tx) => tx.changes(INSERT, ['two'])))).toBe('unavailable');
      expect(await outcome(elsewhere.rows(ONE))).toBe('done');
      await readOnly('off');
      await server.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'errors' AND state = 'idle'",
      );
      await expect.poll(() => outcome(elsewhere.changes(INSERT, ['three']))).toBe('done');
    } finally {
      await elsewhere.close();
    }
  });

  test('more than the pool has connections for waits, and is unavailable after a while', async () => {
    const small = openDatabase(`${server.url('errors')}?pool=2`);
    try {
      let go = () => {};
      const wait = new Promise<void>((resolve) => {
        go = resolve;
      });
      const held = [1, 2].map(() => small.transaction(() => wait));
      expect(await outcome(small.rows(ONE))).toBe('unavailable');
      const soon = small.row(ONE);
      go();
      await Promise.all(held);
      expect(await soon).toEqual({ one: 1 });
    } finally {
      await small.close();
    }
  });

  test('a mistake in a statement is unavailable, and says where it is; one beside it stays what it is', async () => {
    let times = 0;
    const mistaken = db.transaction((tx) => {
      times++;
      return tx.rows(statement('SELECT nothing FROM thing'));
    });
    await expect(mistaken).rejects.toMatchObject({ name: 'StoreError', code: 'unavailable' });
    await expect(mistaken).rejects.toThrow(
      /nothing.*\(42703\) in the statement \S+: SELECT nothing FROM thing$/,
    );
    const thrown = new Error('timeout');
    await expect(db.transaction(() => Promise.reject(new TypeError('mine')))).rejects.toThrow(TypeError);
    expect(await outcome(db.transaction(() => Promise.reject(thrown)))).toBe(thrown);
    expect(times).toBe(1);
    await db.changes(INSERT, ['first']);
    await expect(db.changes(INSERT, ['first'])).rejects.toThrow(/\(23505\)/);
    // What was prepared when it failed is prepared again.
    expect(await outcome(db.changes(INSERT, ['second']))).toBe('done');
  });

  test('of two transactions that wait for each other one is undone and tried again, and both succeed', async () => {
    await db.changes(INSERT, ['a']);
    await db.changes(INSERT, ['b']);
    let both = () => {};
    let arrived = 0;
    const bothArrived = new Promise<void>((resolve) => {
      both = resolve;
    });
    let runs = 0;
    const crosswise = (first: string, second: string) =>
      db.transaction(async (tx: Executor) => {
        runs++;
        await tx.changes(CHANGE, [first, first]);
        if (++arrived === 2) both();
        await bothArrived;
        await tx.changes(CHANGE, [second, second]);
      });
    expect(await Promise.all([crosswise('a', 'b'), crosswise('b', 'a')])).toEqual([undefined, undefined]);
    // The one that was undone may be so again: it and the other are after the same rows.
    expect(runs).toBeGreaterThanOrEqual(3);
  });

  test('one that loses every time is unavailable', async () => {
    let times = 0;
    const losing = db.transaction((tx) => {
      times++;
      return tx.script("DO $$ BEGIN RAISE EXCEPTION 'always' USING ERRCODE = '40001'; END $$");
    });
    expect(await outcome(losing)).toBe('unavailable');
    expect(times).toBe(3);
  });
});
