import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TASKS_PER_ENDPOINT } from '../../src/limits.ts';
import { type Receiver, startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** Tasks: how they are shown, listed and ended. */

// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect out of it.
type Json = any;

let world: World;
let receiver: Receiver;
let path: string;
let token: string;
let applicationId: string;
beforeAll(async () => {
  world = await startWorld();
  receiver = await startReceiver();
});
afterAll(async () => {
  await world.close();
  await receiver.close();
});
beforeEach(async () => {
  const company = await world.addCompany('tasks');
  token = company.token;
  applicationId = company.application.id;
  path = `/api/v1/app/${applicationId}`;
  await post('/endpoint', { url: receiver.url, uid: 'e' });
});

const PATIENCE = { timeout: 10_000, interval: 10 };
const post = (tail: string, body?: unknown) => world.operate('POST', `${path}${tail}`, body);
const get = (tail: string) => world.operate('GET', `${path}${tail}`);
const since = () => new Date(Date.now() - 60_000).toISOString();
const change = (body: object) => world.operate('PATCH', `${path}/endpoint/e`, body);
const ids = ({ data }: { data: Json[] }) => data.map(({ id }) => id);

/** A task that waits, as its endpoint is paused. */
async function waiting(name = 'recover'): Promise<Json> {
  await change({ paused: true });
  const begun = await post(`/endpoint/e/${name}`, { since: since() });
  expect(begun.status).toBe(202);
  return begun.json();
}

describe('a task', () => {
  it('says how it stands, and goes on when its endpoint takes something again', async () => {
    const { id: endpointId } = (await get('/endpoint/e')).json();
    await change({ paused: true });
    await post('/msg', { eventType: 'a', eventId: 'm', payload: {} });
    const begun = await waiting();
    const shown = await get(`/task/${begun.id}`);
    expect([shown.status, shown.json()]).toMatchObject([
      200,
      {
        id: begun.id,
        status: 'running',
        task: 'endpoint.recover',
        data: {
          applicationId,
          endpointId,
          targetEndpointId: endpointId,
          waiting: 'endpoint_paused',
          affected: 0,
        },
      },
    ]);
    const { since: from, until } = shown.json().data;
    expect(Date.parse(until) - Date.parse(from)).toBeGreaterThan(59_000);
    expect(Date.parse(until) - Date.parse(from)).toBeLessThan(61_000);
    await change({ disabled: true });
    expect((await get(`/task/${begun.id}`)).json().data.waiting).toBe('endpoint_disabled');
    await change({ disabled: false, paused: false });
    await expect.poll(async () => (await get(`/task/${begun.id}`)).json().status, PATIENCE).toBe('finished');
    expect((await get(`/task/${begun.id}`)).json().data).toMatchObject({ waiting: null, progress: 1 });
  });

  it('says which part of the messages in its range it looked at, whatever else lies in that', async () => {
    await change({ disabled: true });
    await post('/msg/batch', { messages: Array(60).fill({ eventType: 'a', payload: {} }) });
    await change({ disabled: false });
    const long = new Date(Date.now() - 10 * 86_400_000).toISOString();
    const { id } = (await post('/endpoint/e/recover', { since: long, rate: 4 })).json();
    const data = async () => (await get(`/task/${id}`)).json().data;
    await expect.poll(async () => (await data()).scanned, PATIENCE).toBe(4);
    await post(`/task/${id}/cancel`);
    const { scanned, affected, progress } = await data();
    expect([affected, progress]).toEqual([scanned, Math.floor((scanned / 60) * 1_000) / 1_000]);
  });

  it('can be cancelled while it runs, once', async () => {
    const { id } = await waiting();
    const cancelled = await post(`/task/${id}/cancel`);
    expect([cancelled.status, cancelled.json()]).toMatchObject([
      200,
      { id, status: 'cancelled', data: { waiting: null } },
    ]);
    const again = await post(`/task/${id}/cancel`);
    expect([again.status, again.json().code]).toEqual([409, 'conflict']);
    expect(again.json().detail).toContain('cancelled');
    expect((await post('/task/qtask_2nZK5wzbb7UWeTYsEaK6mSrEQhY/cancel')).status).toBe(404);
  });

  it('fails when its endpoint is deleted', async () => {
    const { id } = await waiting();
    await world.operate('DELETE', `${path}/endpoint/e`);
    await expect.poll(async () => (await get(`/task/${id}`)).json().status, PATIENCE).toBe('failed');
    expect((await get(`/task/${id}`)).json().data).toMatchObject({
      endpointId: null,
      targetEndpointId: null,
    });
  });

  it("is not shown to another application's key", async () => {
    const { id } = await waiting();
    const other = await world.addCompany('other');
    const theirs = `/api/v1/app/${other.application.id}/task`;
    expect((await world.call('GET', `${path}/task/${id}`, { key: other.token })).status).toBe(404);
    expect((await world.call('GET', `${theirs}/${id}`, { key: other.token })).status).toBe(404);
    expect((await world.call('POST', `${theirs}/${id}/cancel`, { key: other.token })).status).toBe(404);
    expect((await world.call('GET', theirs, { key: other.token })).json().data).toEqual([]);
    expect((await world.call('GET', `${path}/task/${id}`, { key: token })).status).toBe(200);
    expect((await get('/task/nothing')).status).toBe(404);
  });

  it(`is refused when ${TASKS_PER_ENDPOINT} of an endpoint run`, async () => {
    for (let made = 0; made < TASKS_PER_ENDPOINT; made++) await waiting();
    const refused = await post('/endpoint/e/recover', { since: since() });
    expect([refused.status, refused.json().code]).toEqual([400, 'limit_reached']);
  });
});

describe('the list of tasks', () => {
  it('is newest first, in pages both ways, and picks by status and task', async () => {
    const made: string[] = [];
    for (const name of ['recover', 'replay-missing', 'bulk-replay', 'recover', 'recover']) {
      made.push((await waiting(name)).id);
    }
    const newest = made.toReversed();
    expect(ids((await get('/task')).json())).toEqual(newest);
    expect(ids((await get('/task?order=ascending')).json())).toEqual(made);
    const first = (await get('/task?limit=2')).json();
    expect([ids(first), first.done]).toEqual([newest.slice(0, 2), false]);
    const second = (await get(`/task?limit=2&iterator=${first.iterator}`)).json();
    expect(ids(second)).toEqual(newest.slice(2, 4));
    const last = (await get(`/task?limit=2&iterator=${second.iterator}`)).json();
    expect([ids(last), last.done]).toEqual([newest.slice(4), true]);
    expect(ids((await get(`/task?limit=2&iterator=${last.prevIterator}`)).json())).toEqual(
      newest.slice(2, 4),
    );

    expect(ids((await get('/task?task=endpoint.recover')).json())).toEqual([made[4], made[3], made[0]]);
    expect(ids((await get('/task?task=endpoint.replay')).json())).toEqual([made[1]]);
    expect(ids((await get('/task?task=message.broadcast')).json())).toEqual([]);
    await post(`/task/${made[3]}/cancel`);
    expect(ids((await get('/task?status=cancelled')).json())).toEqual([made[3]]);
    expect(ids((await get('/task?status=running&task=endpoint.recover')).json())).toEqual([made[4], made[0]]);
    expect(ids((await get('/task?status=finished')).json())).toEqual([]);
  });

  it('answers 400 to a status that is none, 422 to an iterator that is none', async () => {
    expect((await get('/task?status=done')).json().code).toBe('generic_error');
    expect((await get('/task?iterator=x')).status).toBe(422);
  });

  it('of all applications is for operators', async () => {
    const { id } = await waiting();
    const all = await world.operate('GET', '/api/v1/background-task?limit=1');
    expect([ids(all.json()), all.json().data[0].data.applicationId]).toEqual([[id], applicationId]);
    expect((await world.operate('GET', `/api/v1/background-task/${id}`)).json().id).toBe(id);
    expect((await world.operate('GET', '/api/v1/background-task/nothing')).status).toBe(404);
    expect((await world.call('GET', '/api/v1/background-task', { key: token })).status).toBe(403);
    await world.operate('DELETE', path);
    const orphan = await world.operate('GET', `/api/v1/background-task/${id}`);
    expect([orphan.status, orphan.json().data]).toMatchObject([
      200,
      { applicationId: null, endpointId: null },
    ]);
  });
});
