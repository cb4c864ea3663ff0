import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Given } from '../../test/contract/world.ts';
import { givenStore } from '../../test/helpers/given-store.ts';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import { ApiError } from '../errors.ts';
import type { EndpointAnnouncementType } from '../model/announcement.ts';
import { type Store, StoreError } from '../store/store.ts';
import { Announcements, type OperationalMessage } from './announcements.ts';

let given: Given;
let dispose: () => Promise<void>;
let clock: ManualClock;

beforeEach(async () => {
  ({ given, dispose } = await givenStore());
  clock = new ManualClock();
});
afterEach(() => dispose());

const unavailable = () => Promise.reject(new StoreError('unavailable', 'Not now.'));

/** Announcements with a publisher that takes each event id once, all or none, as accept does. */
function announcing(store: Store, refuses: () => Error | null = () => null) {
  const published: OperationalMessage[] = [];
  const calls: number[] = [];
  const announcements = new Announcements({
    store,
    clock,
    async publish(messages) {
      calls.push(messages.length);
      const refusal = refuses();
      if (refusal !== null) throw refusal;
      const taken = new Set(published.map(({ eventId }) => eventId));
      if (messages.some(({ eventId }) => taken.has(eventId))) throw new ApiError('conflict');
      published.push(...messages);
    },
    log: { warn: () => {} },
  });
  return { announcements, published, calls };
}

/** Makes so many endpoints, of each of which something is told. */
async function told(count: number, type: EndpointAnnouncementType = 'endpoint.created') {
  const application = await given.application({ uid: 'acme' });
  for (let n = 0; n < count; n++) {
    const data = { appId: application.id, appUid: 'acme', endpointId: `ep_${n}`, endpointUid: null };
    const endpoint = given.newEndpoint(application.key);
    await given.store.endpointInsert({ ...endpoint, limit: 1_000, announcements: [{ type, data }] });
  }
  return application;
}

const left = async () => (await given.store.announcementList({ limit: 1_000 })).length;

describe('announcements', () => {
  it('are published in the order they were written, and deleted, also those that came before the start', async () => {
    await told(250);
    const { announcements, published, calls } = announcing(given.store);
    announcements.poke();
    await clock.settle();
    expect(published.map(({ orderingKey }) => orderingKey)).toEqual(
      Array.from({ length: 250 }, (_, n) => `ep_${n}`),
    );
    expect(calls).toEqual([100, 100, 50]);
    expect(published[0]?.eventType).toBe('endpoint.created');
    expect(JSON.parse(published[0]?.payload ?? '')).toEqual({
      type: 'endpoint.created',
      data: { appId: expect.stringMatching(/^app_/), appUid: 'acme', endpointId: 'ep_0', endpointUid: null },
    });
    expect(await left()).toBe(0);
    // Nothing is published twice, however often it is asked for.
    announcements.poke();
    await clock.settle();
    expect(calls).toHaveLength(3);
  });

  it('that were published before a crash, and not deleted, are there already', async () => {
    await told(3);
    let refusals = 1;
    const deletes: Store['announcementDelete'] = (params) =>
      refusals-- > 0 ? unavailable() : given.store.announcementDelete(params);
    const { announcements, published } = announcing({ ...given.store, announcementDelete: deletes });
    announcements.poke();
    await clock.settle();
    expect([published.length, await left()]).toEqual([3, 3]);
    // One that is new is published among them.
    await given.store.endpointInsert({
      ...given.newEndpoint(1),
      limit: 1_000,
      announcements: [
        {
          type: 'endpoint.deleted',
          data: { appId: 'app_1', appUid: null, endpointId: 'ep_new', endpointUid: null },
        },
      ],
    });
    await clock.advance(2_000);
    expect(published.map(({ orderingKey }) => orderingKey)).toEqual(['ep_0', 'ep_1', 'ep_2', 'ep_new']);
    expect(await left()).toBe(0);
  });

  it('keep their order, and wait, while they can be neither read nor published', async () => {
    await told(3);
    let refusals = 4;
    const lists: Store['announcementList'] = (params) =>
      refusals-- > 2 ? unavailable() : given.store.announcementList(params);
    const { announcements, published } = announcing({ ...given.store, announcementList: lists }, () =>
      refusals > 0 ? new ApiError('too_many_requests', undefined, { retryAfterSeconds: 1 }) : null,
    );
    announcements.poke();
    await clock.settle();
    expect([published.length, await left()]).toEqual([0, 3]);
    await clock.advance(10_000);
    expect(published.map(({ orderingKey }) => orderingKey)).toEqual(['ep_0', 'ep_1', 'ep_2']);
  });

  it('wait twice as long each time while they cannot be published, and not at all once they are told to stop', async () => {
    await told(1);
    const { announcements, calls } = announcing(given.store, () => new ApiError('unavailable'));
    announcements.poke();
    await clock.advance(60_000);
    // After 0, 1, 3, 7, 15 and 31 s.
    expect(calls).toHaveLength(6);
    announcements.stop();
    expect(clock.nextTimerAt).toBeNull();
  });

  it('of attempts have the message, the endpoint and the attempt; those of what is gone are let go', async () => {
    const { application, keys } = await given.company();
    const [endpointKey] = keys;
    const fence = given.fence();
    const message = given.message({
      eventId: 'order-1',
      deliveries: [{ endpointKey, state: 'sending', orderKey: null }],
    });
    const publishes = [given.publish(application.key, message)];
    const [accepted] = await given.accept({ publishes, fence, now: clock.now() });
    const messageKey = accepted?.kind === 'accepted' ? (accepted.messageKeys[0] as number) : 0;
    const verdict = { state: 'failed', reason: 'retries_exhausted' } as const;
    const result = given.result(given.lease(messageKey, endpointKey, fence), verdict);
    const announce = 'message.attempt.exhausted' as const;
    await given.store.deliveryRecord({ results: [{ ...result, announce }], now: clock.now() });

    const { announcements, published } = announcing(given.store);
    announcements.poke();
    await clock.settle();
    const [endpoint] = await given.store.endpointList({ applicationKey: application.key });
    expect(published.map(({ payload }) => JSON.parse(payload))).toEqual([
      {
        type: 'message.attempt.exhausted',
        data: {
          appId: application.id,
          appUid: null,
          endpointId: endpoint?.id,
          msgId: message.id,
          msgEventId: 'order-1',
          lastAttempt: {
            id: result.attempt.id,
            responseStatusCode: 200,
            timestamp: new Date(result.attempt.exchange.startedAt).toISOString(),
          },
        },
      },
    ]);

    const again = given.fence();
    const second = await given.accepted(application.key, [endpointKey], { state: 'sending', fence: again });
    const next = given.result(given.lease(second, endpointKey, again), verdict);
    await given.store.deliveryRecord({ results: [{ ...next, announce }], now: clock.now() });
    await given.store.applicationDelete({ applicationKey: application.key, now: clock.now() });
    announcements.poke();
    await clock.settle();
    expect([published.length, await left()]).toEqual([1, 0]);
  });
});
