import { Svix } from 'svix';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startWorld, type World } from '../helpers/world.ts';

/** The official client library, given another server URL, works with what exists of the operator API. */

let world: World;
let svix: Svix;
beforeAll(async () => {
  world = await startWorld();
  svix = new Svix(world.operatorKey, { serverUrl: world.url });
});
afterAll(() => world.close());

it('publishes, registers and reads', async () => {
  const application = await svix.application.create({ name: 'Acme', uid: 'acme' });
  expect(application).toMatchObject({ name: 'Acme', uid: 'acme' });
  expect((await svix.application.getOrCreate({ name: 'Other', uid: 'acme' })).id).toBe(application.id);
  expect((await svix.application.get('acme')).id).toBe(application.id);

  const endpoint = await svix.endpoint.create('acme', {
    url: 'http://127.0.0.1:1/',
    filterTypes: ['ticket.created'],
  });
  expect(endpoint.filterTypes).toEqual(['ticket.created']);
  expect((await svix.endpoint.get('acme', endpoint.id)).url).toBe('http://127.0.0.1:1/');
  expect((await svix.endpoint.getSecret('acme', endpoint.id)).key).toMatch(/^whsec_/);
  expect((await svix.endpoint.list('acme')).data).toHaveLength(1);

  const message = await svix.message.create('acme', {
    eventType: 'ticket.created',
    eventId: 'e1',
    payload: { n: 1 },
  });
  expect(message).toMatchObject({ eventType: 'ticket.created', eventId: 'e1', payload: { n: 1 } });
  expect(message.timestamp).toBeInstanceOf(Date);
  expect((await svix.message.get('acme', message.id)).payload).toEqual({ n: 1 });
  const list = await svix.message.list('acme', { limit: 10 });
  expect([list.data.length, list.done]).toEqual([1, true]);
  await expect
    .poll(async () => (await svix.messageAttempt.listByMsg('acme', message.id)).data.length, {
      timeout: 10_000,
    })
    .toBe(3);
  expect((await svix.messageAttempt.listByEndpoint('acme', endpoint.id)).data[0]?.msgId).toBe(message.id);
  const [destination] = (await svix.messageAttempt.listAttemptedDestinations('acme', message.id)).data;
  expect(destination?.id).toBe(endpoint.id);

  expect((await svix.eventType.list()).data).toHaveLength(13);
  expect((await svix.eventType.get('ticket.created')).name).toBe('ticket.created');
});

it('gets errors that it can read', async () => {
  await expect(svix.application.get('nobody')).rejects.toMatchObject({
    code: 404,
    body: { code: 'not_found' },
  });
  await expect(svix.message.create('1', { eventType: 'a b', payload: {} })).rejects.toMatchObject({
    code: 422,
    body: { detail: [{ loc: ['body', 'event_type', '__all__'] }] },
  });
  await expect(new Svix('wrong', { serverUrl: world.url }).application.get('1')).rejects.toMatchObject({
    code: 401,
  });
});
