import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Receiver, startReceiver } from '../helpers/receiver.ts';
import { type Company, startWorld, type World } from '../helpers/world.ts';

/** Sending an example of an event type to one endpoint. */

let world: World;
let receiver: Receiver;
let other: Receiver;
let company: Company;
let path: string;
beforeAll(async () => {
  world = await startWorld();
  receiver = await startReceiver();
  other = await startReceiver();
  const schemas = { 1: { type: 'object', examples: [{ n: 1 }, { n: 2 }, 'text'] } };
  for (const body of [
    { name: 'two.examples', description: 'Two', schemas },
    { name: 'no.examples', description: 'None', schemas: { 1: { type: 'object' } } },
    { name: 'no.schema', description: 'None' },
  ]) {
    expect((await world.operate('POST', '/api/v1/event-type', body)).status).toBe(201);
  }
});
afterAll(async () => {
  await world.close();
  await Promise.all([receiver.close(), other.close()]);
});
beforeEach(async () => {
  company = await world.addCompany('examples');
  path = `/api/v1/app/${company.application.number}`;
  const body = { url: receiver.url, uid: 'e', eventTypes: ['ticket.created'], channels: ['red'] };
  await world.operate('POST', `${path}/endpoint`, body);
  await world.operate('POST', `${path}/endpoint`, { url: other.url });
});

const send = (body: unknown, headers?: Record<string, string>) =>
  world.operate('POST', `${path}/endpoint/e/send-example`, body, headers);

/** What the receiver gets for it. */
async function received(body: object): Promise<unknown> {
  const before = receiver.received.length;
  const answer = await send(body);
  expect([answer.status, answer.json().payload]).toEqual([200, {}]);
  await receiver.has(before + 1);
  const { headers, body: text } = receiver.received[before] as (typeof receiver.received)[number];
  expect(headers['webhook-id']).toBe(answer.json().id);
  return JSON.parse(text);
}

describe('an example', () => {
  it('is a message of its own, for that endpoint alone, whatever the endpoint asks for', async () => {
    expect(await received({ eventType: 'two.examples' })).toEqual({ n: 1 });
    const { data } = (await world.operate('GET', `${path}/msg`)).json();
    expect(data).toEqual([
      {
        eventId: null,
        eventType: 'two.examples',
        payload: { n: 1 },
        channels: null,
        tags: null,
        id: expect.stringMatching(/^msg_/),
        timestamp: expect.any(String),
        deliverAt: null,
        expiresAt: null,
        orderingKey: null,
        matched: true,
      },
    ]);
    const deliveries = (await world.operate('GET', `${path}/msg/${data[0].id}/endpoint`)).json().data;
    expect(deliveries.map(({ uid }: { uid: string }) => uid)).toEqual(['e']);
    expect(other.received).toHaveLength(0);
  });

  it('is the one with the number that is asked for', async () => {
    expect(await received({ eventType: 'two.examples', exampleIndex: 1 })).toEqual({ n: 2 });
    expect(await received({ eventType: 'two.examples', exampleIndex: null })).toEqual({ n: 1 });
  });

  it('comes with each type of the catalogue', async () => {
    const { data } = (await world.operate('GET', '/api/v1/event-type?limit=250&with_content=true')).json();
    const withExample = data.filter(
      ({ name, schemas }: { name: string; schemas: Record<string, { examples?: unknown[] }> | null }) =>
        !name.includes('example') && schemas?.['1']?.examples,
    );
    expect(withExample).toHaveLength(13);
    for (const { name, schemas } of withExample) {
      expect(await received({ eventType: name })).toEqual(schemas['1'].examples[0]);
    }
  });

  it('of svix.ping needs no event type', async () => {
    expect(await received({ eventType: 'svix.ping' })).toEqual({ success: true });
    expect(receiver.received.at(-1)?.body).toBe('{"success": true}');
  });

  it.each([
    [{ eventType: 'no.such' }, 404, 'not_found'],
    [{ eventType: 'no.examples' }, 400, 'invalid_scheme'],
    [{ eventType: 'no.schema' }, 400, 'invalid_scheme'],
    [{ eventType: 'two.examples', exampleIndex: 2 }, 400, 'invalid_scheme'],
    [{ eventType: 'two.examples', exampleIndex: 3 }, 400, 'invalid_scheme'],
  ])('is refused: %j', async (body, status, code) => {
    const answer = await send(body);
    expect([answer.status, answer.json().code]).toEqual([status, code]);
  });

  it.each([
    [{}, ['body', '', '']],
    [{ eventType: 'a b' }, ['body', 'event_type', '__all__']],
    [{ eventType: 'two.examples', exampleIndex: -1 }, ['body', 'exampleIndex']],
    [{ eventType: 'two.examples', exampleIndex: '1' }, ['body', 'exampleIndex']],
  ])('is not valid: %j', async (body, loc) => {
    const answer = await send(body);
    expect([answer.status, answer.json().detail[0].loc]).toEqual([422, loc]);
  });

  it('is refused for an endpoint that is disabled or not there, and to the key of a company', async () => {
    await world.operate('PATCH', `${path}/endpoint/e`, { disabled: true });
    const disabled = await send({ eventType: 'svix.ping' });
    expect([disabled.status, disabled.json().code]).toEqual([400, 'endpoint_disabled']);
    const body = { eventType: 'svix.ping' };
    expect((await world.operate('POST', `${path}/endpoint/nobody/send-example`, body)).status).toBe(404);
    const call = { key: company.token, body };
    expect((await world.call('POST', `${path}/endpoint/e/send-example`, call)).status).toBe(403);
  });

  it('is sent once for one idempotency key', async () => {
    const headers = { 'idempotency-key': 'once' };
    const first = await send({ eventType: 'svix.ping' }, headers);
    const again = await send({ eventType: 'svix.ping' }, headers);
    expect([again.status, again.text]).toEqual([200, first.text]);
    expect((await world.operate('GET', `${path}/msg`)).json().data).toHaveLength(1);
  });
});
