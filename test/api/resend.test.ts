import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Receiver, startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** Sending one message to one endpoint once more. */

// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect out of it.
type Json = any;

let world: World;
let receiver: Receiver;
let status = 200;
let path: string;
/** The store says that too many resends wait. */
let isFull = false;
beforeAll(async () => {
  world = await startWorld({
    retryScheduleMs: [60_000],
    store: (store) => ({
      ...store,
      resendInsert: async (params) => (isFull ? 'limit' : store.resendInsert(params)),
    }),
  });
  receiver = await startReceiver((response) => response.writeHead(status).end());
});
afterAll(async () => {
  await world.close();
  await receiver.close();
});
beforeEach(async () => {
  status = 200;
  path = `/api/v1/app/${(await world.addCompany('resend')).application.number}`;
});

const get = async (tail: string) => (await world.operate('GET', `${path}${tail}`)).json();
const post = (tail: string, body?: unknown) => world.operate('POST', `${path}${tail}`, body);
const resend = (tail = '') => post(`/msg/m/endpoint/e/resend${tail}`);
const delivery = async (): Promise<Json> => (await get('/msg/m/endpoint')).data[0];
const attempts = async (): Promise<Json[]> => (await get('/attempt/msg/m')).data;

async function published(state: string): Promise<void> {
  await post('/endpoint', { url: receiver.url, uid: 'e' });
  expect((await post('/msg', { eventType: 'a', eventId: 'm', payload: { a: 1 } })).status).toBe(202);
  await expect
    .poll(async () => [(await delivery()).state, (await attempts()).length], { timeout: 10_000 })
    .toEqual([state, 1]);
}

describe('a resend', () => {
  it('sends what had arrived once more, as the same message', async () => {
    await published('succeeded');
    const before = receiver.received.length;
    const answer = await resend('/');
    expect([answer.status, answer.text]).toEqual([202, '{}']);
    await receiver.has(before + 1);
    const [first, second] = receiver.received.slice(-2);
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    expect(second?.body).toBe('{"a":1}');
    await expect.poll(async () => (await attempts()).length).toBe(2);
    const [manual, scheduled] = await attempts();
    expect([manual.triggerType, manual.attemptNumber, manual.status]).toEqual([1, null, 0]);
    expect([scheduled.triggerType, scheduled.attemptNumber]).toEqual([0, 1]);
    expect(await delivery()).toMatchObject({ state: 'succeeded', attemptCount: 1 });
  });

  it('that arrives ends the retries', async () => {
    status = 500;
    await published('pending');
    status = 200;
    expect((await resend()).status).toBe(202);
    await expect.poll(async () => (await delivery()).state, { timeout: 10_000 }).toBe('succeeded');
    expect(await delivery()).toMatchObject({ status: 0, nextAttempt: null });
  });

  it('that fails leaves the planned retry as it is', async () => {
    status = 500;
    await published('pending');
    const before = await delivery();
    expect(Date.parse(before.nextAttempt)).toBeGreaterThan(Date.now() + 30_000);
    expect((await resend()).status).toBe(202);
    await expect.poll(async () => (await attempts()).length, { timeout: 10_000 }).toBe(2);
    expect((await attempts())[0]).toMatchObject({ triggerType: 1, status: 2, responseStatusCode: 500 });
    expect(await delivery()).toEqual(before);
  });

  it('that cannot happen is an error, and says why', async () => {
    await published('succeeded');
    const refused = async (answer: { status: number; json(): Json }) => [answer.status, answer.json().code];
    expect(await refused(await post('/msg/nothing/endpoint/e/resend'))).toEqual([404, 'not_found']);
    expect(await refused(await post('/msg/m/endpoint/nobody/resend'))).toEqual([404, 'not_found']);
    await post('/endpoint', { url: receiver.url, uid: 'newer' });
    const newer = await post('/msg/m/endpoint/newer/resend');
    expect(await refused(newer)).toEqual([404, 'not_found']);
    expect(newer.json().detail).toContain('was not for the endpoint');
    isFull = true;
    const full = await resend();
    isFull = false;
    expect(await refused(full)).toEqual([429, 'too_many_requests']);
    expect(Number(full.headers['retry-after'])).toBeGreaterThan(0);
    await world.operate('PATCH', `${path}/endpoint/e`, { disabled: true });
    expect(await refused(await resend())).toEqual([400, 'endpoint_disabled']);
    await world.operate('PATCH', `${path}/endpoint/e`, { disabled: false });
    await world.operate('DELETE', `${path}/msg/m/content`);
    expect(await refused(await resend())).toEqual([400, 'missing_payload']);
    await world.operate('DELETE', `${path}/endpoint/e`);
    expect(await refused(await resend())).toEqual([404, 'not_found']);
    expect(await attempts()).toHaveLength(1);
  });

  it("is not for another application's key", async () => {
    await published('succeeded');
    const other = await world.addCompany('other');
    const tail = `${path}/msg/m/endpoint/e/resend`;
    expect((await world.call('POST', tail, { key: other.token })).status).toBe(404);
  });
});
