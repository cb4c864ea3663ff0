import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Receiver, startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** An event type with feature flags is not there for the key of an application that has none of them. */

let world: World;
let receiver: Receiver;
/** Keys of company 1: with the flag, and with another one. */
let inside: string;
let outside: string;
beforeAll(async () => {
  world = await startWorld();
  receiver = await startReceiver();
  const schemas = { 1: { examples: [{ hidden: true }] } };
  for (const [name, featureFlags] of [
    ['open.made', null],
    ['beta.made', ['beta', 'gamma']],
  ] as const) {
    await world.operate('POST', '/api/v1/event-type', { name, description: '', schemas, featureFlags });
  }
  const keyWith = async (featureFlags: string[]) =>
    (await world.operate('POST', '/api/v1/key', { name: 'k', application: 1, featureFlags })).json().key;
  [inside, outside] = [await keyWith(['gamma']), await keyWith(['delta'])];
});
afterAll(async () => {
  await world.close();
  await receiver.close();
});

const test = (key: string, name: string) =>
  world.call('POST', '/web_hooks/test.json', { key, body: { action_type: name, url: receiver.url } });

describe('the test of a web hook', () => {
  it('sends its example to who sees it', async () => {
    const before = receiver.received.length;
    expect((await test(inside, 'beta.made')).status).toBe(200);
    expect(receiver.received.slice(before).map(({ body }) => body)).toEqual(['{"hidden":true}']);
  });

  it('says to others what it says of a name that does not exist', async () => {
    const before = receiver.received.length;
    for (const key of [outside, world.company.token]) {
      const [hidden, unknown] = [await test(key, 'beta.made'), await test(key, 'beta.unknown')];
      expect([hidden.status, hidden.text]).toEqual([400, unknown.text]);
      expect(hidden.text).toContain('open.made');
      expect(hidden.text).not.toContain('beta.made');
    }
    expect((await test(inside, 'beta.unknown')).text).toContain('beta.made');
    expect(receiver.received).toHaveLength(before);
  });
});

describe('an endpoint', () => {
  const PATH = '/api/v1/app/1/endpoint';
  const call = (key: string, method: string, tail: string, body: object) =>
    world.call(method, `${PATH}${tail}`, { key, body });

  it.each<[how: string, method: string, tail: string, names: 'eventTypes' | 'filterTypes']>([
    ['POST', 'POST', '', 'eventTypes'],
    ['POST with the older name', 'POST', '', 'filterTypes'],
    ['PUT', 'PUT', '/put', 'eventTypes'],
    ['PUT of one that is not there', 'PUT', '/new', 'eventTypes'],
    ['PATCH', 'PATCH', '/patched', 'eventTypes'],
  ])('asks for it by %s when the key sees it, and for others it does not exist', async (_how, ...rest) => {
    const [method, tail, names] = rest;
    for (const uid of ['put', 'patched'])
      await call(world.operatorKey, 'POST', '', { url: receiver.url, uid });
    const ask = (key: string, name: string) =>
      call(key, method, tail, { url: receiver.url, [names]: [name] });
    const [hidden, unknown] = [await ask(outside, 'beta.made'), await ask(outside, 'beta.maid')];
    expect([hidden.status, hidden.text]).toEqual([422, unknown.text.replace('beta.maid', 'beta.made')]);
    for (const key of [inside, world.operatorKey]) {
      const answer = await ask(key, 'beta.made');
      expect([answer.status, answer.json().eventTypes]).toEqual([
        expect.toBeOneOf([200, 201]),
        ['beta.made'],
      ]);
    }
    expect((await ask(outside, 'open.made')).json().eventTypes).toEqual(['open.made']);
  });
});

it('the catalogue shows it to the same keys', async () => {
  const status = async (key: string) =>
    (await world.call('GET', '/api/v1/event-type/beta.made', { key })).status;
  expect(await Promise.all([outside, world.company.token, inside, world.operatorKey].map(status))).toEqual([
    404, 404, 200, 200,
  ]);
});
