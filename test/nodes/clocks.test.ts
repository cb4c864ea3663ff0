import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../src/model/clock.ts';
import { systemClock } from '../../src/system/clock.ts';
import { type TestDatabase, testDatabase } from '../helpers/postgres.ts';
import { type Receiver, startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

const PATIENCE = { timeout: 10_000, interval: 10 };
const HOUR_MS = 3_600_000;
/** Enough that each of two nodes owns some. */
const EACH = 6;
const KINDS = { plain: {}, ordered: { ordering: 'endpoint' }, throttled: { throttleRate: 100 } };

let database: TestDatabase;
let receiver: Receiver;
let worlds: World[];
/** When each request came, by what its payload says. */
let times: Map<number, number[]>;
/** Whether the first request of each message is refused. */
let refuses: boolean;
beforeEach(async () => {
  database = await testDatabase();
  worlds = [];
  times = new Map();
  refuses = false;
  receiver = await startReceiver((response, { body }) => {
    const { n } = JSON.parse(body);
    const before = times.get(n) ?? [];
    times.set(n, [...before, Date.now()]);
    response.statusCode = refuses && before.length === 0 ? 500 : 200;
    response.end();
  });
});
afterEach(async () => {
  for (const world of worlds) await world.close();
  await receiver.close();
  await database.dispose();
});

/** This machine's clock, but for the wall time. */
function aheadBy(ms: number): Clock {
  return { ...systemClock, now: () => systemClock.now() + ms };
}

/** Two nodes, the second one's clock so far ahead, and endpoints of each kind, made through both. */
async function start(aheadMs: number, retryMs = HOUR_MS): Promise<{ uids: string[] }> {
  for (const clock of [systemClock, aheadBy(aheadMs)]) {
    const options = { database: database.url, retryScheduleMs: [retryMs], clock, storeTime: true };
    worlds.push(await startWorld(options));
  }
  const uids: string[] = [];
  for (const [kind, fields] of Object.entries(KINDS)) {
    for (let count = 0; count < EACH; count++) {
      const uid = `${kind}-${count}`;
      uids.push(uid);
      const made = await via(count).operate('POST', '/api/v1/app/1/endpoint', {
        uid,
        url: `${receiver.url}/${uid}`,
        channels: [uid],
        ...fields,
      });
      expect(made.status).toBe(201);
    }
  }
  return { uids };
}

const via = (index: number) => worlds[index % worlds.length] as World;

async function publish(index: number, n: number, uid: string, fields: object = {}): Promise<void> {
  const message = { eventType: 'ticket.created', payload: { n }, channels: [uid], ...fields };
  const { status, text } = await via(index).operate('POST', '/api/v1/app/1/msg', message);
  expect([status, text]).toEqual([202, text]);
}

const got = () => times.size;

describe.each([
  ['an hour ahead', HOUR_MS],
  ['an hour behind', -HOUR_MS],
  ['three seconds ahead', 3_000],
])('a node whose clock is %s of the other one', (_, aheadMs) => {
  it('sends and has sent as the other does, at once', async () => {
    const { uids } = await start(aheadMs);
    const sent = new Map<number, { at: number; uid: string }>();
    for (let round = 0; round < 4; round++) {
      for (const uid of uids) {
        const n = sent.size;
        sent.set(n, { at: Date.now(), uid });
        await publish(round, n, uid);
      }
    }
    await expect.poll(got, PATIENCE).toBe(sent.size);
    for (const [n, { at, uid }] of sent) {
      const [first, ...more] = times.get(n) as number[];
      expect([uid, more]).toEqual([uid, []]);
      expect((first as number) - at).toBeLessThan(2_500);
    }
    // What is signed is as old as it is.
    for (const { headers } of receiver.received)
      expect(Math.abs(Number(headers['webhook-timestamp']) * 1_000 - Date.now())).toBeLessThan(15_000);
    for (const uid of uids.filter((each) => each.startsWith('ordered'))) {
      const { received } = receiver;
      const numbers = received.filter(({ path }) => path === `/${uid}`).map(({ body }) => JSON.parse(body).n);
      expect(numbers).toEqual(numbers.toSorted((one, other) => one - other));
    }
  });

  it('tries again when it is time', async () => {
    const retryMs = 600;
    const { uids } = await start(aheadMs, retryMs);
    refuses = true;
    for (const [n, uid] of [...uids, ...uids].entries()) await publish(n < uids.length ? 0 : 1, n, uid);
    const twice = () => [...times.values()].filter((each) => each.length === 2).length;
    await expect.poll(twice, PATIENCE).toBe(2 * uids.length);
    for (const [first, second] of times.values()) {
      const afterMs = (second as number) - (first as number);
      // Jitter takes a fifth of the delay at most, and adds as much.
      expect(afterMs).toBeGreaterThan(retryMs * 0.75);
      expect(afterMs).toBeLessThan(retryMs + 2_500);
    }
  });

  it('keeps what is not to be sent yet, to the moment', async () => {
    const { uids } = await start(aheadMs);
    const at = Date.now() + 2_500;
    const deliverAt = new Date(at).toISOString();
    for (const [n, uid] of [...uids, ...uids].entries())
      await publish(n < uids.length ? 0 : 1, n, uid, { deliverAt });
    await expect.poll(got, PATIENCE).toBe(2 * uids.length);
    for (const [first] of times.values()) {
      expect(first as number).toBeGreaterThan(at - 50);
      expect(first as number).toBeLessThan(at + 2_500);
    }
  });

  it('says so, and the other has nothing to say', async () => {
    await start(aheadMs);
    const [right, wrong] = worlds.map(({ logged }) =>
      logged.filter((line) => line.includes("machine's clock")),
    );
    expect(right).toEqual([]);
    expect(wrong).toHaveLength(1);
    expect(wrong?.[0]).toContain(` s ${aheadMs > 0 ? 'ahead of' : 'behind'} the database's`);
  });
});
