import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from '../helpers/postgres.ts';
import { type Receiver, startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World, type WorldOptions } from '../helpers/world.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect out of it.
type Json = any;

/** What happens within a moment of real time. */
const PATIENCE = { timeout: 10_000, interval: 10 };
const HOUR_MS = 3_600_000;

let database: TestDatabase;
let worlds: World[];
let receivers: Receiver[];
/** What receivers answer at that time. */
let status: number;
/** How many of the requests are to be kept without an answer, and what then answers them. */
let kept: (() => void)[] | null;
beforeEach(async () => {
  database = await testDatabase();
  worlds = [];
  receivers = [];
  status = 200;
  kept = null;
});
afterEach(async () => {
  for (const answer of kept ?? []) answer();
  kept = null;
  for (const world of worlds) await world.close();
  for (const each of receivers) await each.close();
  await database.dispose();
});

async function start(options: WorldOptions = {}): Promise<World> {
  const world = await startWorld({ database: database.url, retryScheduleMs: [HOUR_MS], ...options });
  worlds.push(world);
  return world;
}

/** Two processes on one database. */
async function startBoth(options: WorldOptions = {}): Promise<[World, World]> {
  const both: [World, World] = [await start(options), await start(options)];
  return both;
}

async function receiver(): Promise<Receiver> {
  const made = await startReceiver((response) => {
    const answer = () => {
      response.statusCode = status;
      response.end();
    };
    if (kept === null) answer();
    else kept.push(answer);
  });
  receivers.push(made);
  return made;
}

/** A call of the operator for company 1, through that node. */
async function ask(
  world: World,
  expected: number,
  method: string,
  path: string,
  body?: unknown,
): Promise<Json> {
  const reply = await world.operate(method, `/api/v1/app/1${path}`, body);
  expect([`${method} ${path}`, reply.status, reply.text]).toEqual([
    `${method} ${path}`,
    expected,
    reply.text,
  ]);
  return reply.text === '' ? null : reply.json();
}

const endpoint = (world: World, uid: string, { url }: Receiver, fields: object = {}) =>
  ask(world, 201, 'POST', '/endpoint', { uid, url, ...fields });
const change = (world: World, uid: string, fields: object) =>
  ask(world, 200, 'PATCH', `/endpoint/${uid}`, fields);
const publish = async (world: World, n: number, fields: object = {}): Promise<string> =>
  (await ask(world, 202, 'POST', '/msg', { eventType: 'ticket.created', payload: { n }, ...fields })).id;
const delivery = async (world: World, id: string, uid = 'e'): Promise<Json> => {
  const { data } = await ask(world, 200, 'GET', `/msg/${id}/endpoint`);
  return data.find((each: Json) => each.uid === uid);
};
const until = async (world: World, id: string, expected: object, uid = 'e') => {
  await expect.poll(() => delivery(world, id, uid), PATIENCE).toMatchObject(expected);
};
const ended = async (world: World, { id }: { id: string }) => {
  const read = async () => (await ask(world, 200, 'GET', `/task/${id}`)).status;
  await expect.poll(read, PATIENCE).not.toBe('running');
};
const numbers = ({ received }: Receiver): number[] => received.map(({ body }) => JSON.parse(body).n);

describe('what one of two nodes does', () => {
  it('the other shows at once, and publishes by it at once, again and again', async () => {
    const [one, other] = await startBoth();
    const [first, second] = [await receiver(), await receiver()];
    for (let n = 1; n <= 20; n++) {
      const [from, to] = n % 2 === 0 ? [one, other] : [other, one];
      const target = n % 3 === 0 ? second : first;
      const made = await from.hooks('POST', '/web_hooks.json', { web_hook: { url: target.url } });
      expect(made.status).toBe(201);
      const { id: hookId } = made.json().web_hook;
      expect((await to.hooks('GET', '/web_hooks.json')).text).toContain(hookId);
      const id = await publish(to, n);
      const { data } = await ask(to, 200, 'GET', `/msg/${id}/endpoint`);
      expect(data).toHaveLength(1);
      const { received } = target;
      await expect.poll(() => received.at(-1)?.body, PATIENCE).toBe(`{"n":${n}}`);
      expect((await to.hooks('DELETE', `/web_hooks/${hookId}.json`)).status).toBe(204);
      // Deleted through one, it gets nothing through the other.
      const none = await publish(from, -n);
      expect((await ask(from, 200, 'GET', `/msg/${none}/endpoint`)).data).toEqual([]);
    }
    expect([...numbers(first), ...numbers(second)].toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
  });

  it('holds for the other: a disabled endpoint, a paused one, and the end of both', async () => {
    const [one, other] = await startBoth();
    const target = await receiver();
    await endpoint(one, 'e', target);
    await until(other, await publish(other, 1), { state: 'succeeded' });
    await change(one, 'e', { disabled: true });
    expect(await delivery(other, await publish(other, 2))).toMatchObject({
      state: 'held',
      reason: 'endpoint_disabled',
    });
    await change(other, 'e', { disabled: false });
    await until(one, await publish(one, 3), { state: 'succeeded' });
    await change(other, 'e', { paused: true });
    const held = await publish(one, 4);
    expect(await delivery(one, held)).toMatchObject({ state: 'held', reason: 'endpoint_paused' });
    // What a pause holds goes out when it ends, whoever ends it.
    await change(other, 'e', { paused: false });
    await until(one, held, { state: 'succeeded' });
    expect(numbers(target)).toEqual([1, 3, 4]);
  });

  it('stops what the other has in memory', async () => {
    const [one, other] = await startBoth({ retryScheduleMs: [5_000] });
    const target = await receiver();
    await endpoint(one, 'e', target);
    status = 500;
    // Each has retries in memory.
    const ids = [await publish(one, 1), await publish(other, 2)];
    for (const id of ids) await until(one, id, { attemptCount: 1 });
    await change(other, 'e', { disabled: true });
    for (const id of ids) await until(one, id, { state: 'held', reason: 'endpoint_disabled' });
    expect(target.received).toHaveLength(2);
    await expect.poll(() => [one.engine.resident, other.engine.resident], PATIENCE).toEqual([0, 0]);
  });

  it('can be done through either: cancel, retry and skip what the other has', async () => {
    const [one, other] = await startBoth({ retryScheduleMs: [8_000] });
    const target = await receiver();
    await endpoint(one, 'e', target);
    status = 500;
    const [cancelled, hurried] = [await publish(one, 1), await publish(one, 2)];
    for (const id of [cancelled, hurried]) await until(other, id, { attemptCount: 1, state: 'pending' });
    expect(one.engine.resident).toBe(2);
    await ask(other, 200, 'POST', `/msg/${cancelled}/endpoint/e/cancel`);
    expect(await delivery(one, cancelled)).toMatchObject({ state: 'cancelled' });
    await expect.poll(() => one.engine.resident, PATIENCE).toBe(1);
    status = 200;
    await ask(other, 200, 'POST', `/msg/${hurried}/endpoint/e/retry`);
    await until(one, hurried, { state: 'succeeded' });
    expect(numbers(target).toSorted()).toEqual([1, 2, 2]);
    // A resend of what succeeded goes out as well.
    await ask(other, 202, 'POST', `/msg/${hurried}/endpoint/e/resend`, {});
    await target.has(4);
    await expect.poll(() => [one.engine.resident, other.engine.resident], PATIENCE).toEqual([0, 0]);
  });

  it('can be done through either: tasks, whichever node does them', async () => {
    const both = await startBoth();
    const target = await receiver();
    await endpoint(both[0], 'e', target, { disabled: true });
    const ids: string[] = [];
    for (let n = 0; n < 4; n++) ids.push(await publish(both[n % 2] as World, n));
    await change(both[1], 'e', { disabled: false });
    for (const [index, world] of both.entries()) {
      const since = new Date(Date.now() - HOUR_MS).toISOString();
      const task =
        index === 0
          ? await ask(world, 202, 'POST', '/endpoint/e/held/release')
          : await ask(world, 202, 'POST', '/endpoint/e/bulk-replay', { since });
      await ended(both[1 - index] as World, task);
      for (const id of ids) await until(world, id, { state: 'succeeded' });
      await target.has(4 * (index + 1));
    }
    // Cancelled through one that does not do it or through one that does, it ends.
    for (const [index, world] of both.entries()) {
      await change(both[0], 'e', { disabled: true });
      for (let n = 0; n < 4; n++) await publish(world, n);
      await change(both[1], 'e', { disabled: false });
      const { received } = target;
      const before = received.length;
      const task = await ask(world, 202, 'POST', '/endpoint/e/held/release', { rate: 1 });
      await target.has(before + 1);
      await ask(both[1 - index] as World, 200, 'POST', `/task/${task.id}/cancel`);
      expect((await ask(world, 200, 'GET', `/task/${task.id}`)).status).toBe('cancelled');
      const discard = await ask(world, 202, 'POST', '/endpoint/e/held/discard');
      await ended(both[1 - index] as World, discard);
      expect(received.length).toBeLessThan(before + 4);
    }
  });

  it('keeps the order of an ordered endpoint, through whichever node it is published', async () => {
    const both = await startBoth({ retryScheduleMs: [50, 50, 50, 50] });
    const target = await receiver();
    await endpoint(both[0], 'e', target, { ordering: 'endpoint' });
    let tries = 0;
    const made: string[] = [];
    for (let n = 1; n <= 40; n++) {
      status = ++tries % 4 === 0 ? 500 : 200;
      made.push(await publish(both[n % 2] as World, n));
    }
    status = 200;
    await until(both[0], made.at(-1) as string, { state: 'succeeded' });
    const order = numbers(target).filter((n, index, all) => n !== all[index - 1]);
    expect(order).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
  });

  it('is told to operators once, whichever node they have made their endpoint through', async () => {
    const [one, other] = await startBoth();
    const [target, operators] = [await receiver(), await receiver()];
    const made = await one.operate('POST', '/api/v1/operational-webhook/endpoint', { url: operators.url });
    expect(made.status).toBe(201);
    await endpoint(other, 'e', target);
    await endpoint(one, 'f', target);
    await operators.has(1);
    await change(other, 'f', { disabled: true });
    const types = () => operators.received.map(({ body }) => JSON.parse(body).type);
    await expect.poll(() => types().filter((type) => type === 'endpoint.disabled'), PATIENCE).toHaveLength(1);
    expect(types().filter((type) => type === 'endpoint.created').length).toBeGreaterThan(0);
  });

  it('counts as one: an endpoint that only fails is failing on both, and works again on both', async () => {
    const [one, other] = await startBoth({ retryScheduleMs: Array(30).fill(20) });
    const target = await receiver();
    await endpoint(one, 'e', target);
    await endpoint(one, 'f', target);
    // The first to know is one of them; its breaker tells the other.
    status = 500;
    const broken = await publish(one, 1, { eventType: 'ticket.created' });
    const open = async (world: World) =>
      (await ask(world, 200, 'GET', '/endpoint/e/health')).failingSince !== null;
    for (const world of [one, other]) await expect.poll(() => open(world), PATIENCE).toBe(true);
    status = 200;
    // Whoever waits for it need not wait for the breaker's own time, through whichever node he asks.
    await ask(other, 200, 'POST', `/msg/${broken}/endpoint/e/retry`);
    await until(one, broken, { state: 'succeeded' });
    for (const world of [one, other]) await expect.poll(() => open(world), PATIENCE).toBe(false);
  });

  it('has one breaker: both nodes show it open, and explain by it, whichever of them sends', async () => {
    const both = await startBoth({ retryScheduleMs: [...Array(9).fill(20), HOUR_MS] });
    const [one, other] = both;
    const target = await receiver();
    const uids = ['e', 'f', 'g', 'h'];
    for (const uid of uids) await endpoint(one, uid, target);
    const breakers = (uid: string) =>
      Promise.all(
        both.map(async (world) => (await ask(world, 200, 'GET', `/endpoint/${uid}/health`)).breaker),
      );
    const open = async (uid: string) => (await breakers(uid)).map((breaker) => breaker.open);
    expect(await open('e')).toEqual([false, false]);
    status = 500;
    await publish(one, 1);
    for (const uid of uids) await expect.poll(() => open(uid), PATIENCE).toEqual([true, true]);
    const waits = await publish(other, 2);
    for (const uid of uids) {
      // Only the one that sends has counted.
      const counted = async () => (await breakers(uid)).map(({ failures }) => failures !== null).toSorted();
      await expect.poll(counted, PATIENCE).toEqual([false, true]);
      for (const world of both) {
        const explain = () => ask(world, 200, 'GET', `/msg/${waits}/endpoint/${uid}/explain`);
        await expect.poll(explain, PATIENCE).toMatchObject({
          waitsFor: 'breaker',
          text: expect.stringMatching(/requests to the endpoint failed/),
        });
      }
    }
    status = 200;
    await ask(other, 200, 'POST', `/msg/${waits}/endpoint/e/retry`);
    await expect.poll(() => open('e'), PATIENCE).toEqual([false, false]);
  });
});

describe('a node that ends', () => {
  it('leaves what it has to the other, at once', async () => {
    const [one, other] = await startBoth({ retryScheduleMs: [8_000, 8_000] });
    const target = await receiver();
    await endpoint(one, 'e', target);
    status = 500;
    const waits = await publish(one, 1);
    await until(other, waits, { attemptCount: 1 });
    expect(one.engine.resident).toBe(1);
    status = 200;
    worlds = [other];
    await one.close();
    // Its retry in memory is the other's now, which is not there yet.
    await ask(other, 200, 'POST', `/msg/${waits}/endpoint/e/retry`);
    await until(other, waits, { state: 'succeeded' });
    // The one that is left does what one does for all.
    await change(other, 'e', { paused: true });
    const held = await publish(other, 2);
    await change(other, 'e', { paused: false });
    await until(other, held, { state: 'succeeded' });
  });

  it('is followed by the other within the time of its lease when it dies', async () => {
    const [one, other] = await startBoth({ nodeLeaseMs: 3_000 });
    const target = await receiver();
    await endpoint(one, 'e', target);
    await until(other, await publish(other, 0), { state: 'succeeded' });
    kept = [];
    const ids: string[] = [];
    for (let n = 1; n <= 3; n++) ids.push(await publish(one, n));
    await target.has(4);
    for (const id of ids) expect(await delivery(other, id)).toMatchObject({ state: 'sending' });
    worlds = [other];
    const diedAt = performance.now();
    await one.crash();
    kept = null;
    for (const id of ids) await until(other, id, { state: 'succeeded' });
    // A beat may have been on its way when it died.
    expect(performance.now() - diedAt).toBeLessThan(3_000 + 1_500);
    expect(numbers(target).slice(4).toSorted()).toEqual([1, 2, 3]);
    expect(other.logged.join('')).toContain('go out again');
  });
});

it('starts at once on a new database: there is one company, with one catalogue', async () => {
  const both = await Promise.all([start(), start(), start()]);
  worlds = both;
  for (const world of both) {
    const { data } = (await world.operate('GET', '/api/v1/app')).json();
    expect(data).toHaveLength(1);
  }
});
