import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Receiver, startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

let world: World;
let receiver: Receiver;
let path: string;
beforeAll(async () => {
  world = await startWorld();
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
    expect((await stats(`since=${ago(60_000)}`)).json()).toEqual(counted);
    expect((await stats(`until=${ago(5 * 60_000)}`)).json()).toMatchObject({ success: 0, fail: 0 });
    expect((await stats(`since=${ago(28 * DAY_MS + 60_000)}&until=${ago(0)}`)).json()).toEqual(counted);
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

describe('statistics by minutes and hours', () => {
  const app = '/api/v1/app/counted';
  let finicky: Receiver;
  beforeAll(async () => {
    finicky = await startReceiver((response, _received, count) =>
      response.writeHead(count % 2 === 1 ? 404 : 200).end(),
    );
    await world.operate('POST', '/api/v1/app', { name: 'Counted', uid: 'counted' });
    for (const name of ['a', 'b'])
      await world.operate('POST', '/api/v1/event-type', { name, description: '' });
    const endpoint = { url: finicky.url, uid: 'e', finalStatuses: [404], filterTypes: ['a'], maxInFlight: 1 };
    await world.operate('POST', `${app}/endpoint`, endpoint);
    await world.operate('POST', `${app}/endpoint`, { url: finicky.url, disabled: true, filterTypes: ['b'] });
    for (const eventType of ['a', 'a', 'a', 'a', 'b'])
      await world.operate('POST', `${app}/msg`, { eventType, payload: {} });
    const counted = async () => (await world.operate('GET', `${app}/endpoint/e/stats`)).json();
    await vi.waitFor(async () => expect((await counted()).success + (await counted()).fail).toBe(4), {
      timeout: 10_000,
    });
  });
  afterAll(() => finicky.close());

  const sent = { success: 2, fail: 2, failed: { clientError: 2, serverError: 0, other: 0, noAnswer: 0 } };
  const backlog = { pending: 0, sending: 0, held: 0, failed: 2, oldestDueAt: null };
  const ms = expect.any(Number);

  it.each([
    ['an endpoint', `${app}/endpoint/e/stats/series`, { ...sent, accepted: 0, backlog }],
    ['an application', `${app}/stats`, { ...sent, accepted: 5, backlog: { ...backlog, held: 1 } }],
  ])('tell of %s what was accepted and sent, and what is left to do', async (_what, of, expected) => {
    for (const bucket of ['minute', 'hour']) {
      const { buckets, ...total } = (await world.operate('GET', `${of}?bucket=${bucket}`)).json();
      expect(total).toMatchObject({ bucket, ...expected, latencyMs: { p50: ms, p95: ms, p99: ms } });
      expect(total.deliveredPerSecond).toBeGreaterThan(0);
      const sum = (name: string) =>
        buckets.reduce((all: number, each: Record<string, number>) => all + (each[name] as number), 0);
      expect([sum('success'), sum('fail'), sum('accepted')]).toEqual([2, 2, expected.accepted]);
    }
  });

  it('tell operators of all applications together', async () => {
    const all = (await world.operate('GET', '/api/v1/stats')).json();
    // With those of the tests above.
    expect(all.accepted).toBe(9);
    expect(all.failed).toMatchObject({ clientError: 2 });
    expect(all.backlog).toMatchObject({ failed: 2, held: 2 });
  });

  it('have nothing where nothing happened', async () => {
    const query = `since=${ago(DAY_MS)}&until=${ago(DAY_MS / 2)}`;
    const body = (await world.operate('GET', `/api/v1/app/1/stats?${query}`)).json();
    expect(body).toMatchObject({
      success: 0,
      fail: 0,
      accepted: 0,
      latencyMs: null,
      buckets: [],
      acceptedPerSecond: 0,
    });
  });

  it('are of the application that asks, and of all for operators alone', async () => {
    const made = await world.operate('POST', '/api/v1/auth/app-portal-access/1', {});
    const { token: key } = made.json();
    const get = (of: string) => world.call('GET', of, { key });
    expect((await get('/api/v1/app/1/stats')).status).toBe(200);
    expect((await get('/api/v1/stats')).status).toBe(403);
  });

  it.each([
    ['ends in the future', () => `until=${ago(-3_600_000)}`],
    ['ends before it begins', () => `since=${ago(1_000)}&until=${ago(200_000)}`],
    ['asks for minutes of yesterday', () => `bucket=minute&since=${ago(DAY_MS)}`],
    ['asks for very many hours', () => `since=${ago(70 * DAY_MS)}`],
  ])('answer 400 to a range that %s', async (_what, query) => {
    for (const of of ['/api/v1/app/1/stats', '/api/v1/stats', '/api/v1/app/1/endpoint/e/stats/series']) {
      const answer = await world.operate('GET', `${of}?${query()}`);
      expect([answer.status, answer.json().code]).toEqual([400, 'invalid_range']);
    }
  });
});
