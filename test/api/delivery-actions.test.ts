import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Receiver, startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** Cancel, skip, retry: what people do to one delivery. */

// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect out of it.
type Json = any;

let world: World;
let receiver: Receiver;
let status = 200;
let path: string;
beforeAll(async () => {
  world = await startWorld({ retryScheduleMs: [60_000, 60_000] });
  receiver = await startReceiver((response) => response.writeHead(status).end());
});
afterAll(async () => {
  await world.close();
  await receiver.close();
});
beforeEach(async () => {
  status = 200;
  path = `/api/v1/app/${(await world.addCompany('actions')).application.number}`;
});

const PATIENCE = { timeout: 10_000, interval: 10 };
const post = (tail: string, body?: unknown) => world.operate('POST', `${path}${tail}`, body);
const act = (name: string, message = 'm', endpoint = 'e') =>
  post(`/msg/${message}/endpoint/${endpoint}/${name}`);
const addEndpoint = (fields: object = {}) => post('/endpoint', { url: receiver.url, uid: 'e', ...fields });
const change = (body: object) => world.operate('PATCH', `${path}/endpoint/e`, body);
const publish = (eventId = 'm', fields: object = {}) =>
  post('/msg', { eventType: 'a', eventId, payload: {}, ...fields });

async function delivery(message = 'm'): Promise<Json> {
  return (await world.operate('GET', `${path}/msg/${message}/endpoint`)).json().data[0];
}

async function becomes(expected: object, message = 'm'): Promise<void> {
  await expect.poll(() => delivery(message), PATIENCE).toMatchObject(expected);
}

const refused = async (answer: { status: number; json(): Json }) => [answer.status, answer.json().code];

describe('cancel', () => {
  it('ends a delivery that waits for its next try', async () => {
    await addEndpoint();
    status = 500;
    await publish();
    await becomes({ state: 'pending', attemptCount: 1 });
    const answer = await act('cancel');
    expect([answer.status, answer.json()]).toEqual([
      200,
      {
        status: 4,
        statusText: 'canceled',
        nextAttempt: null,
        state: 'cancelled',
        reason: 'cancelled',
        attemptCount: 1,
      },
    ]);
    expect(await delivery()).toMatchObject({ state: 'cancelled', reason: 'cancelled' });
    const again = await act('cancel');
    expect(await refused(again)).toEqual([409, 'conflict']);
    expect(again.json().detail).toContain('cancelled');
  });

  it('ends one that is held, and one that has a time to begin at', async () => {
    await addEndpoint();
    await publish('later', { deliverAt: new Date(Date.now() + 3_600_000).toISOString() });
    expect((await act('cancel', 'later')).json()).toMatchObject({ state: 'cancelled', attemptCount: 0 });
    await change({ paused: true });
    await publish('held');
    expect((await act('cancel', 'held')).json()).toMatchObject({ state: 'cancelled', reason: 'cancelled' });
  });

  it('is refused for what has succeeded, and where there is no delivery', async () => {
    await addEndpoint();
    await publish();
    await becomes({ state: 'succeeded' });
    const late = await act('cancel');
    expect(await refused(late)).toEqual([409, 'conflict']);
    expect(late.json().detail).toContain('succeeded');
    await post('/endpoint', { url: receiver.url, uid: 'newer' });
    expect(await refused(await act('cancel', 'm', 'newer'))).toEqual([404, 'not_found']);
    expect(await refused(await act('cancel', 'm', 'nobody'))).toEqual([404, 'not_found']);
    expect(await refused(await act('cancel', 'nothing'))).toEqual([404, 'not_found']);
  });
});

describe('skip', () => {
  it('lets those behind a failed one go on', async () => {
    await addEndpoint({ ordering: 'endpoint', retrySchedule: { delaysSeconds: [] } });
    status = 500;
    await publish('first');
    await becomes({ state: 'failed' }, 'first');
    expect((await act('cancel', 'first')).json().detail).toContain('Use skip');
    status = 200;
    await publish('second');
    expect(await delivery('second')).toMatchObject({ state: 'pending', nextAttempt: null });
    const answer = await act('skip', 'first');
    expect([answer.status, answer.json()]).toMatchObject([
      200,
      { state: 'cancelled', reason: 'skipped', status: 4 },
    ]);
    await becomes({ state: 'succeeded' }, 'second');
    expect(await refused(await act('skip', 'first'))).toEqual([409, 'conflict']);
    expect(await refused(await act('skip', 'second'))).toEqual([409, 'conflict']);
  });

  it('is refused where nothing waits behind', async () => {
    await addEndpoint();
    status = 500;
    await publish();
    await becomes({ state: 'pending' });
    const answer = await act('skip');
    expect(await refused(answer)).toEqual([409, 'conflict']);
    expect(answer.json().detail).toContain('cancel');
    expect(await refused(await act('skip', 'nothing'))).toEqual([404, 'not_found']);
    expect(await refused(await act('skip', 'm', 'nobody'))).toEqual([404, 'not_found']);
  });
});

describe('retry', () => {
  it('tries at once, as the next try of the schedule', async () => {
    await addEndpoint();
    status = 500;
    await publish();
    await becomes({ state: 'pending', attemptCount: 1 });
    const answer = await act('retry');
    expect([answer.status, answer.json()]).toMatchObject([200, { attemptCount: 1 }]);
    await becomes({ state: 'pending', attemptCount: 2 });
    expect(Date.parse((await delivery()).nextAttempt)).toBeGreaterThan(Date.now() + 30_000);
    status = 200;
    expect((await act('retry')).status).toBe(200);
    await becomes({ state: 'succeeded', attemptCount: 3 });
    const { data } = (await world.operate('GET', `${path}/attempt/msg/m`)).json();
    expect(data.map(({ attemptNumber, triggerType }: Json) => [attemptNumber, triggerType])).toEqual([
      [3, 0],
      [2, 0],
      [1, 0],
    ]);
  });

  it('begins the schedule of what failed anew', async () => {
    await addEndpoint({ retrySchedule: { delaysSeconds: [] } });
    status = 500;
    await publish();
    await becomes({ state: 'failed', reason: 'retries_exhausted' });
    status = 200;
    expect((await act('retry')).json()).toMatchObject({ reason: null });
    await becomes({ state: 'succeeded', attemptCount: 1 });
  });

  it('is refused for what has ended, takes nothing, or has no payload', async () => {
    await addEndpoint();
    await publish();
    await becomes({ state: 'succeeded' });
    const late = await act('retry');
    expect(await refused(late)).toEqual([409, 'conflict']);
    expect(late.json().detail).toContain('succeeded');
    status = 500;
    await publish('open');
    await becomes({ state: 'pending', attemptCount: 1 }, 'open');
    await change({ paused: true });
    expect(await refused(await act('retry', 'open'))).toEqual([400, 'endpoint_disabled']);
    await change({ paused: false, disabled: true });
    expect(await refused(await act('retry', 'open'))).toEqual([400, 'endpoint_disabled']);
    await change({ disabled: false });
    await world.operate('DELETE', `${path}/msg/open/content`);
    expect(await refused(await act('retry', 'open'))).toEqual([400, 'missing_payload']);
    expect(await refused(await act('retry', 'nothing'))).toEqual([404, 'not_found']);
    expect(await refused(await act('retry', 'm', 'nobody'))).toEqual([404, 'not_found']);
  });

  it('of one that stands behind another is refused, names that, and changes nothing', async () => {
    await addEndpoint({ ordering: 'endpoint' });
    status = 500;
    const first = (await publish('first')).json().id;
    await publish('second');
    await becomes({ state: 'pending', attemptCount: 1 }, 'first');
    const answer = await act('retry', 'second');
    expect(await refused(answer)).toEqual([409, 'conflict']);
    expect(answer.json().detail).toContain(`behind that of the message ${first}`);
    expect(answer.json().detail).toMatch(/Retry that one, skip it or cancel it/);
    expect(await delivery('second')).toMatchObject({ attemptCount: 0, nextAttempt: null });
  });

  it('of one that is held behind another leaves it held', async () => {
    await addEndpoint({ ordering: 'endpoint', disabled: true });
    await publish('first');
    await publish('second');
    await change({ disabled: false });
    const answer = await act('retry', 'second');
    expect(await refused(answer)).toEqual([409, 'conflict']);
    expect(answer.json().detail).toContain('. Retry that one or skip it');
    expect(await delivery('second')).toMatchObject({ state: 'held', reason: 'endpoint_disabled' });
    expect((await act('retry', 'first')).status).toBe(200);
    await becomes({ state: 'succeeded' }, 'first');
    expect((await act('retry', 'second')).status).toBe(200);
    await becomes({ state: 'succeeded' }, 'second');
  });

  it('and the others refuse a body that says something', async () => {
    await addEndpoint();
    await publish();
    for (const name of ['cancel', 'skip', 'retry']) {
      const answer = await post(`/msg/m/endpoint/e/${name}`, { when: 'now' });
      expect([answer.status, answer.json().detail[0].loc]).toEqual([422, ['body', 'when']]);
    }
    const task = await post('/task/qtask_2nZK5wzbb7UWeTYsEaK6mSrEQhY/cancel', { now: true });
    expect(task.json().detail[0]).toMatchObject({ loc: ['body', 'now'], msg: 'is not a field of this call' });
  });

  it("is not for another application's key, nor a limited one", async () => {
    await addEndpoint();
    status = 500;
    await publish();
    const other = await world.addCompany('other');
    for (const name of ['cancel', 'skip', 'retry']) {
      const tail = `${path}/msg/m/endpoint/e/${name}`;
      expect((await world.call('POST', tail, { key: other.token })).status).toBe(404);
    }
  });
});
