import { expect } from 'vitest';
import type { LeasedDelivery } from '../../src/model/lease.ts';
import { ALL, type ContractTest, claimDue, type Given, NOW } from './world.ts';

export function deliveryContract(test: ContractTest): void {
  claims(test);
  backlogs(test);
  releases(test);
  returns(test);
  lists(test);
}

function claims(test: ContractTest): void {
  test('are claimed earliest first, those due together in the order they were accepted', async (given) => {
    const { application, keys } = await given.company();
    const messageKeys: number[] = [];
    for (const delay of [30, 10, 20, 10]) {
      messageKeys.push(await given.accepted(application.key, keys, { now: NOW + delay }));
    }
    const { claimed, nextDueAt } = await claim(given, keys[0], { dueBy: NOW + 30 });
    const order = claimed.map(({ messageKey }) => messageKeys.indexOf(messageKey));
    expect(order).toEqual([1, 3, 2, 0]);
    expect(nextDueAt).toBeNull();
  });

  test('are claimed with all that sending them takes', async (given) => {
    const { application, keys } = await given.company();
    const message = given.message({ payload: '{"a": 1}' });
    const messageKey = await given.accepted(application.key, keys, { message: { ...message }, now: NOW + 3 });
    const fence = given.fence();
    const { claimed } = await claim(given, keys[0], { dueBy: NOW + 3, fence });
    const { id: messageId, payload } = message;
    const lease = given.lease(messageKey, keys[0], fence);
    expect(claimed).toEqual([
      {
        ...{ ...lease, messageId, payload, attemptCount: 0, nextAttemptAt: NOW + 3 },
        ...{ expiresAt: null, orderKey: null, announced: false },
      },
    ]);
    const done = [given.result(lease, { state: 'succeeded' })];
    expect(await given.record({ results: done, now: NOW })).toEqual([true]);
  });

  test('are claimed up to the limit and the time; the next one is announced', async (given) => {
    const { application, keys } = await given.company();
    for (const delay of [0, 1, 2, 60]) await given.accepted(application.key, keys, { now: NOW + delay });
    const first = await claim(given, keys[0], { dueBy: NOW + 2, limit: 2 });
    expect([first.claimed.length, first.nextDueAt]).toEqual([2, NOW + 2]);
    const second = await claim(given, keys[0], { dueBy: NOW + 2 });
    expect([second.claimed.length, second.nextDueAt]).toEqual([1, NOW + 60]);
    const third = await claim(given, keys[0], { dueBy: NOW + 59 });
    expect([third.claimed.length, third.nextDueAt]).toEqual([0, NOW + 60]);
    const none = await claim(given, keys[0], { dueBy: NOW + 60, limit: 0 });
    expect([none.claimed.length, none.nextDueAt]).toEqual([0, NOW + 60]);
  });

  test('are not claimed twice, nor when held or leased at once', async (given) => {
    const { application, keys } = await given.company();
    const pending = await given.accepted(application.key, keys);
    await given.accepted(application.key, keys, { state: 'held' });
    await given.accepted(application.key, keys, { state: 'sending' });
    const first = await claim(given, keys[0]);
    expect(first.claimed.map(({ messageKey }) => messageKey)).toEqual([pending]);
    await given.reopen();
    expect(await claim(given, keys[0])).toEqual({ claimed: [], nextDueAt: null });
  });

  test('are claimed for one endpoint', async (given) => {
    const { application, keys } = await given.company(2);
    await given.accepted(application.key, keys);
    const other = await given.accepted(application.key, [keys[1] as number]);
    expect((await claim(given, keys[0])).claimed).toHaveLength(1);
    const { claimed } = await claim(given, keys[1] as number);
    expect(claimed.map(({ endpointKey }) => endpointKey)).toEqual([keys[1], keys[1]]);
    expect(claimed[1]?.messageKey).toBe(other);
    expect(await claim(given, 99)).toEqual({ claimed: [], nextDueAt: null });
  });
}

function backlogs(test: ContractTest): void {
  test('make a backlog: per endpoint with pending ones, when the first is due', async (given) => {
    const { application, keys } = await given.company(4);
    const [early, late, leased, held] = keys as unknown as [number, number, number, number];
    expect(await given.store.deliveryBacklog()).toEqual([]);
    await given.accepted(application.key, [early, late], { now: NOW + 9 });
    await given.accepted(application.key, [early], { now: NOW + 2 });
    await given.accepted(application.key, [leased], { state: 'sending' });
    await given.accepted(application.key, [held], { state: 'held' });
    const backlog = async () =>
      (await given.store.deliveryBacklog()).sort((a, b) => a.endpointKey - b.endpointKey);
    expect(await backlog()).toEqual([
      { endpointKey: early, nextDueAt: NOW + 2 },
      { endpointKey: late, nextDueAt: NOW + 9 },
    ]);
    await claim(given, early, { dueBy: NOW + 100 });
    expect(await backlog()).toEqual([{ endpointKey: late, nextDueAt: NOW + 9 }]);
  });
}

function releases(test: ContractTest): void {
  test('under way when a process ended are released to the next one, and no others', async (given) => {
    const { application, keys } = await given.company(2);
    const [mine, other] = keys as unknown as [number, number];
    await given.accepted(application.key, [mine], { now: NOW + 5 });
    const { claimed } = await claim(given, mine, { dueBy: NOW + 5 });
    await given.accepted(application.key, [other], { state: 'sending' });
    await given.reopen();
    const fence = given.fence();
    const fresh = await given.accepted(application.key, [mine], { state: 'sending', fence });
    expect(await given.releaseEarlier()).toBe(2);
    expect(await given.releaseEarlier()).toBe(0);
    expect(await given.store.deliveryCountOpen({})).toEqual({ pending: 2, sending: 1, held: 0 });
    // The lease of the old process is void, that of the new one holds, and the due time stays.
    const old = claimed.map((lease) => given.result(lease, { state: 'succeeded' }));
    expect(await given.record({ results: old, now: NOW })).toEqual([false]);
    const again = await claim(given, mine, { dueBy: NOW + 5 });
    expect(again.claimed).toMatchObject([{ messageKey: claimed[0]?.messageKey, nextAttemptAt: NOW + 5 }]);
    const results = [given.result(given.lease(fresh, mine, fence), { state: 'succeeded' })];
    expect(await given.record({ results, now: NOW })).toEqual([true]);
  });

  test('are released below the fence, not at it', async (given) => {
    const { application, keys } = await given.company();
    const fence = given.fence();
    await given.accepted(application.key, keys, { state: 'sending', fence });
    expect(await given.release(fence)).toBe(0);
    expect(await given.release(fence + 1)).toBe(1);
  });
}

function returns(test: ContractTest): void {
  test('that are given back are pending, due when they were, and their leases are void', async (given) => {
    const { application, keys } = await given.company();
    for (const delay of [1, 2]) await given.accepted(application.key, keys, { now: NOW + delay });
    const { claimed } = await claim(given, keys[0], { dueBy: NOW + 9 });
    const [first, second] = claimed as [LeasedDelivery, LeasedDelivery];
    const stale = { ...second, fence: second.fence - 1 };
    expect(await given.store.deliveryUnlease({ leases: [first, stale], now: NOW })).toBe(1);
    expect(await given.store.deliveryUnlease({ leases: [first], now: NOW })).toBe(0);
    expect(await given.store.deliveryUnlease({ leases: [], now: NOW })).toBe(0);
    expect(await given.deliveryOf(first)).toMatchObject({ state: 'pending', nextAttemptAt: NOW + 1 });
    expect(await given.deliveryOf(second)).toMatchObject({ state: 'sending', nextAttemptAt: NOW + 2 });
    const results = [given.result(first, { state: 'succeeded' })];
    expect(await given.record({ results, now: NOW })).toEqual([false]);
    expect((await claim(given, keys[0], { dueBy: NOW + 9 })).claimed).toHaveLength(1);
  });
}

function lists(test: ContractTest): void {
  test('are listed with their endpoints, deleted ones too', async (given) => {
    const { application, keys } = await given.company(2);
    const [live, deleted] = keys as unknown as [number, number];
    const messageKey = await given.accepted(application.key, keys);
    await given.accepted(application.key, keys);
    const before = await given.store.endpointFindByKey({ endpointKey: deleted });
    await given.store.endpointDelete({ applicationKey: application.key, endpointKey: deleted, now: NOW });
    const listed = await given.store.deliveryList({ ...given.ref(messageKey), ...ALL });
    const row = { messageKey, attemptCount: 0, orderKey: null, reason: null };
    const open = { ...row, state: 'pending', nextAttemptAt: NOW };
    const endpoint = await given.store.endpointFindByKey({ endpointKey: live });
    expect(listed).toEqual([
      { ...open, endpointKey: live, endpoint, endpointDeleted: false },
      {
        ...open,
        endpointKey: deleted,
        endpoint: expect.objectContaining({ id: before?.id }),
        endpointDeleted: true,
      },
    ]);
    expect(
      await given.store.deliveryList({ applicationKey: application.key, messageKey: 999, ...ALL }),
    ).toEqual([]);
  });

  test('are listed by endpoint between exclusive bounds', async (given) => {
    const { application, keys } = await given.company(6);
    const messageKey = await given.accepted(application.key, keys.toReversed());
    const page = async (before: number | null, after: number | null, limit = 10) => {
      const at = (index: number | null) => (index === null ? null : (keys[index] as number));
      const bounds = { before: at(before), after: at(after) };
      const listed = await given.store.deliveryList({ ...given.ref(messageKey), limit, ...bounds });
      return listed.map(({ endpointKey }) => keys.indexOf(endpointKey));
    };
    expect(await page(null, null)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(await page(null, null, 2)).toEqual([0, 1]);
    expect(await page(null, 1, 2)).toEqual([2, 3]);
    expect(await page(4, null, 2)).toEqual([2, 3]);
    expect(await page(4, 0, 2)).toEqual([1, 2]);
    expect(await page(0, null)).toEqual([]);
  });

  test('are found by message and endpoint, as far as they exist', async (given) => {
    const { application, keys } = await given.company(2);
    const [endpointKey, other] = keys as unknown as [number, number];
    const held = await given.accepted(application.key, [endpointKey], { state: 'held' });
    const elsewhere = await given.accepted(application.key, [other]);
    const pending = await given.accepted(application.key, keys);
    const messageKeys = [pending, elsewhere, held, 999];
    const found = await given.store.deliveryFind({ endpointKey, messageKeys });
    const row = { endpointKey, attemptCount: 0, orderKey: null, reason: null };
    expect(found.toSorted((one, two) => one.messageKey - two.messageKey)).toEqual([
      { ...row, messageKey: held, state: 'held', nextAttemptAt: null, reason: 'endpoint_disabled' },
      { ...row, messageKey: pending, state: 'pending', nextAttemptAt: NOW },
    ]);
    expect(await given.store.deliveryFind({ endpointKey, messageKeys: [] })).toEqual([]);
  });

  test('are counted by state while they are open, over all endpoints or of one', async (given) => {
    const { application, keys: all } = await given.company(2);
    const keys = [all[0]];
    const other = all[1] as number;
    expect(await given.store.deliveryCountOpen({})).toEqual({ pending: 0, sending: 0, held: 0 });
    for (const state of ['pending', 'pending', 'pending', 'held', 'held', 'sending'] as const) {
      await given.accepted(application.key, keys, { state });
    }
    await given.accepted(application.key, [other]);
    await given.accepted(application.key, [other], { state: 'held' });
    expect(await given.store.deliveryCountOpen({})).toEqual({ pending: 4, sending: 1, held: 3 });
    const capped = await given.store.deliveryCountOpen({ limit: 2 });
    expect(capped).toEqual({ pending: 2, sending: 1, held: 2 });
    const of = (endpointKey: number) => given.store.deliveryCountOpen({ endpointKey });
    expect(await of(all[0])).toEqual({ pending: 3, sending: 1, held: 2 });
    expect(await of(other)).toEqual({ pending: 1, sending: 0, held: 1 });
    expect(await of(99)).toEqual({ pending: 0, sending: 0, held: 0 });
  });

  test('count as pending while their retry waits in memory, for who says the time', async (given) => {
    const { application, keys } = await given.company();
    const fence = given.fence();
    const messageKey = await given.accepted(application.key, keys, { state: 'sending', fence });
    await given.accepted(application.key, keys, { state: 'sending' });
    const verdict = { state: 'pending', nextAttemptAt: NOW + 9 } as const;
    const results = [{ ...given.result(given.lease(messageKey, keys[0], fence), verdict), keepLease: true }];
    await given.store.deliveryRecord({ results, now: NOW });
    const count = (now?: number) =>
      given.store.deliveryCountOpen({ endpointKey: keys[0], ...(now !== undefined && { now }) });
    expect(await count()).toEqual({ pending: 0, sending: 2, held: 0 });
    expect(await count(NOW + 8)).toEqual({ pending: 1, sending: 1, held: 0 });
    expect(await count(NOW + 9)).toEqual({ pending: 0, sending: 2, held: 0 });
  });
}

function claim(
  given: Given,
  endpointKey: number,
  options: { dueBy?: number; limit?: number; fence?: number } = {},
) {
  const { dueBy = NOW, limit = 100, fence = given.fence() } = options;
  return claimDue(given.store, { endpointKey, dueBy, limit, fence });
}
