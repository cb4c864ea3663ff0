import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SCANS_PER_APPLICATION } from '../../src/limits.ts';
import { type Receiver, startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

let world: World;
let receiver: Receiver;
let path: string;
/** Attempts that the store counts in one step. */
let stepRows = Number.POSITIVE_INFINITY;
/** When set: every step but the first of a count waits for it. */
let gate: { opened: Promise<void>; first: string | null } | null = null;
beforeAll(async () => {
  world = await startWorld({
    store: (store) => ({
      ...store,
      async attemptCount({ scan, ...params }) {
        if (gate !== null) {
          gate.first ??= params.from;
          if (params.from !== gate.first) await gate.opened;
        }
        return store.attemptCount({ ...params, scan: Math.min(scan, stepRows) });
      },
    }),
  });
  receiver = await startReceiver((response, _received, count) =>
    response.writeHead(count % 2 === 1 ? 500 : 200).end(),
  );
  path = '/api/v1/app/1/endpoint';
  await world.operate('POST', path, { url: receiver.url, uid: 'e' });
});
afterAll(async () => {
  await world.close();
  await receiver.close();
});

const ago = (ms: number) => new Date(Date.now() - ms).toISOString();
const DAY_MS = 86_400_000;
const stats = (query = '') => world.operate('GET', `${path}/e/stats?${query}`);

describe('the statistics of an endpoint', () => {
  it('count its attempts by how they ended, and what is open', async () => {
    expect((await stats()).json()).toEqual({ success: 0, pending: 0, sending: 0, fail: 0, canceled: 0 });
    for (let sent = 1; sent <= 3; sent++) {
      await world.operate('POST', '/api/v1/app/1/msg', { eventType: 'a', payload: {} });
      // One at a time, so that each fails once and then succeeds.
      await expect.poll(async () => (await stats()).json().success, { timeout: 10_000 }).toBe(sent);
    }
    const counted = { success: 3, pending: 0, sending: 0, fail: 3, canceled: 0 };
    expect((await stats()).json()).toEqual(counted);
    for (const rows of [1, 2, 4, 6]) {
      stepRows = rows;
      expect((await stats()).json()).toEqual(counted);
    }
    stepRows = Number.POSITIVE_INFINITY;
    expect((await stats(`since=${ago(60_000)}`)).json()).toEqual(counted);
    expect((await stats(`until=${ago(60_000)}`)).json()).toMatchObject({ success: 0, fail: 0 });
    expect((await stats(`since=${ago(28 * DAY_MS + 60_000)}&until=${ago(0)}`)).json()).toEqual(counted);
  });

  it('answer 429 where too many go through many rows at once', async () => {
    stepRows = 1;
    const { promise: opened, resolve: open } = Promise.withResolvers<void>();
    gate = { opened, first: null };
    const range = `since=${ago(60_000)}&until=${ago(0)}`;
    const answered: number[] = [];
    const asking = Array.from({ length: SCANS_PER_APPLICATION + 2 }, async () => {
      const answer = await stats(range);
      answered.push(answer.status);
      return answer;
    });
    // All others go through many rows, and none comes to an end before these were refused.
    await expect.poll(() => answered).toEqual([429, 429]);
    open();
    const asked = await Promise.all(asking);
    gate = null;
    stepRows = Number.POSITIVE_INFINITY;
    const refused = asked.filter(({ status }) => status === 429);
    expect([refused.length, asked.filter(({ status }) => status === 200).length]).toEqual([
      2,
      SCANS_PER_APPLICATION,
    ]);
    expect(Number(refused[0]?.headers['retry-after'])).toBeGreaterThan(0);
  });

  it('count what is held as pending', async () => {
    await world.operate('POST', path, { url: receiver.url, uid: 'held', disabled: true });
    await world.operate('POST', '/api/v1/app/1/msg', { eventType: 'a', payload: {} });
    expect((await world.operate('GET', `${path}/held/stats/`)).json()).toEqual({
      success: 0,
      pending: 1,
      sending: 0,
      fail: 0,
      canceled: 0,
    });
  });

  it.each([
    ['ends in the future', () => `until=${ago(-60_000)}`],
    ['is over 28 days long', () => `since=${ago(28 * DAY_MS + 10 * 60_000)}`],
    ['is over 28 days long, some time ago', () => `since=${ago(60 * DAY_MS)}&until=${ago(30 * DAY_MS)}`],
    ['ends before it begins', () => `since=${ago(1_000)}&until=${ago(2_000)}`],
    ['begins in the future', () => `since=${ago(-60_000)}`],
  ])('answer 400 to a range that %s', async (_what, query) => {
    const answer = await stats(query());
    expect([answer.status, answer.json().code]).toEqual([400, 'invalid_range']);
  });

  it('answer 400 to what is no time, 404 to what is no endpoint', async () => {
    for (const query of ['since=yesterday', 'until=2026-06-30T23:59:60Z', 'since=2026-01-01']) {
      const answer = await stats(query);
      expect([answer.status, answer.json().code]).toEqual([400, 'generic_error']);
    }
    expect((await world.operate('GET', `${path}/nobody/stats`)).status).toBe(404);
  });
});
