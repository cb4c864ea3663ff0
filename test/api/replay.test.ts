import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Receiver, startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** Sending many messages again: what an endpoint never had, and what a filter picks. */

// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect out of it.
type Json = any;

let world: World;
let receiver: Receiver;
/** How the receiver answers at each path. */
const status = new Map<string, number>();
let path: string;
beforeAll(async () => {
  world = await startWorld({ retryScheduleMs: [20] });
  receiver = await startReceiver((response, { path: at }) => response.writeHead(status.get(at) ?? 200).end());
});
afterAll(async () => {
  await world.close();
  await receiver.close();
});
beforeEach(async () => {
  status.clear();
  path = `/api/v1/app/${(await world.addCompany('replay')).application.number}`;
});

const PATIENCE = { timeout: 10_000, interval: 10 };
const DAY_MS = 86_400_000;
const ago = (ms: number) => new Date(Date.now() - ms).toISOString();
const post = (tail: string, body?: unknown) => world.operate('POST', `${path}${tail}`, body);
const since = () => ago(60_000);
const replay = (body: object, endpoint = 'e') =>
  post(`/endpoint/${endpoint}/bulk-replay`, { since: since(), ...body });
const missing = (body: object = {}, endpoint = 'e') =>
  post(`/endpoint/${endpoint}/replay-missing`, { since: since(), ...body });

async function addEndpoint(uid: string, fields: object = {}): Promise<string> {
  const made = await post('/endpoint', {
    url: `${receiver.url}/${path.split('/').at(-1)}/${uid}`,
    uid,
    ...fields,
  });
  expect(made.status).toBe(201);
  return made.json().id;
}

async function publish(eventId: string, fields: object = {}): Promise<void> {
  expect((await post('/msg', { eventType: 'a', eventId, payload: {}, ...fields })).status).toBe(202);
}

async function states(endpoint = 'e'): Promise<Record<string, string>> {
  const { data } = (await world.operate('GET', `${path}/endpoint/${endpoint}/msg`)).json();
  return Object.fromEntries(data.map(({ eventId, state }: Json) => [eventId, state]));
}

async function finished(answer: { status: number; json(): Json; text: string }): Promise<Json> {
  expect([answer.status, answer.text]).toEqual([202, answer.text]);
  const read = async () => (await world.operate('GET', `${path}/task/${answer.json().id}`)).json();
  await expect.poll(async () => (await read()).status, PATIENCE).toBe('finished');
  return read();
}

/** Messages that arrived at the endpoint with this uid, each as often as it came. */
function arrived(uid: string): string[] {
  const at = `/${path.split('/').at(-1)}/${uid}`;
  return receiver.received
    .filter((each) => each.path === at)
    .map(({ headers }) => String(headers['webhook-id']));
}

describe('replay-missing', () => {
  it('sends what is older than the endpoint, as far as it asks for it, and nothing twice', async () => {
    await publish('old');
    await publish('other', { eventType: 'b' });
    const id = await addEndpoint('e', { eventTypes: null, channels: null });
    await publish('new');
    await expect.poll(states, PATIENCE).toEqual({ new: 'succeeded' });
    const counted = await missing({ dryRun: true });
    expect([counted.status, counted.json()]).toEqual([200, { count: 2, scanned: 3, complete: true }]);
    const begun = await missing();
    expect(begun.json()).toMatchObject({
      task: 'endpoint.replay',
      status: 'running',
      data: { endpointId: id, targetEndpointId: id },
    });
    const task = await finished(begun);
    expect(task.data).toMatchObject({ affected: 2, progress: 1, waiting: null });
    await expect.poll(states, PATIENCE).toEqual({ old: 'succeeded', other: 'succeeded', new: 'succeeded' });
    expect(arrived('e')).toHaveLength(3);
    expect((await finished(await missing())).data.affected).toBe(0);
    expect(arrived('e')).toHaveLength(3);
  });

  it('keeps to the event types and channels of the endpoint', async () => {
    const channels = ['here'];
    await publish('wanted', { channels });
    await publish('channel', { channels: ['there'] });
    await publish('bare');
    await addEndpoint('e', { channels });
    await finished(await missing());
    await expect.poll(states, PATIENCE).toEqual({ wanted: 'succeeded' });
  });

  it('is refused by a disabled endpoint', async () => {
    await addEndpoint('e', { disabled: true });
    const refused = await missing();
    expect([refused.status, refused.json().code]).toEqual([400, 'endpoint_disabled']);
  });

  it('waits for an endpoint that is paused', async () => {
    await publish('old');
    await addEndpoint('e', { paused: true });
    const begun = (await missing()).json();
    const read = async () => (await world.operate('GET', `${path}/task/${begun.id}`)).json();
    expect(await read()).toMatchObject({
      status: 'running',
      data: { waiting: 'endpoint_paused', affected: 0 },
    });
    await world.operate('PATCH', `${path}/endpoint/e`, { paused: false });
    await expect.poll(states, PATIENCE).toEqual({ old: 'succeeded' });
    await expect.poll(async () => (await read()).status, PATIENCE).toBe('finished');
  });
});

describe('bulk-replay', () => {
  it('sends again what a filter picks, each as a delivery that begins anew', async () => {
    await addEndpoint('e');
    await publish('one', { eventType: 'ticket.created', tags: ['import'], channels: ['x'] });
    await publish('two', { eventType: 'ticket.updated' });
    await publish('three', { eventType: 'user.created' });
    const all = { one: 'succeeded', two: 'succeeded', three: 'succeeded' };
    await expect.poll(states, PATIENCE).toEqual(all);
    const count = async (filter: object) => (await replay({ ...filter, dryRun: true })).json().count;
    expect(await count({})).toBe(3);
    expect(await count({ eventTypes: ['ticket.*'] })).toBe(2);
    expect(await count({ eventTypes: ['ticket.created', 'user.created'] })).toBe(2);
    expect(await count({ tag: 'import' })).toBe(1);
    expect(await count({ channel: 'x' })).toBe(1);
    expect(await count({ status: 0 })).toBe(3);
    expect(await count({ status: 2 })).toBe(0);
    expect(await count({ states: ['failed'], status: 0 })).toBe(0);
    expect(await count({ statusCodeClass: 200 })).toBe(3);
    expect(await count({ statusCodeClass: 500 })).toBe(0);
    expect(await count({ since: ago(50_000), until: ago(40_000) })).toBe(0);
    const begun = await replay({ eventTypes: ['ticket.*'], rate: 1_000 });
    expect(begun.json()).toMatchObject({ task: 'endpoint.bulk-replay', data: { rate: 1_000 } });
    expect((await finished(begun)).data.affected).toBe(2);
    await expect.poll(() => arrived('e').length, PATIENCE).toBe(5);
    expect(new Set(arrived('e')).size).toBe(3);
    await expect.poll(states, PATIENCE).toEqual(all);
  });

  it('takes what failed by its last answer', async () => {
    await addEndpoint('e');
    status.set(`/${path.split('/').at(-1)}/e`, 503);
    await publish('broken');
    await expect.poll(states, PATIENCE).toEqual({ broken: 'failed' });
    status.clear();
    await publish('good');
    await expect.poll(states, PATIENCE).toEqual({ broken: 'failed', good: 'succeeded' });
    expect((await finished(await replay({ statusCodeClass: 500 }))).data.affected).toBe(1);
    await expect.poll(states, PATIENCE).toEqual({ broken: 'succeeded', good: 'succeeded' });
  });

  it('to another endpoint leaves this one as it was', async () => {
    const source = await addEndpoint('e');
    await publish('one');
    await expect.poll(states, PATIENCE).toEqual({ one: 'succeeded' });
    const target = await addEndpoint('next', { channels: ['never'] });
    for (const toEndpoint of ['next', target]) {
      const task = await finished(await replay({ toEndpoint }));
      expect(task.data).toMatchObject({ endpointId: source, targetEndpointId: target, affected: 1 });
      await expect.poll(() => states('next'), PATIENCE).toEqual({ one: 'succeeded' });
    }
    await expect.poll(() => arrived('next').length, PATIENCE).toBe(2);
    expect(arrived('e')).toHaveLength(1);
    await world.operate('PATCH', `${path}/endpoint/next`, { disabled: true });
    expect((await replay({ toEndpoint: 'next' })).json().code).toBe('endpoint_disabled');
    // Whether the endpoint itself takes anything does not matter then.
    await world.operate('PATCH', `${path}/endpoint/next`, { disabled: false });
    await world.operate('PATCH', `${path}/endpoint/e`, { disabled: true });
    expect((await replay({ toEndpoint: 'next' })).status).toBe(202);
  });

  it.each<[string, object, unknown[]]>([
    ['no time', { since: 'yesterday' }, ['body', 'since']],
    ['more than 90 days', { since: ago(91 * DAY_MS) }, ['body', 'since']],
    ['the future', { since: ago(-60_000) }, ['body', 'since']],
    ['no event types', { eventTypes: [] }, ['body', 'eventTypes']],
    [
      'too many patterns',
      { eventTypes: Array.from({ length: 51 }, (_, index) => `a${index}.*`) },
      ['body', 'eventTypes'],
    ],
    ['what is no pattern', { eventTypes: ['*'] }, ['body', 'eventTypes', 0]],
    ['a status that is none', { status: 5 }, ['body', 'status']],
    ['a state that is none', { states: ['sent'] }, ['body', 'states', 0]],
    ['a class that is none', { statusCodeClass: 404 }, ['body', 'statusCodeClass']],
    ['an endpoint that is not there', { toEndpoint: 'nobody' }, ['body', 'toEndpoint']],
    ['a rate that is no number', { rate: 'fast' }, ['body', 'rate']],
    ['a field that there is not', { event_types: ['a'] }, ['body', 'event_types']],
  ])('answers 422 to %s', async (_what, body, loc) => {
    await addEndpoint('e');
    const answer = await replay(body);
    expect([answer.status, answer.json().detail[0].loc]).toEqual([422, loc]);
  });

  it('takes 90 days and some minutes, and null for what is left out', async () => {
    await addEndpoint('e');
    const nothing = { until: null, rate: null, dryRun: null, eventTypes: null, channel: null, tag: null };
    const answer = await replay({
      since: ago(90 * DAY_MS + 60_000),
      ...nothing,
      ...{ status: null, states: null, statusCodeClass: null, toEndpoint: null },
    });
    expect(answer.status).toBe(202);
  });

  it('answers 404 for an endpoint that is not there, and for another application', async () => {
    await addEndpoint('e');
    expect((await replay({}, 'nobody')).status).toBe(404);
    expect((await missing({}, 'nobody')).status).toBe(404);
    const other = await world.addCompany('other');
    const call = { key: other.token, body: { since: since() } };
    expect((await world.call('POST', `${path}/endpoint/e/bulk-replay`, call)).status).toBe(404);
  });
});
