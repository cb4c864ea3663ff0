import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Receiver, startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect out of it.
type Json = any;

let world: World;
let receiver: Receiver;
let status = 200;
let path: string;
beforeAll(async () => {
  world = await startWorld({ retryScheduleMs: [60_000, 120_000] });
  receiver = await startReceiver((response) => response.writeHead(status).end());
});
afterAll(async () => {
  await world.close();
  await receiver.close();
});
beforeEach(async () => {
  status = 200;
  path = `/api/v1/app/${(await world.addCompany('explain')).application.number}`;
});

const PATIENCE = { timeout: 10_000, interval: 10 };
const post = (tail: string, body?: unknown) => world.operate('POST', `${path}${tail}`, body);
const get = (tail: string) => world.operate('GET', `${path}${tail}`);
const change = (body: object) => world.operate('PATCH', `${path}/endpoint/e`, body);
const addEndpoint = async (fields: object = {}): Promise<string> =>
  (await post('/endpoint', { url: receiver.url, uid: 'e', ...fields })).json().id;
const publish = async (fields: object = {}): Promise<string> =>
  (await post('/msg', { eventType: 'a', eventId: 'm', payload: {}, ...fields })).json().id;
const explain = async (message = 'm'): Promise<Json> =>
  (await get(`/msg/${message}/endpoint/e/explain`)).json();

async function becomes(expected: object, message = 'm'): Promise<Json> {
  await expect.poll(() => explain(message), PATIENCE).toMatchObject(expected);
  return explain(message);
}

describe('an explanation', () => {
  it('says that a message has arrived', async () => {
    const endpointId = await addEndpoint();
    const msgId = await publish();
    const { text, lastAttempt, ...rest } = await becomes({ state: 'succeeded' });
    expect(rest).toEqual({
      endpointId,
      endpointUid: 'e',
      url: receiver.url,
      msgId,
      matched: true,
      rule: null,
      state: 'succeeded',
      reason: null,
      waitsFor: null,
      behind: null,
      attemptCount: 1,
      nextAttempt: null,
      plannedAttempts: [],
      schema: null,
    });
    expect(lastAttempt).toEqual({
      id: expect.stringMatching(/^atmpt_/),
      timestamp: expect.stringMatching(/Z$/),
      responseStatusCode: 200,
      errorCode: null,
    });
    expect(text).toMatch(/arrived/);
  });

  it('names the rule by which there is no delivery', async () => {
    await addEndpoint({ channels: ['here'] });
    await publish();
    expect(await explain()).toMatchObject({
      matched: false,
      rule: 'channels',
      state: null,
      lastAttempt: null,
    });
    await world.operate('POST', '/api/v1/event-type', { name: 'explain.known', description: '' });
    await change({ channels: null, eventTypes: ['explain.known'] });
    const { rule, text } = await explain();
    expect([rule, text]).toEqual(['event_type', expect.stringContaining('explain.known')]);
    await change({ eventTypes: null });
    expect(await explain()).toMatchObject({ matched: false, rule: 'changed_since' });
    await post('/endpoint', { url: receiver.url, uid: 'newer' });
    expect((await get('/msg/m/endpoint/newer/explain')).json().rule).toBe('endpoint_newer');
  });

  it('says when a failed one is tried again, and all tries after that', async () => {
    await addEndpoint();
    status = 500;
    await publish();
    const explained = await becomes({ state: 'pending', waitsFor: 'retry', attemptCount: 1 });
    expect(explained.lastAttempt.responseStatusCode).toBe(500);
    const [next, after] = explained.plannedAttempts.map(Date.parse);
    expect(explained.plannedAttempts).toHaveLength(2);
    expect(explained.plannedAttempts[0]).toBe(explained.nextAttempt);
    expect(after - next).toBe(120_000);
  });

  it('says what it waits for', async () => {
    await addEndpoint();
    const deliverAt = new Date(Date.now() + 3_600_000).toISOString();
    await publish({ eventId: 'later', deliverAt });
    expect(await explain('later')).toMatchObject({ waitsFor: 'deliver_at', nextAttempt: deliverAt });
    await change({ paused: true });
    await publish();
    expect(await explain()).toMatchObject({
      state: 'held',
      reason: 'endpoint_paused',
      waitsFor: 'endpoint_paused',
    });
    await change({ disabled: true });
    expect((await explain()).waitsFor).toBe('endpoint_disabled');
  });

  it('names the older message of its order', async () => {
    await addEndpoint({ ordering: 'endpoint' });
    status = 500;
    const first = await publish({ eventId: 'first' });
    await becomes({ state: 'pending', waitsFor: 'retry' }, 'first');
    await publish();
    expect(await explain()).toMatchObject({
      state: 'pending',
      waitsFor: 'order',
      behind: first,
      nextAttempt: null,
    });
  });

  it('says what the schema of the event type has against the payload', async () => {
    const schemas = { 1: { type: 'object', properties: { id: { type: 'integer' } } } };
    const eventType = { name: 'explain.strict', description: '', schemas, validation: 'warn' };
    expect((await world.operate('POST', '/api/v1/event-type', eventType)).status).toBe(201);
    await addEndpoint();
    await publish({ eventType: 'explain.strict', payload: { id: 'one' } });
    expect((await explain()).schema).toEqual({
      valid: false,
      problems: [{ loc: ['payload', 'id'], msg: expect.stringMatching(/integer/) }],
    });
    await publish({ eventType: 'explain.strict', eventId: 'good', payload: { id: 1 } });
    expect((await explain('good')).schema).toEqual({ valid: true, problems: [] });
  });

  it('takes a payload that is no JSON, and one that is gone', async () => {
    const schemas = { 1: { type: 'object' } };
    const eventType = { name: 'explain.raw', description: '', schemas, validation: 'warn' };
    await world.operate('POST', '/api/v1/event-type', eventType);
    await addEndpoint();
    await publish({
      eventType: 'explain.raw',
      transformationsParams: { rawPayload: '<xml/>' },
    });
    expect((await get('/msg/m/endpoint/e/explain')).status).toBe(200);
    await world.operate('DELETE', `${path}/msg/m/content`);
    expect((await get('/msg/m/endpoint/e/explain')).json().schema).toBeNull();
  });

  it('of all endpoints comes in pages, oldest first', async () => {
    await publish();
    const ids: string[] = [];
    for (const uid of ['e', 'f', 'g']) ids.push(await addEndpoint({ uid }));
    const page = async (query: string) => (await get(`/msg/m/explain?${query}`)).json();
    const idsOf = ({ data }: { data: Json[] }) => data.map(({ endpointId }) => endpointId);
    const first = await page('limit=2');
    expect([idsOf(first), first.done, first.data[0].rule]).toEqual([
      ids.slice(0, 2),
      false,
      'endpoint_newer',
    ]);
    const second = await page(`limit=2&iterator=${first.iterator}`);
    expect([idsOf(second), second.done]).toEqual([ids.slice(2), true]);
    expect(idsOf(await page(`limit=2&iterator=${second.prevIterator}`))).toEqual(ids.slice(0, 2));
    expect((await get('/msg/m/explain?iterator=x')).status).toBe(422);
    expect((await get('/msg/m/explain?limit=0')).status).toBe(422);
  });

  it('is 404 where there is no such message or endpoint, and for another application', async () => {
    await addEndpoint();
    await publish();
    expect((await get('/msg/nothing/endpoint/e/explain')).status).toBe(404);
    expect((await get('/msg/m/endpoint/nobody/explain')).status).toBe(404);
    expect((await get('/msg/nothing/explain')).status).toBe(404);
    const other = await world.addCompany('other');
    for (const tail of ['/msg/m/explain', '/msg/m/endpoint/e/explain']) {
      expect((await world.call('GET', path + tail, { key: other.token })).status).toBe(404);
    }
  });
});
