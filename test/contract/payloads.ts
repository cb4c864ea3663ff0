import { expect } from 'vitest';
import type { MessageRef } from '../../src/store/store.ts';
import { type ContractTest, claimDue, delivery, type Given, NOW } from './world.ts';

export function payloadContract(test: ContractTest): void {
  expunging(test);
  expiring(test);
}

function expunging(test: ContractTest): void {
  test('expunges a payload and nothing else of a message', async (given) => {
    const { key: applicationKey } = await given.application();
    const fields = { eventId: 'a', payload: '{"secret":1}', tags: ['x'], deliverAt: NOW + 1 };
    const message = given.message({ ...fields, payloadUntil: NOW + 2 });
    const messageKey = await given.accepted(applicationKey, [], { message });
    const kept = given.message({ payload: '{"kept":1}' });
    await given.accepted(applicationKey, [], { message: kept });
    const find = (ref: string) => given.store.messageFind({ applicationKey, ref });
    const before = await find(message.id);
    expect(await given.store.messageExpunge({ messages: [given.ref(messageKey)], now: NOW })).toEqual({
      expunged: 1,
      dropped: [],
      stored: [],
    });
    await given.reopen();
    expect(await find(message.id)).toEqual({ ...before, payload: null });
    expect(await find('a')).toEqual({ ...before, payload: null });
    expect((await find(kept.id))?.payload).toBe('{"kept":1}');
    const page = { applicationKey, limit: 9, before: null, after: null, withPayload: true };
    const { rows } = await given.store.messageList(page);
    expect(rows.map(({ payload }) => payload)).toEqual(['{"kept":1}', null]);
    const ref = given.ref(messageKey);
    // Again is no harm, nor is what never was.
    expect(
      await given.store.messageExpunge({ messages: [ref, { ...ref, messageKey: 999 }], now: NOW }),
    ).toEqual({
      expunged: 2,
      dropped: [],
      stored: [],
    });
  });

  test('cancels what is open, names what was leased, and leaves what is done', async (given) => {
    const { application, keys } = await given.company(4);
    const [pending, sending, held, done] = keys as unknown as [number, number, number, number];
    const fence = given.fence();
    const states = new Map<number, 'pending' | 'sending' | 'held'>([
      [pending, 'pending'],
      [sending, 'sending'],
      [held, 'held'],
      [done, 'sending'],
    ]);
    const deliveries = keys.map((endpointKey) => delivery(endpointKey, states.get(endpointKey)));
    const publishes = [given.publish(application.key, given.message({ deliveries }))];
    const [accepted] = await given.accept({ publishes, fence, now: NOW });
    const messageKey = (accepted?.kind === 'accepted' && accepted.messageKeys[0]) as number;
    const arrived = given.result(given.lease(messageKey, done, fence), { state: 'succeeded' });
    await given.store.deliveryRecord({ results: [arrived], now: NOW });
    const other = await given.accepted(application.key, [sending], { state: 'sending', fence });
    const { dropped } = await given.store.messageExpunge({ messages: [given.ref(messageKey)], now: NOW });
    expect(dropped).toEqual([{ messageKey, endpointKey: sending, fence, resendKey: null }]);
    for (const endpointKey of [pending, sending, held]) {
      const row = { state: 'cancelled', reason: 'payload_expunged', nextAttemptAt: null };
      expect(await given.deliveryOf({ messageKey, endpointKey })).toMatchObject(row);
    }
    const succeeded = await given.deliveryOf({ messageKey, endpointKey: done });
    expect(succeeded).toMatchObject({ state: 'succeeded', reason: null });
    expect(await given.deliveryOf({ messageKey: other, endpointKey: sending })).toMatchObject({
      state: 'sending',
    });
    // The lease is void; that it arrived all the same still counts.
    const results = [given.result(given.lease(messageKey, sending, fence), { state: 'succeeded' })];
    expect(await given.record({ results, now: NOW })).toEqual([false]);
    expect(await given.deliveryOf({ messageKey, endpointKey: sending })).toMatchObject({
      state: 'succeeded',
    });
  });

  test('removes resends, names those that were leased, and lets none be asked for any more', async (given) => {
    const { application, keys } = await given.company();
    const [endpointKey] = keys;
    const messageKeys = [await given.accepted(application.key, keys, { state: 'held' })];
    const lease = await given.resendLeased(messageKeys[0] as number, endpointKey);
    const waiting = await given.accepted(application.key, keys, { state: 'held' });
    await given.store.resendInsert({ messageKey: waiting, endpointKey, now: NOW, limit: 9 });
    const { dropped } = await given.store.messageExpunge({
      messages: refs(given, [...messageKeys, waiting]),
      now: NOW,
    });
    const { messageKey, fence, resendKey } = lease;
    expect(dropped).toEqual([{ messageKey, endpointKey, fence, resendKey }]);
    expect(await given.store.deliveryUnlease({ leases: [lease], now: NOW })).toBe(0);
    const again = await given.store.resendInsert({ messageKey: waiting, endpointKey, now: NOW, limit: 9 });
    expect(again).toBe('expunged');
    expect(await nothingDue(given, endpointKey)).toBe(true);
    expect(await given.store.deliveryBacklog()).toEqual([]);
  });

  test('ends with the message with which so many deliveries were looked at, and does that whole', async (given) => {
    const { application, keys } = await given.company(4);
    const messageKeys: number[] = [];
    for (const count of [1, 0, 4, 1, 1]) {
      messageKeys.push(await given.accepted(application.key, keys.slice(0, count)));
    }
    const expunge = async (keysLeft: number[], scan: number) =>
      (await given.store.messageExpunge({ messages: refs(given, keysLeft), scan, now: NOW })).expunged;
    expect(await expunge(messageKeys, 2)).toBe(3);
    for (const endpointKey of keys) {
      const row = await given.deliveryOf({ messageKey: messageKeys[2] as number, endpointKey });
      expect(row.state).toBe('cancelled');
    }
    expect(await given.store.deliveryCountOpen({})).toMatchObject({ pending: 2 });
    expect(await expunge(messageKeys.slice(3), 1)).toBe(1);
    expect(await expunge(messageKeys.slice(4), 9)).toBe(1);
    expect(await nothingDue(given, keys[0])).toBe(true);
  });

  test('leaves nothing that could be claimed without its payload', async (given) => {
    const { application, keys } = await given.company();
    const [endpointKey] = keys;
    const fence = given.fence();
    const messageKeys: number[] = [];
    for (const state of ['pending', 'sending', 'held'] as const) {
      messageKeys.push(await given.accepted(application.key, keys, { state, fence }));
    }
    await given.store.messageExpunge({ messages: refs(given, messageKeys), now: NOW });
    const leases = messageKeys.map((messageKey) => given.lease(messageKey, endpointKey, fence));
    await given.store.deliveryUnlease({ leases, now: NOW });
    await given.release(fence + 1);
    const later = { state: 'pending', nextAttemptAt: NOW } as const;
    await given.store.deliveryRecord({
      results: leases.map((lease) => given.result(lease, later)),
      now: NOW,
    });
    expect(await nothingDue(given, endpointKey)).toBe(true);
  });
}

function expiring(test: ContractTest): void {
  test('names messages whose own time is over, until they are expunged', async (given) => {
    const { key } = await given.application();
    const accepted = (payloadUntil: number | null) => given.accepted(key, [], { message: { payloadUntil } });
    await accepted(null);
    const [second, first] = [await accepted(NOW + 2), await accepted(NOW + 1)];
    await accepted(NOW + 9);
    const expired = (now: number, limit = 9) => given.store.messageListExpired({ now, keptSince: 0, limit });
    expect(await expired(NOW)).toEqual([]);
    expect(await expired(NOW + 1)).toEqual([given.ref(first)]);
    expect((await expired(NOW + 2)).toSorted(byKey)).toEqual(refs(given, [second, first]));
    expect(await expired(NOW + 8, 1)).toHaveLength(1);
    await given.store.messageExpunge({ messages: [given.ref(first)], now: NOW });
    await given.reopen();
    expect(await expired(NOW + 8)).toEqual([given.ref(second)]);
  });

  test('names messages made before a time, some at a time, until they are expunged', async (given) => {
    const { key } = await given.application();
    const messageKeys: number[] = [];
    for (let day = 0; day < 7; day++) {
      const message = { createdAt: NOW + day, payloadUntil: day === 5 ? NOW : null };
      messageKeys.push(await given.accepted(key, [], { message }));
    }
    const expired = async (keptSince: number, limit = 9) => {
      const named = await given.store.messageListExpired({ now: 0, keptSince, limit });
      return named.map(({ messageKey }) => messageKeys.indexOf(messageKey)).sort();
    };
    expect(await expired(NOW)).toEqual([]);
    expect(await expired(NOW + 2)).toEqual([0, 1]);
    expect(await expired(NOW + 2, 1)).toHaveLength(1);
    // One that went before its turn is passed over.
    await given.store.messageExpunge({ messages: refs(given, messageKeys).slice(1, 2), now: NOW });
    expect(await expired(NOW + 4)).toEqual([0, 2, 3]);
    await given.store.messageExpunge({ messages: refs(given, messageKeys).slice(0, 1), now: NOW });
    await given.reopen();
    expect(await expired(NOW + 4)).toEqual([2, 3]);
    await given.store.messageExpunge({ messages: refs(given, messageKeys).slice(2, 5), now: NOW });
    expect(await expired(NOW + 5)).toEqual([]);
    expect(await expired(NOW + 9)).toEqual([5, 6]);
  });

  test('names a message once that is over by both times, and never more than asked for', async (given) => {
    const { key } = await given.application();
    const expected: number[] = [];
    for (const payloadUntil of [NOW, null, NOW + 1]) {
      expected.push(await given.accepted(key, [], { message: { payloadUntil } }));
    }
    const params = { now: NOW + 5, keptSince: NOW + 5 };
    const all = await given.store.messageListExpired({ ...params, limit: 9 });
    expect(all.toSorted(byKey)).toEqual(refs(given, expected));
    for (const limit of [1, 2, 3]) {
      const named = await given.store.messageListExpired({ ...params, limit });
      expect(new Set(named.map(({ messageKey }) => messageKey)).size).toBe(limit);
      expect(named).toHaveLength(limit);
    }
  });
}

function refs(given: Given, messageKeys: readonly number[]): MessageRef[] {
  return messageKeys.map((key) => given.ref(key));
}

function byKey(one: MessageRef, other: MessageRef): number {
  return one.messageKey - other.messageKey;
}

async function nothingDue(given: Given, endpointKey: number): Promise<boolean> {
  const params = { endpointKey, dueBy: NOW + 1e9, limit: 9, fence: given.fence() };
  const { claimed, nextDueAt } = await claimDue(given.store, params);
  return claimed.length === 0 && nextDueAt === null;
}
