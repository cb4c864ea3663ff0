import { Svix } from 'svix2';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Store } from '../../src/store/store.ts';
import { startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** What a publish asks of the store once everything is in memory: one write, and no read. */

let world: World;
const asked: string[] = [];
beforeAll(async () => {
  world = await startWorld({
    store: (store) =>
      new Proxy(store, {
        get(target, name: keyof Store) {
          const method = target[name];
          if (typeof method !== 'function') return method;
          return (...params: unknown[]) => {
            asked.push(name);
            return (method as (...all: unknown[]) => unknown)(...params);
          };
        },
      }),
  });
});
afterAll(() => world.close());

it('reads nothing for a publish, its delivery and its record; a change of the endpoint counts for the next publish', async () => {
  const receiver = await startReceiver();
  const svix = new Svix(world.operatorKey, { serverUrl: world.url });
  await svix.application.create({ name: 'Acme', uid: 'acme' });
  const { id } = await svix.endpoint.create('acme', { url: receiver.url, eventTypes: ['ticket.created'] });
  const publish = (eventType: string) => svix.message.create('acme', { eventType, payload: { n: 1 } });
  await publish('ticket.created');
  await receiver.has(1);
  await expect.poll(() => asked.filter((name) => name === 'deliveryRecord').length).toBe(1);

  asked.length = 0;
  for (let n = 0; n < 20; n++) await publish(n % 2 === 0 ? 'ticket.created' : 'ticket.updated');
  // The 10 that the endpoint wants, and none of the others.
  await receiver.has(11);
  await expect.poll(() => asked.includes('deliveryRecord')).toBe(true);
  expect(new Set(asked.filter((name) => name !== 'keyFind'))).toEqual(
    new Set(['messageAccept', 'deliveryRecord']),
  );
  // A key is looked at again after some seconds: on a slow machine that can fall into this time.
  expect(asked.filter((name) => name === 'keyFind').length).toBeLessThan(20);
  expect(asked.filter((name) => name === 'messageAccept')).toHaveLength(20);

  await svix.endpoint.patch('acme', id, { eventTypes: ['ticket.updated'] });
  asked.length = 0;
  await publish('ticket.created');
  await publish('ticket.updated');
  await receiver.has(12);
  expect(receiver.received).toHaveLength(12);
  const writes = ['messageAccept', 'deliveryRecord', 'keyFind'];
  expect(asked.filter((name) => !writes.includes(name))).toEqual([]);
  await receiver.close();
});
