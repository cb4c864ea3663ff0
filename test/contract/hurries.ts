import { expect } from 'vitest';
import type { Verdict } from '../../src/model/delivery.ts';
import { type ContractTest, type Given, NOW } from './world.ts';

const FAILED: Verdict = { state: 'failed', reason: 'retries_exhausted' };
type Place = { messageKey: number; endpointKey: number };

const LATER: Verdict = { state: 'pending', nextAttemptAt: NOW + 60_000 };

export function hurryContract(test: ContractTest): void {
  test('makes one due at once that waits for its retry, where it is in its schedule', async (given) => {
    const { place, hurry, record, stored } = await leased(given);
    await record(LATER);
    expect(await hurry(NOW + 5)).toEqual({ state: 'due', dropped: [], stored: stored(NOW + 5) });
    const row = { state: 'pending', nextAttemptAt: NOW + 5, attemptCount: 3 };
    expect(await given.deliveryOf(place)).toMatchObject(row);
    // One that is due already stays due since then.
    expect(await hurry(NOW + 9)).toEqual({ state: 'due', dropped: [], stored: stored(NOW + 5) });
    expect(await given.deliveryOf(place)).toMatchObject(row);
  });

  test('takes one out of memory that waits there for its retry', async (given) => {
    const { place, lease, hurry, record, stored } = await leased(given);
    await record(LATER, { keepLease: true });
    const { orderKey: _, ...dropped } = lease;
    expect(await hurry(NOW + 5)).toEqual({ state: 'due', dropped: [dropped], stored: stored(NOW + 5) });
    const row = { state: 'pending', nextAttemptAt: NOW + 5, attemptCount: 3 };
    expect(await given.deliveryOf(place)).toMatchObject(row);
    expect(await given.store.deliveryUnlease({ leases: [lease], now: NOW })).toBe(0);
  });

  test('begins the schedule again of one that failed or is held', async (given) => {
    const failed = await leased(given);
    await failed.record(FAILED);
    const { application, keys } = await given.company();
    const held = {
      messageKey: await given.accepted(application.key, keys, { state: 'held' }),
      endpointKey: keys[0],
    };
    for (const place of [failed.place, held]) {
      const stored = [{ endpointKey: place.endpointKey, dueAt: NOW + 5 }];
      const hurried = await given.store.deliveryHurry({ ...place, now: NOW + 5 });
      expect(hurried).toEqual({ state: 'due', dropped: [], stored });
      const row = { state: 'pending', nextAttemptAt: NOW + 5, attemptCount: 0, reason: null };
      expect(await given.deliveryOf(place)).toMatchObject(row);
    }
  });

  test('does not wait for the time that a message has', async (given) => {
    const { application, keys } = await given.company();
    const message = { deliverAt: NOW + 60_000 };
    const messageKey = await given.accepted(application.key, keys, { message });
    const place = { messageKey, endpointKey: keys[0] };
    await given.store.deliveryHurry({ ...place, now: NOW + 5 });
    expect(await given.deliveryOf(place)).toMatchObject({ nextAttemptAt: NOW + 5 });
  });

  test('says of one that stands behind another which that is, and leaves it as it is', async (given) => {
    const { application, keys } = await given.company();
    const fence = given.fence();
    const line = { orderKey: 'a', message: { orderingKey: 'a' } };
    const id = given.id('msg');
    const firstKey = await given.accepted(application.key, keys, {
      ...line,
      message: { id, orderingKey: 'a' },
    });
    const places = [{ messageKey: firstKey, endpointKey: keys[0] }];
    for (const state of ['pending', 'held'] as const) {
      const messageKey = await given.accepted(application.key, keys, { ...line, state });
      places.push({ messageKey, endpointKey: keys[0] });
    }
    const [first, second, third] = places as [Place, Place, Place];
    const hurry = (place: Place) => given.store.deliveryHurry({ ...place, now: NOW + 5 });
    const [claimed] = await given.store.deliveryClaimDue({
      lanes: [{ endpointKey: keys[0], deliveries: 9, characters: 9_999 }],
      ...{ characters: 9_999, dueBy: NOW, fence },
    });
    expect(claimed?.claimed).toHaveLength(1);
    for (const verdict of ['sending', 'failed'] as const) {
      const before = [await given.deliveryOf(second), await given.deliveryOf(third)];
      const behind = { state: 'behind', before: { messageId: id, state: verdict } };
      expect(await hurry(second)).toEqual(behind);
      expect(await hurry(third)).toEqual(behind);
      expect([await given.deliveryOf(second), await given.deliveryOf(third)]).toEqual(before);
      const results = (claimed?.claimed ?? []).map((lease) => given.result(lease, FAILED));
      await given.store.deliveryRecord({ results, now: NOW });
    }
    expect(await hurry(first)).toMatchObject({ state: 'due' });
    const skip = { reason: 'skipped', failedToo: true, now: NOW } as const;
    await given.store.deliveryCancel({ deliveries: [first, second], ...skip });
    expect(await hurry(third)).toMatchObject({ state: 'due' });
  });

  test('leaves what is sent right now, has ended or lost its payload, and says so', async (given) => {
    const { place, hurry, record } = await leased(given);
    const before = await given.deliveryOf(place);
    expect(await hurry(NOW + 5)).toEqual({ state: 'under_way' });
    expect(await given.deliveryOf(place)).toEqual(before);
    await record(FAILED);
    await given.store.messageExpunge({ messages: [given.ref(place.messageKey)], now: NOW });
    expect(await hurry(NOW + 5)).toEqual({ state: 'expunged' });
    expect(await given.deliveryOf(place)).toMatchObject(FAILED);
    const arrived = await leased(given);
    await arrived.record({ state: 'succeeded' });
    expect(await arrived.hurry(NOW + 5)).toEqual({ state: 'ended' });
    const other = await leased(given);
    await given.store.deliveryCancel({ deliveries: [other.place], reason: 'cancelled', now: NOW });
    expect(await other.hurry(NOW + 5)).toEqual({ state: 'ended' });
    expect(await given.store.deliveryHurry({ messageKey: 99, endpointKey: 1, now: NOW })).toBeNull();
  });
}

async function leased(given: Given) {
  const { application, keys } = await given.company();
  const [endpointKey] = keys;
  const fence = given.fence();
  const messageKey = await given.accepted(application.key, keys, { state: 'sending', fence });
  const place = { messageKey, endpointKey };
  const lease = given.lease(messageKey, endpointKey, fence);
  return {
    ...{ place, lease },
    hurry: (now: number) => given.store.deliveryHurry({ ...place, now }),
    stored: (dueAt: number) => [{ endpointKey, dueAt }],
    async record(verdict: Verdict, { keepLease = false } = {}) {
      const results = [{ ...given.result(lease, verdict, { number: 3 }), keepLease }];
      await given.store.deliveryRecord({ results, now: NOW });
    },
  };
}
