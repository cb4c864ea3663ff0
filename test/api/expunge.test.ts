import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Receiver, startReceiver } from '../helpers/receiver.ts';
import { type Company, startWorld, type World } from '../helpers/world.ts';

/** Forgetting what was published, and what was answered. */

let world: World;
let receiver: Receiver;
let status = 200;
let company: Company;
let path: string;
beforeAll(async () => {
  world = await startWorld({ retryScheduleMs: [1_000, 1_000, 1_000] });
  receiver = await startReceiver((response) => {
    response.writeHead(status, { 'x-answer': 'private' }).end('a private answer');
  });
});
afterAll(async () => {
  await world.close();
  await receiver.close();
});
beforeEach(async () => {
  status = 200;
  company = await world.addCompany('expunge');
  path = `/api/v1/app/${company.application.number}`;
  await world.operate('POST', `${path}/endpoint`, { url: receiver.url, uid: 'e' });
  await world.operate('POST', `${path}/endpoint`, { url: receiver.url, uid: 'held', disabled: true });
});

const get = async (tail: string) => (await world.operate('GET', `${path}${tail}`)).json();
const publish = () =>
  world.operate('POST', `${path}/msg`, { eventType: 'a', eventId: 'm', payload: { card: '4711' } });
const states = async () => (await get('/msg/m/endpoint')).data.map(({ state }: { state: string }) => state);

describe('the payload of a message', () => {
  it('is forgotten for good, and what was still to be delivered of it is cancelled', async () => {
    status = 500;
    await publish();
    await expect.poll(async () => (await get('/attempt/msg/m')).data.length, { timeout: 10_000 }).toBe(1);
    const gone = await world.operate('DELETE', `${path}/msg/m/content/`);
    expect([gone.status, gone.text]).toEqual([204, '']);
    expect((await get('/msg/m')).payload).toEqual({ expired: true });
    expect((await get('/msg?search=4711')).data).toEqual([]);
    expect((await get('/msg')).data[0].payload).toEqual({ expired: true });
    await expect.poll(states).toEqual(['cancelled', 'cancelled']);
    const sent = receiver.received.length;
    // A message that comes after the retry's time shows that there was none.
    const { application } = await world.addCompany('later');
    const later = `/api/v1/app/${application.number}`;
    await world.operate('POST', `${later}/endpoint`, { url: receiver.url });
    const deliverAt = new Date(Date.now() + 1_500).toISOString();
    await world.operate('POST', `${later}/msg`, { eventType: 'a', payload: {}, deliverAt });
    await receiver.has(sent + 1);
    expect(receiver.received.slice(sent).map(({ body }) => body)).toEqual(['{}']);
    expect((await get('/attempt/msg/m')).data).toHaveLength(1);
    expect((await world.operate('DELETE', `${path}/msg/m/content`)).status).toBe(204);
  });

  it('leaves what arrived as it is', async () => {
    await publish();
    await expect.poll(states, { timeout: 10_000 }).toEqual(['succeeded', 'held']);
    await world.operate('DELETE', `${path}/msg/m/content`);
    expect(await states()).toEqual(['succeeded', 'cancelled']);
  });

  it('is not for a company to forget, and a message that is not there is 404', async () => {
    await publish();
    const call = await world.call('DELETE', `${path}/msg/m/content`, { key: company.token });
    expect([call.status, call.json().code]).toEqual([403, 'insufficient access']);
    expect((await world.operate('DELETE', `${path}/msg/nothing/content`)).status).toBe(404);
    expect((await get('/msg/m')).payload).toEqual({ card: '4711' });
  });
});

describe('the answer to an attempt', () => {
  it('is forgotten for good, and the rest of the attempt is not', async () => {
    await publish();
    await expect.poll(async () => (await get('/attempt/msg/m')).data.length, { timeout: 10_000 }).toBe(1);
    const [attempt] = (await get('/attempt/msg/m')).data;
    expect(attempt).toMatchObject({
      response: 'a private answer',
      responseHeaders: { 'x-answer': 'private' },
    });
    const one = `${path}/msg/m/attempt/${attempt.id}`;
    const refused = await world.call('DELETE', `${one}/content`, { key: company.token });
    expect([refused.status, refused.json().code]).toEqual([403, 'insufficient access']);
    const gone = await world.operate('DELETE', `${one}/content`);
    expect([gone.status, gone.text]).toEqual([204, '']);
    expect(await get(`/msg/m/attempt/${attempt.id}`)).toEqual({
      ...attempt,
      response: 'EXPUNGED',
      responseHeaders: {},
    });
    expect((await get('/attempt/msg/m?with_content=false')).data[0].response).toBe('{}');
    expect((await world.operate('DELETE', `${path}/msg/m/attempt/nothing/content`)).status).toBe(404);
    expect((await world.operate('DELETE', `${one}/content`)).status).toBe(204);
  });
});
