import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../src/store/store.ts';
import { fuzzSeed } from '../helpers/fuzz-seed.ts';
import { seededRandom } from '../helpers/manual-clock.ts';
import { type TestDatabase, testDatabase } from '../helpers/postgres.ts';
import { type Receiver, startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

const ENDPOINTS = 6;
const ROUNDS = 10;
/** Retries wait in memory, longer than the tests take. */
const RETRY_MS = 9_000;
const PATIENCE = { timeout: 8_000, interval: 10 };

let database: TestDatabase;
let receiver: Receiver;
let worlds: World[];
/** Numbers of messages that fail once. */
let failing: Set<number>;
beforeEach(async () => {
  database = await testDatabase();
  worlds = [];
  failing = new Set();
  receiver = await startReceiver((response, { body }) => {
    response.statusCode = failing.delete(JSON.parse(body).n) ? 500 : 200;
    response.end();
  });
});
afterEach(async () => {
  for (const world of worlds) await world.close();
  await receiver.close();
  await database.dispose();
});

async function start(store?: (store: Store) => Store): Promise<World> {
  const world = await startWorld({
    ...{ database: database.url, retryScheduleMs: [RETRY_MS, RETRY_MS, RETRY_MS] },
    ...(store && { store }),
  });
  worlds.push(world);
  return world;
}

async function ask(world: World, expected: number, method: string, path: string, body?: unknown) {
  const reply = await world.operate(method, `/api/v1/app/1${path}`, body);
  expect([path, reply.status, reply.text]).toEqual([path, expected, reply.text]);
  return reply.json();
}

/** One node sends for it, so that signals of the other decide. */
const endpoint = (world: World, uid: string) =>
  ask(world, 201, 'POST', '/endpoint', { uid, url: receiver.url, channels: [uid], throttleRate: 1_000 });
const publish = async (world: World, uid: string, n: number, fields: object = {}): Promise<string> => {
  const message = { eventType: 'ticket.created', payload: { n }, channels: [uid], ...fields };
  return (await ask(world, 202, 'POST', '/msg', message)).id;
};
const delivery = async (world: World, id: string) =>
  (await ask(world, 200, 'GET', `/msg/${id}/endpoint`)).data[0];
const soon = () => new Date(Date.now() + 150).toISOString();

/** Deliveries that are leased or wait, as the database has them. */
async function open(): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const { rows } = await client.query(
    'SELECT message_key, state, fence, attempt_count FROM posthorn.delivery WHERE state IN (0, 1) LIMIT 9',
  );
  await client.end();
  return rows;
}

describe('a delivery that is leased anew before memory hears that its older lease is void', () => {
  it('goes out, though the claim comes back after what it had overtaken', async () => {
    const hurried = Promise.withResolvers<void>();
    const claimed = Promise.withResolvers<void>();
    const followed = Promise.withResolvers<void>();
    let due: number | null = null;
    const world = await start((store) => ({
      ...store,
      async deliveryHurry(params) {
        const answer = await store.deliveryHurry(params);
        due = params.messageKey;
        hurried.resolve();
        await claimed.promise;
        return answer;
      },
      async deliveryClaimDue(params) {
        const claims = await store.deliveryClaimDue(params);
        if (claims.some((lane) => lane.claimed.some(({ messageKey }) => messageKey === due))) {
          claimed.resolve();
          await followed.promise;
        }
        return claims;
      },
    }));
    await endpoint(world, 'e');
    failing.add(1);
    const id = await publish(world, 'e', 1);
    await expect.poll(() => delivery(world, id), PATIENCE).toMatchObject({ attemptCount: 1 });
    const retried = ask(world, 200, 'POST', `/msg/${id}/endpoint/e/retry`);
    await hurried.promise;
    // It has the lane look into the store.
    await publish(world, 'e', 2, { deliverAt: soon() });
    await retried;
    followed.resolve();
    await expect.poll(() => delivery(world, id), PATIENCE).toMatchObject({ state: 'succeeded' });
    await expect.poll(open, PATIENCE).toEqual([]);
  });

  it('goes out, whichever node is asked to try it now, while the lane claims without end', async () => {
    console.info(`POSTHORN_FUZZ_SEED=${fuzzSeed}`);
    const random = seededRandom(fuzzSeed);
    const nodes = [await start(), await start()];
    const node = (index: number) => nodes[index % nodes.length] as World;
    const uids = Array.from({ length: ENDPOINTS }, (_, index) => `e${index}`);
    for (const uid of uids) await endpoint(node(0), uid);
    let going = true;
    const streams = uids.flatMap((uid) =>
      nodes.map(async (world) => {
        while (going) await publish(world, uid, 0, { deliverAt: soon() });
      }),
    );
    const ids: string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const tried = await Promise.all(
        uids.map(async (uid, index) => {
          const n = 1 + round * ENDPOINTS + index;
          failing.add(n);
          return { uid, id: await publish(node(random.fraction() < 0.5 ? 0 : 1), uid, n) };
        }),
      );
      for (const { uid, id } of tried) {
        await expect.poll(() => delivery(node(0), id), PATIENCE).toMatchObject({ attemptCount: 1 });
        await ask(node(random.fraction() < 0.5 ? 0 : 1), 200, 'POST', `/msg/${id}/endpoint/${uid}/retry`);
        ids.push(id);
      }
    }
    going = false;
    await Promise.all(streams);
    for (const id of ids) {
      await expect.poll(() => delivery(node(0), id), PATIENCE).toMatchObject({ state: 'succeeded' });
    }
    await expect.poll(open, PATIENCE).toEqual([]);
  }, 60_000);
});
