import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BREAKER_FAILURES } from '../../src/limits.ts';
import { type Receiver, startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

let world: World;
let receiver: Receiver;
let status = 200;
let path: string;
beforeAll(async () => {
  world = await startWorld({ retryScheduleMs: [60_000] });
  receiver = await startReceiver((response) => response.writeHead(status).end());
});
afterAll(async () => {
  await world.close();
  await receiver.close();
});
beforeEach(async () => {
  status = 200;
  path = `/api/v1/app/${(await world.addCompany('health')).application.number}`;
  await world.operate('POST', `${path}/endpoint`, { url: receiver.url, uid: 'e', maxInFlight: 7 });
});

const PATIENCE = { timeout: 10_000, interval: 10 };
const publish = () => world.operate('POST', `${path}/msg`, { eventType: 'a', payload: {} });
const change = (body: object) => world.operate('PATCH', `${path}/endpoint/e`, body);
const health = async () => (await world.operate('GET', `${path}/endpoint/e/health`)).json();
const DAY_MS = 86_400_000;

describe('the health of an endpoint', () => {
  it('is good as long as nothing failed', async () => {
    const well = {
      state: 'healthy',
      failingSince: null,
      disablesAt: null,
      breaker: { open: false, failures: 0, nextProbe: null },
      inFlight: 0,
      inFlightLimit: null,
      maxInFlight: 7,
      pending: 0,
      sending: 0,
      held: 0,
      blockedBy: null,
    };
    expect(await health()).toEqual(well);
    await publish();
    await receiver.has(1);
    await expect.poll(health, PATIENCE).toEqual({ ...well, inFlightLimit: 5 });
  });

  it('says since when it fails, and when it will be disabled', async () => {
    const before = Date.now();
    status = 500;
    await publish();
    await expect.poll(health, PATIENCE).toMatchObject({ state: 'failing', pending: 1 });
    const { failingSince, disablesAt, breaker } = await health();
    expect(Date.parse(failingSince)).toBeGreaterThanOrEqual(before);
    expect(Date.parse(disablesAt) - Date.parse(failingSince)).toBe(5 * DAY_MS);
    expect(breaker.open).toBe(false);
    status = 200;
    await publish();
    await expect.poll(async () => (await health()).state, PATIENCE).toBe('healthy');
    expect(await health()).toMatchObject({ failingSince: null, disablesAt: null });
  });

  it('tells of the breaker, and when it is tried next', async () => {
    status = 500;
    for (let sent = 0; sent < BREAKER_FAILURES; sent++) await publish();
    await expect.poll(async () => (await health()).state, PATIENCE).toBe('breaker_open');
    const { breaker, inFlightLimit } = await health();
    expect(breaker).toMatchObject({ open: true, failures: BREAKER_FAILURES });
    expect(inFlightLimit).toBe(1);
    // All that waits is due in a minute: until then there is nothing to try it with.
    const nextProbe = async () => Date.parse((await health()).breaker.nextProbe);
    await expect.poll(nextProbe, PATIENCE).toBeGreaterThan(Date.now() + 30_000);
  });

  it('counts a retry that waits in memory as pending', async () => {
    await change({ retrySchedule: { delaysSeconds: [5], jitter: 0 } });
    status = 500;
    await publish();
    await expect.poll(health, PATIENCE).toMatchObject({ state: 'failing', pending: 1, sending: 0 });
    const stats = (await world.operate('GET', `${path}/endpoint/e/stats`)).json();
    expect(stats).toMatchObject({ fail: 1, pending: 1, sending: 0 });
  });

  it('names what keeps all others waiting', async () => {
    await change({ ordering: 'endpoint', retrySchedule: { delaysSeconds: [] } });
    status = 500;
    const { id } = (await publish()).json();
    await expect.poll(health, PATIENCE).toMatchObject({ blockedBy: { msgId: id } });
    await publish();
    expect(await health()).toMatchObject({ blockedBy: { msgId: id }, pending: 1 });
    await change({ ordering: 'none' });
    expect(await health()).toMatchObject({ blockedBy: null });
  });

  it('says that it is paused or disabled, and what is held', async () => {
    await change({ paused: true });
    await publish();
    expect(await health()).toMatchObject({ state: 'paused', held: 1, pending: 0 });
    await change({ disabled: true });
    expect(await health()).toMatchObject({ state: 'disabled', held: 1, disablesAt: null });
  });

  it('is 404 for an endpoint that is not there, and for another application', async () => {
    expect((await world.operate('GET', `${path}/endpoint/nobody/health`)).status).toBe(404);
    const other = await world.addCompany('other');
    expect((await world.call('GET', `${path}/endpoint/e/health`, { key: other.token })).status).toBe(404);
  });
});
