import { expect } from 'vitest';
import type { DeliveryState, Verdict } from '../../src/model/delivery.ts';
import { ALL, type ContractTest, claimDue, delivery, type Given, NOW } from './world.ts';

const DONE: Verdict = { state: 'succeeded' };
const NOTHING = { dropped: [], stored: [] };

export function cancellationContract(test: ContractTest): void {
  cancels(test);
  expiries(test);
}

function cancels(test: ContractTest): void {
  test('ends what is open, names what was leased, and leaves the rest', async (given) => {
    const { places, of, fence } = await filled(given);
    const cancel = { deliveries: places, reason: 'cancelled', now: NOW } as const;
    const { cancelled, ...stopped } = await given.store.deliveryCancel(cancel);
    expect(cancelled).toEqual([of('pending'), of('sending'), of('held')]);
    expect(stopped).toEqual({ dropped: [{ ...of('sending'), fence, resendKey: null }], stored: [] });
    for (const place of cancelled) {
      const row = { state: 'cancelled', reason: 'cancelled', nextAttemptAt: null };
      expect(await given.deliveryOf(place)).toMatchObject(row);
    }
    expect(await given.deliveryOf(of('failed'))).toMatchObject({ state: 'failed' });
    expect(await given.deliveryOf(of('succeeded'))).toMatchObject({ state: 'succeeded', reason: null });
    expect(await given.store.deliveryCancel(cancel)).toEqual({ cancelled: [], ...NOTHING });
    // The lease is void; that it arrived all the same still counts.
    const lease = given.lease(of('sending').messageKey, of('sending').endpointKey, fence);
    const results = [given.result(lease, DONE)];
    expect(await given.record({ results, now: NOW })).toEqual([false]);
    expect(await given.deliveryOf(of('sending'))).toMatchObject({ state: 'succeeded' });
  });

  test('ends what failed only when it is asked to', async (given) => {
    const { places, of } = await filled(given);
    const skip = { deliveries: places, reason: 'skipped', failedToo: true, now: NOW } as const;
    const { cancelled } = await given.store.deliveryCancel(skip);
    expect(cancelled).toEqual([of('pending'), of('sending'), of('failed'), of('held')]);
    expect(await given.deliveryOf(of('failed'))).toMatchObject({ state: 'cancelled', reason: 'skipped' });
  });

  test('ends resends as well, leased or not, but not when it expires', async (given) => {
    const { application, keys } = await given.company();
    const [endpointKey] = keys;
    const messageKeys = [];
    for (let count = 0; count < 2; count++) {
      messageKeys.push(await given.accepted(application.key, keys, { state: 'held' }));
    }
    const [first, second] = messageKeys as [number, number];
    const lease = await given.resendLeased(first, endpointKey);
    const { fence, resendKey } = lease;
    await given.store.resendInsert({ messageKey: second, endpointKey, now: NOW, limit: 9 });
    const [one, two] = [first, second].map((messageKey) => ({ messageKey, endpointKey })) as [Place, Place];
    const ask = (place: Place, reason: 'cancelled' | 'expired') =>
      given.store.deliveryCancel({ deliveries: [place], reason, now: NOW });
    expect(await ask(one, 'cancelled')).toEqual({
      ...NOTHING,
      cancelled: [one],
      dropped: [{ ...one, fence, resendKey }],
    });
    expect(await given.store.deliveryUnlease({ leases: [lease], now: NOW })).toBe(0);
    expect(await ask(two, 'expired')).toEqual({ ...NOTHING, cancelled: [two] });
    const params = { endpointKey, dueBy: NOW, limit: 9, fence: given.fence() };
    const { claimed } = await claimDue(given.store, params);
    expect(claimed).toMatchObject([{ messageKey: second }]);
  });

  test('takes what never was for nothing', async (given) => {
    const deliveries = [{ messageKey: 7, endpointKey: 8 }];
    const cancelled = await given.store.deliveryCancel({ deliveries, reason: 'cancelled', now: NOW });
    expect(cancelled).toEqual({ cancelled: [], ...NOTHING });
  });
}

function expiries(test: ContractTest): void {
  test('does not claim what has expired, but cancels it, and what comes behind it is claimed', async (given) => {
    const { application, keys } = await given.company();
    const [endpointKey] = keys;
    const add = (expiresAt: number | null) =>
      given.accepted(application.key, keys, { message: { expiresAt } });
    const messageKeys = [await add(NOW + 5), await add(NOW + 6), await add(null), await add(NOW + 5)];
    const claim = (dueBy: number, limit = 9) =>
      claimDue(given.store, { endpointKey, dueBy, limit, fence: given.fence() });
    const { claimed, nextDueAt } = await claim(NOW + 5);
    expect(claimed.map((each) => [each.messageKey, each.expiresAt])).toEqual([
      [messageKeys[1], NOW + 6],
      [messageKeys[2], null],
    ]);
    expect(nextDueAt).toBeNull();
    for (const messageKey of [messageKeys[0], messageKeys[3]] as number[]) {
      const row = { state: 'cancelled', reason: 'expired', nextAttemptAt: null };
      expect(await given.deliveryOf({ messageKey, endpointKey })).toMatchObject(row);
    }
    expect(await given.store.deliveryCountOpen({})).toEqual({ pending: 0, sending: 2, held: 0 });
  });

  test('comes past many that expired in one claim, however few the lane may have', async (given) => {
    const { application, keys } = await given.company();
    const messages = Array.from({ length: 65 }, () =>
      given.message({ expiresAt: NOW + 1, deliveries: [delivery(keys[0])] }),
    );
    const publishes = [given.publish(application.key, ...messages)];
    await given.accept({ publishes, fence: given.fence(), now: NOW });
    const last = await given.accepted(application.key, keys);
    const params = { endpointKey: keys[0], dueBy: NOW + 1, limit: 1 };
    const first = await claimDue(given.store, { ...params, fence: given.fence() });
    expect(first).toEqual({ claimed: [], nextDueAt: NOW });
    expect(await given.store.deliveryCountOpen({})).toMatchObject({ pending: 2 });
    const { claimed } = await claimDue(given.store, { ...params, fence: given.fence() });
    expect(claimed).toMatchObject([{ messageKey: last }]);
  });

  test('takes no room for what has expired, neither of its lane nor of the call', async (given) => {
    const { application, keys } = await given.company(2);
    const add = (expiresAt: number | null, payload: string) =>
      given.accepted(application.key, keys, { message: { expiresAt, payload } });
    const large = JSON.stringify('x'.repeat(1_000));
    const good = [await add(null, large)];
    for (let count = 0; count < 5; count++) await add(NOW + 1, large);
    good.push(await add(NOW + 9, '[]'));
    const claims = await given.store.deliveryClaimDue({
      lanes: keys.map((endpointKey) => ({ endpointKey, deliveries: 9, characters: large.length + 2 })),
      ...{ characters: 2 * large.length + 4, dueBy: NOW + 1, fence: given.fence() },
    });
    for (const { claimed } of claims) expect(claimed.map(({ messageKey }) => messageKey)).toEqual(good);
  });

  test('claims a resend of what has expired: it has no time to miss', async (given) => {
    const { application, keys } = await given.company();
    const message = { expiresAt: NOW - 5 };
    const messageKey = await given.accepted(application.key, keys, { state: 'held', message });
    expect(await given.resendLeased(messageKey, keys[0])).toMatchObject({ messageKey, expiresAt: null });
  });

  test('cancels what is open of messages that expired, some at a time, each once', async (given) => {
    const { application, keys } = await given.company(3);
    const fence = given.fence();
    const [pending, sending, held] = keys as unknown as [number, number, number];
    const deliveries = [delivery(pending), delivery(sending, 'sending'), delivery(held, 'held')];
    const times = [NOW + 3, NOW + 1, null, NOW + 2, NOW + 9];
    const messages = times.map((expiresAt) => given.message({ expiresAt, deliveries }));
    const publishes = [given.publish(application.key, ...messages)];
    const [accepted] = await given.accept({ publishes, fence, now: NOW });
    const messageKeys = accepted?.kind === 'accepted' ? accepted.messageKeys : [];
    const expire = (now: number, limit = 9) => given.store.deliveryExpire({ now, limit, scan: 99 });
    expect(await expire(NOW)).toEqual({ messages: 0, more: false, ...NOTHING });
    expect(await expire(NOW + 3, 2)).toEqual({ messages: 2, more: true, ...NOTHING });
    await given.reopen();
    expect(await expire(NOW + 3, 2)).toEqual({ messages: 1, more: false, ...NOTHING });
    expect(await expire(NOW + 3, 2)).toEqual({ messages: 0, more: false, ...NOTHING });
    expect(await given.store.deliveryCountOpen({})).toEqual({ pending: 2, sending: 5, held: 2 });
    const rowsOf = async (index: number) => {
      const rows = await given.store.deliveryList({ ...given.ref(messageKeys[index] as number), ...ALL });
      return rows.map(({ state, reason, nextAttemptAt }) => ({ state, reason, nextAttemptAt }));
    };
    const row = { state: 'cancelled', reason: 'expired', nextAttemptAt: null };
    // Whoever sends it ends it.
    const sent = { state: 'sending', reason: null, nextAttemptAt: NOW };
    for (const index of [0, 1, 3]) expect(await rowsOf(index)).toEqual([row, sent, row]);
    // One that came back all the same, and was held then, is found later.
    const leases = [given.lease(messageKeys[1] as number, sending, fence)];
    await given.store.deliveryUnlease({ leases, now: NOW + 4 });
    const place = { applicationKey: application.key, endpointKey: sending, now: NOW + 4 };
    await given.store.endpointUpdate({ ...place, changes: { pausedAt: NOW + 4 } });
    await given.store.deliveryWithdraw({ endpointKey: sending, limit: 1 });
    expect((await rowsOf(1))[1]).toMatchObject({ state: 'held' });
    expect(await expire(NOW + 60_002)).toMatchObject({ messages: 1 });
    expect(await expire(NOW + 60_003)).toMatchObject({ messages: 3 });
    expect(await rowsOf(1)).toEqual([row, row, row]);
  });

  test('ends a call within a message, or behind it, when enough was looked at, and goes on from there', async (given) => {
    const { application, keys } = await given.company(5);
    const deliveries = keys.map((endpointKey) => delivery(endpointKey, 'held'));
    const messages = [1, 2, 3].map((at) => given.message({ expiresAt: NOW + at, deliveries }));
    const publishes = [given.publish(application.key, ...messages)];
    await given.accept({ publishes, fence: given.fence(), now: NOW });
    const held = async () => (await given.store.deliveryCountOpen({})).held;
    const steps = [];
    for (let more = true; more; steps.push(await held())) {
      const expired = await given.store.deliveryExpire({ now: NOW + 9, limit: 9, scan: 8 });
      more = expired.more;
    }
    expect(steps).toEqual([13, 11, 10, 8, 6, 5, 3, 1, 0, 0]);
    // What has ended is looked at, too.
    const others = messages.map((message) => ({ ...message, id: given.id('msg') }));
    const more = [given.publish(application.key, ...others)];
    const [accepted] = await given.accept({ publishes: more, fence: given.fence(), now: NOW });
    for (const messageKey of accepted?.kind === 'accepted' ? accepted.messageKeys : []) {
      const deliveries = keys.map((endpointKey) => ({ messageKey, endpointKey }));
      await given.store.deliveryCancel({ deliveries, reason: 'cancelled', now: NOW });
    }
    const looked = await given.store.deliveryExpire({ now: NOW + 9, limit: 9, scan: 6 });
    expect(looked).toEqual({ messages: 2, more: true, ...NOTHING });
  });

  test('leaves what has ended of a message that expired, and its resends', async (given) => {
    const { application, keys } = await given.company();
    const [endpointKey] = keys;
    const fence = given.fence();
    const options = { state: 'sending', fence, message: { expiresAt: NOW + 1 } } as const;
    const messageKey = await given.accepted(application.key, keys, options);
    const failed = { state: 'failed', reason: 'retries_exhausted' } as const;
    const results = [given.result(given.lease(messageKey, endpointKey, fence), failed)];
    await given.store.deliveryRecord({ results, now: NOW });
    await given.store.resendInsert({ messageKey, endpointKey, now: NOW, limit: 9 });
    expect(await given.store.deliveryExpire({ now: NOW + 1, limit: 9, scan: 99 })).toMatchObject({
      messages: 1,
    });
    expect(await given.deliveryOf({ messageKey, endpointKey })).toMatchObject(failed);
    expect(await given.store.deliveryBacklog()).toEqual([{ endpointKey, nextDueAt: 0 }]);
  });
}

interface Place {
  messageKey: number;
  endpointKey: number;
}

const STATES = ['pending', 'sending', 'succeeded', 'failed', 'held'] as const satisfies DeliveryState[];

/** A message with a delivery in every state that a record or an acceptance makes. */
async function filled(given: Given) {
  const { application, keys } = await given.company(STATES.length);
  const fence = given.fence();
  const open = ['pending', 'sending', 'sending', 'sending', 'held'] as const;
  const deliveries = keys.map((endpointKey, index) => delivery(endpointKey, open[index]));
  const publishes = [given.publish(application.key, given.message({ deliveries }))];
  const [accepted] = await given.accept({ publishes, fence, now: NOW });
  const messageKey = (accepted?.kind === 'accepted' && accepted.messageKeys[0]) as number;
  const places: Place[] = keys.map((endpointKey) => ({ messageKey, endpointKey }));
  const of = (state: (typeof STATES)[number]) => places[STATES.indexOf(state)] as Place;
  const end = (place: Place, verdict: Verdict) =>
    given.result(given.lease(messageKey, place.endpointKey, fence), verdict);
  const failed = end(of('failed'), { state: 'failed', reason: 'final_status' });
  await given.store.deliveryRecord({ results: [end(of('succeeded'), DONE), failed], now: NOW });
  return { places, of, fence };
}
