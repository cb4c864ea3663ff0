import dns from 'node:dns';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { type PostgresServer, startPostgres } from '../helpers/postgres-server.ts';
import { type Receiver, startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** Connections to a server that is away are tried for seconds. */
const PATIENCE = { timeout: 25_000, interval: 50 };
const BACK = 'the store works again';

let server: PostgresServer;
let world: World;
let receiver: Receiver;
/** Requests that are kept without an answer; null: all are answered at once. */
let kept: (() => void)[] | null;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.dispose());
beforeEach(async () => {
  kept = null;
  await server.drop('trouble');
  await server.create('trouble');
  // Not the superuser: whom no limit holds for.
  await server.query(
    'DO $$ BEGIN CREATE ROLE posthorn LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$',
  );
  await server.query('ALTER DATABASE trouble OWNER TO posthorn');
  receiver = await startReceiver((response) => {
    const answer = () => void response.end();
    if (kept === null) answer();
    else kept.push(answer);
  });
  world = await startWorld({
    // By name, which a name server is asked for.
    database: server.url('trouble').replace('postgres@127.0.0.1', 'posthorn@localhost'),
    nodeLeaseMs: 2_000,
  });
  const made = await world.operate('POST', '/api/v1/app/1/endpoint', { url: receiver.url });
  expect(made.status).toBe(201);
});
afterEach(async () => {
  if (server.pid === 0) await server.start();
  for (const answer of kept ?? []) answer();
  await world.close();
  await receiver.close();
});

const publish = () =>
  world.operate('POST', '/api/v1/app/1/msg', { eventType: 'ticket.created', payload: { n: 1 } });
const publishStatus = async () => (await publish()).status;
const healthStatus = async () => (await world.operate('GET', '/api/v1/health')).status;
const warnings = () =>
  world.logged
    .map(
      (line) => JSON.parse(line) as { level: number; msg: string; err?: { message: string; stack?: string } },
    )
    .filter(({ level }) => level >= 40);

/** It is refused and says so; once it is back all goes on, and each kind of trouble was said once. */
async function passesThrough(begin: () => Promise<unknown>, end: () => Promise<unknown>): Promise<void> {
  expect(await publishStatus()).toBe(202);
  await receiver.has(1);
  kept = [];
  expect(await publishStatus()).toBe(202);
  await receiver.has(2);
  const underWay = kept;
  await begin();
  const refused = await publish();
  expect([refused.status, refused.headers['retry-after']]).toEqual([503, '2']);
  await expect.poll(healthStatus, PATIENCE).toBe(500);
  // What is under way ends meanwhile.
  for (const answer of underWay.splice(0)) answer();
  kept = null;
  for (let n = 0; n < 8; n++) expect(await publishStatus()).toBe(503);
  // Nor does it hold its lease any more, and that is nothing new to whoever asks how it is.
  await expect
    .poll(() => world.engine.trouble, PATIENCE)
    .toMatchObject({ name: 'StoreError', message: 'This node has no lease: nothing is sent.' });
  expect(await healthStatus()).toBe(500);
  await end();
  await expect.poll(publishStatus, PATIENCE).toBe(202);
  await expect.poll(healthStatus, PATIENCE).toBe(200);
  await world.engine.drain();
  await expect.poll(() => world.engine.inFlight + world.engine.resident, PATIENCE).toBe(0);
  // Nothing was sent twice for it.
  const numbers = new Map<string, number>();
  for (const { headers } of receiver.received) {
    const id = String(headers['webhook-id']);
    numbers.set(id, (numbers.get(id) ?? 0) + 1);
  }
  expect([...numbers.values()].every((times) => times === 1)).toBe(true);
  await expect.poll(() => world.logged.some((line) => line.includes(BACK)), PATIENCE).toBe(true);
  const said = warnings();
  expect(said.length).toBeGreaterThan(0);
  expect(said.length, said.map(({ msg }) => msg).join('; ')).toBeLessThanOrEqual(4);
  for (const { err } of said) {
    expect(err?.stack ?? '').toBe('');
    expect(err?.message ?? '').not.toMatch(/(connect ECONNREFUSED \S+?)\W+\1/);
  }
}

it('a server that is stopped, and started again', async () => {
  await passesThrough(
    () => server.stop(),
    () => server.start(),
  );
}, 60_000);

it('a server that crashes, and comes back', async () => {
  await passesThrough(
    () => server.stop('immediate'),
    () => server.start(),
  );
}, 60_000);

it('a server that takes no writes', async () => {
  const readOnly = async (value: string) => {
    await server.query(`ALTER DATABASE trouble SET default_transaction_read_only = ${value}`);
    await disconnect();
  };
  await passesThrough(
    () => readOnly('on'),
    () => readOnly('off'),
  );
}, 60_000);

it('a server that has no connection left', async () => {
  await passesThrough(
    async () => {
      await server.query('ALTER ROLE posthorn CONNECTION LIMIT 0');
      await disconnect();
    },
    () => server.query('ALTER ROLE posthorn CONNECTION LIMIT -1'),
  );
}, 60_000);

it('a name server that does not answer', async () => {
  const { lookup } = dns;
  const failing = (host: string, options: unknown, done: (error: Error) => void): void => {
    if (host !== 'localhost') {
      (lookup as unknown as typeof failing)(host, options, done);
      return;
    }
    const text = 'getaddrinfo EAI_AGAIN localhost';
    setImmediate(done, Object.assign(new Error(text), { code: 'EAI_AGAIN', syscall: 'getaddrinfo' }));
  };
  const spy = vi.spyOn(dns, 'lookup');
  try {
    await passesThrough(
      async () => {
        spy.mockImplementation(failing as unknown as typeof lookup);
        await disconnect();
      },
      async () => spy.mockRestore(),
    );
  } finally {
    spy.mockRestore();
  }
}, 60_000);

it('a table that somebody changed: what cannot be recorded waits, is told with its statement, and the process stays up', async () => {
  await server.query('ALTER TABLE posthorn.attempt RENAME COLUMN url TO elsewhere', 'trouble');
  expect(await publishStatus()).toBe(202);
  await receiver.has(1);
  await expect.poll(healthStatus, PATIENCE).toBe(500);
  expect(await publishStatus()).toBe(202);
  await receiver.has(2);
  const told = warnings().filter(({ err }) =>
    /\(42703\) in the statement \S+: .*posthorn.attempt/.test(err?.message ?? ''),
  );
  expect(told.map(({ msg }) => msg)).toEqual(['outcomes cannot be recorded; they wait and are tried again']);
  await server.query('ALTER TABLE posthorn.attempt RENAME COLUMN elsewhere TO url', 'trouble');
  await expect.poll(healthStatus, PATIENCE).toBe(200);
  await world.engine.drain();
  expect(receiver.received).toHaveLength(2);
}, 60_000);

/** All that there are, those among them that are just being made and nobody's yet. */
async function disconnect(): Promise<void> {
  const ended = () =>
    server.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE backend_type = 'client backend' AND (usename = 'posthorn' OR usename IS NULL)`,
    );
  await expect.poll(async () => (await ended()).rowCount, PATIENCE).toBe(0);
}
