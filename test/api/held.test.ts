import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Receiver, startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** What becomes of deliveries that are held. */

// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect out of it.
type Json = any;

let world: World;
let receiver: Receiver;
let path: string;
beforeAll(async () => {
  world = await startWorld();
  receiver = await startReceiver();
});
afterAll(async () => {
  await world.close();
  await receiver.close();
});
beforeEach(async () => {
  path = `/api/v1/app/${(await world.addCompany('held')).application.number}`;
  await post('/endpoint', { url: receiver.url, uid: 'e', disabled: true });
});

const PATIENCE = { timeout: 10_000, interval: 10 };
const post = (tail: string, body?: unknown) => world.operate('POST', `${path}${tail}`, body);
const change = (body: object) => world.operate('PATCH', `${path}/endpoint/e`, body);
const publish = (eventId: string) => post('/msg', { eventType: 'a', eventId, payload: {} });

async function deliveries(): Promise<Record<string, string[]>> {
  const { data } = (await world.operate('GET', `${path}/endpoint/e/msg`)).json();
  return Object.fromEntries(data.map(({ eventId, state, reason }: Json) => [eventId, [state, reason]]));
}

const task = async (answer: { json(): Json }) =>
  (await world.operate('GET', `${path}/task/${answer.json().id}`)).json();

describe('what is held', () => {
  it('stays when the endpoint is enabled, and is sent when it is released', async () => {
    for (const id of ['one', 'two']) await publish(id);
    const held = ['held', 'endpoint_disabled'];
    expect(await deliveries()).toEqual({ one: held, two: held });
    const refused = await post('/endpoint/e/held/release');
    expect([refused.status, refused.json().code]).toEqual([400, 'endpoint_disabled']);
    await change({ disabled: false });
    expect(await deliveries()).toEqual({ one: held, two: held });
    const released = await post('/endpoint/e/held/release', { rate: 500 });
    expect([released.status, released.json()]).toMatchObject([
      202,
      {
        status: 'running',
        task: 'endpoint.release',
        data: { since: null, until: null, rate: 500, waiting: null },
      },
    ]);
    const arrived = ['succeeded', null];
    await expect.poll(deliveries, PATIENCE).toEqual({ one: arrived, two: arrived });
    await expect.poll(async () => (await task(released)).status, PATIENCE).toBe('finished');
    expect((await task(released)).data).toMatchObject({ affected: 2, progress: 1 });
  });

  it('is cancelled when it is discarded, and what is held later is not', async () => {
    await publish('one');
    const discarded = await post('/endpoint/e/held/discard');
    expect([discarded.status, discarded.json()]).toMatchObject([202, { task: 'endpoint.discard' }]);
    await expect.poll(deliveries, PATIENCE).toEqual({ one: ['cancelled', 'discarded'] });
    await expect.poll(async () => (await task(discarded)).status, PATIENCE).toBe('finished');
    await publish('two');
    expect(await deliveries()).toMatchObject({ two: ['held', 'endpoint_disabled'] });
    await change({ disabled: false });
    expect((await post('/endpoint/e/held/release')).status).toBe(202);
    await expect
      .poll(deliveries, PATIENCE)
      .toEqual({ one: ['cancelled', 'discarded'], two: ['succeeded', null] });
  });

  it('is counted first, and stays', async () => {
    for (const id of ['one', 'two']) await publish(id);
    for (const what of ['release', 'discard']) {
      const counted = await post(`/endpoint/e/held/${what}`, { dryRun: true });
      expect([counted.status, counted.json()]).toEqual([200, { count: 2, scanned: 2, complete: true }]);
    }
    const held = ['held', 'endpoint_disabled'];
    expect(await deliveries()).toEqual({ one: held, two: held });
    expect((await world.operate('GET', `${path}/task`)).json().data).toEqual([]);
  });

  it('by a pause is sent at its end, and what was held by a disabled endpoint is not', async () => {
    await publish('disabled');
    await change({ disabled: false, paused: true });
    await publish('paused');
    await change({ paused: false });
    await expect
      .poll(deliveries, PATIENCE)
      .toEqual({ disabled: ['held', 'endpoint_disabled'], paused: ['succeeded', null] });
    const [begun] = (await world.operate('GET', `${path}/task`)).json().data;
    await expect.poll(async () => (await task({ json: () => begun })).status, PATIENCE).toBe('finished');
    expect((await task({ json: () => begun })).data).toMatchObject({ scanned: 2, affected: 1 });
    expect((await deliveries()).disabled).toEqual(['held', 'endpoint_disabled']);
    const explained = await world.operate('GET', `${path}/msg/disabled/endpoint/e/explain`);
    expect(explained.json()).toMatchObject({ waitsFor: 'endpoint_disabled' });
    expect(explained.json().text).toContain('held/release');
    await post('/endpoint/e/held/release');
    await expect.poll(deliveries, PATIENCE).toMatchObject({ disabled: ['succeeded', null] });
  });

  it('is released evenly, and the task tells how far that came', async () => {
    for (let count = 0; count < 4; count++) await publish(`m${count}`);
    await change({ disabled: false });
    const released = await post('/endpoint/e/held/release', { rate: 1 });
    await expect.poll(async () => (await task(released)).data.progress, PATIENCE).toBe(0.25);
    // Until it has arrived, a pause would hold it again.
    await expect.poll(async () => (await deliveries()).m0, PATIENCE).toEqual(['succeeded', null]);
    await change({ paused: true });
    await expect.poll(async () => (await task(released)).data.waiting, PATIENCE).toBe('endpoint_paused');
    expect((await post(`/task/${released.json().id}/cancel`)).json()).toMatchObject({ status: 'cancelled' });
    expect((await task(released)).data).toMatchObject({ affected: 1, progress: 0.25, waiting: null });
    await post('/endpoint/e/held/discard');
  });

  it('is not released while the endpoint is paused', async () => {
    await change({ disabled: false, paused: true });
    await publish('one');
    expect(await deliveries()).toEqual({ one: ['held', 'endpoint_paused'] });
    const refused = await post('/endpoint/e/held/release');
    expect([refused.status, refused.json().code]).toEqual([400, 'endpoint_disabled']);
    expect(refused.json().detail).toContain('paused');
    await change({ paused: false });
    await expect.poll(deliveries, PATIENCE).toEqual({ one: ['succeeded', null] });
  });

  it('takes a body that is empty, and refuses one that is wrong', async () => {
    await change({ disabled: false });
    for (const body of ['', '{}', '{"rate":null}']) {
      expect([body, (await post('/endpoint/e/held/release', body)).status]).toEqual([body, 202]);
    }
    for (const [what, body, at] of [
      ['release', { rate: 0 }, 'rate'],
      ['release', { dryrun: true }, 'dryrun'],
      ['discard', { dryRun: 1 }, 'dryRun'],
      ['discard', { rate: 5 }, 'rate'],
    ] as const) {
      const wrong = await post(`/endpoint/e/held/${what}`, body);
      expect([wrong.status, wrong.json().detail[0].loc]).toEqual([422, ['body', at]]);
    }
    for (const what of ['release', 'discard']) {
      expect((await post(`/endpoint/nobody/held/${what}`)).status).toBe(404);
    }
  });
});
