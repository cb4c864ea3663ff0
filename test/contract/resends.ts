import { expect } from 'vitest';
import type { Verdict } from '../../src/model/delivery.ts';
import { ALL, type ContractTest, claimDue, type Given, NOW } from './world.ts';

const FAILED: Verdict = { state: 'failed', reason: 'retries_exhausted' };
const DONE: Verdict = { state: 'succeeded' };
const LATER: Verdict = { state: 'pending', nextAttemptAt: NOW + 60_000 };

export function resendContract(test: ContractTest): void {
  requests(test);
  claims(test);
  leases(test);
  arrivals(test);
}

function requests(test: ContractTest): void {
  test('wait, over reopening, until they are claimed, with all that sending takes', async (given) => {
    const { application, keys } = await given.company();
    const message = given.message({ payload: '{"a": 1}' });
    const messageKey = await failed(given, application.key, keys[0], message);
    expect(await ask(given, messageKey, keys[0], NOW + 5)).toBe('waits');
    await given.reopen();
    const fence = given.fence();
    const { claimed, nextDueAt } = await claim(given, keys[0], NOW + 5, { fence });
    const { id: messageId, payload } = message;
    const resendKey = claimed[0]?.resendKey;
    expect(resendKey).toEqual(expect.any(Number));
    const lease = { messageKey, endpointKey: keys[0], fence, resendKey };
    const sent = { messageId, payload, attemptCount: 0, nextAttemptAt: 0 };
    const nothing = { expiresAt: null, orderKey: null, announced: false };
    expect(claimed).toEqual([{ ...lease, ...sent, ...nothing }]);
    expect(nextDueAt).toBeNull();
    expect(await claim(given, keys[0], NOW + 5)).toEqual({ claimed: [], nextDueAt: null });
  });

  test('are asked for once while one waits, and again after its attempt', async (given) => {
    const { application, keys } = await given.company();
    const messageKey = await failed(given, application.key, keys[0]);
    for (let count = 0; count < 3; count++) {
      expect(await ask(given, messageKey, keys[0], NOW + count, 1)).toBe('waits');
    }
    const { claimed } = await claim(given, keys[0], NOW + 9);
    expect(claimed).toMatchObject([{ messageKey }]);
    await given.store.deliveryRecord({
      results: claimed.map((lease) => given.result(lease, FAILED)),
      now: NOW,
    });
    expect((await claim(given, keys[0], NOW + 9)).claimed).toEqual([]);
    await ask(given, messageKey, keys[0], NOW + 4);
    expect((await claim(given, keys[0], NOW + 9)).claimed).toMatchObject([{ messageKey }]);
  });

  test('are asked for again while one is under way: that happens too, over a crash as well', async (given) => {
    const { application, keys } = await given.company();
    const messageKey = await failed(given, application.key, keys[0]);
    const first = await given.resendLeased(messageKey, keys[0]);
    for (let count = 0; count < 2; count++) {
      expect(await ask(given, messageKey, keys[0], NOW, 2)).toBe('waits');
    }
    const { claimed } = await claim(given, keys[0]);
    expect(claimed).toMatchObject([{ messageKey, resendKey: expect.any(Number) }]);
    expect(claimed[0]?.resendKey).not.toBe(first.resendKey);
    expect(await ask(given, messageKey, keys[0], NOW, 2)).toBe('limit');
    const results = [given.result(first, FAILED)];
    expect(await given.record({ results, now: NOW })).toEqual([true]);
    await given.reopen();
    await given.releaseEarlier();
    const again = (await claim(given, keys[0])).claimed;
    expect(again).toMatchObject([{ messageKey, resendKey: claimed[0]?.resendKey }]);
    const arrived = again.map((lease) => given.result(lease, DONE));
    expect(await given.record({ results: arrived, now: NOW })).toEqual([true]);
    expect(await claim(given, keys[0])).toEqual({ claimed: [], nextDueAt: null });
  });

  test('that are given back while another waits are both sent', async (given) => {
    const { application, keys } = await given.company();
    const messageKey = await failed(given, application.key, keys[0]);
    const first = await given.resendLeased(messageKey, keys[0]);
    await ask(given, messageKey, keys[0]);
    expect(await given.store.deliveryUnlease({ leases: [first], now: NOW })).toBe(1);
    const { claimed } = await claim(given, keys[0]);
    expect(claimed.map((lease) => [lease.messageKey, lease.resendKey === first.resendKey])).toEqual([
      [messageKey, true],
      [messageKey, false],
    ]);
  });

  test('are limited in number for an endpoint', async (given) => {
    const { application, keys } = await given.company(2);
    const [one, other] = keys as unknown as [number, number];
    const [first, second] = [
      await failed(given, application.key, one),
      await failed(given, application.key, one),
    ];
    expect(await ask(given, first, one, NOW, 1)).toBe('waits');
    expect(await ask(given, second, one, NOW, 1)).toBe('limit');
    const elsewhere = await failed(given, application.key, other);
    expect(await ask(given, elsewhere, other, NOW, 1)).toBe('waits');
    expect((await claim(given, one)).claimed.map(({ messageKey }) => messageKey)).toEqual([first]);
  });
}

function claims(test: ContractTest): void {
  test('go before what is due by schedule, as they were asked for, and count as deliveries', async (given) => {
    const { application, keys } = await given.company();
    const [endpointKey] = keys;
    const resent: number[] = [];
    // Whatever the clock said: it may have been set back meanwhile.
    for (const delay of [3_600_000, 1, 9]) {
      const messageKey = await failed(given, application.key, endpointKey);
      await ask(given, messageKey, endpointKey, NOW + delay);
      resent.push(messageKey);
    }
    const scheduled = await given.accepted(application.key, keys, { now: NOW + 5 });
    const next = async (dueBy: number, limit: number) => {
      const { claimed, nextDueAt } = await claim(given, endpointKey, dueBy, { limit });
      return [claimed.map(({ messageKey }) => resent.indexOf(messageKey)), nextDueAt];
    };
    expect(await next(NOW, 0)).toEqual([[], 0]);
    expect(await next(NOW, 1)).toEqual([[0], 0]);
    expect(await next(NOW, 9)).toEqual([[1, 2], NOW + 5]);
    await ask(given, resent[0] as number, endpointKey);
    expect(await next(NOW + 5, 9)).toEqual([[0, -1], null]);
    expect(await given.deliveryOf({ messageKey: scheduled, endpointKey })).toMatchObject({
      state: 'sending',
    });
  });

  test('fill the room of a lane and of the call', async (given) => {
    const { application, keys } = await given.company(2);
    const [one, other] = keys as unknown as [number, number];
    const sized = (payload: string) => given.message({ payload });
    for (const endpointKey of [one, other]) {
      for (const payload of ['{"long":"12345"}', '{"b":1}']) {
        await ask(given, await failed(given, application.key, endpointKey, sized(payload)), endpointKey);
      }
      await given.accepted(application.key, [endpointKey], { message: { payload: '{}' } });
    }
    const take = async (laneCharacters: number, characters: number) => {
      const lanes = keys.map((endpointKey) => ({ endpointKey, deliveries: 9, characters: laneCharacters }));
      const params = { lanes, characters, dueBy: NOW, fence: given.fence() };
      const claims = await given.store.deliveryClaimDue(params);
      const leases = claims.flatMap(({ claimed }) => claimed);
      await given.store.deliveryUnlease({ leases, now: NOW });
      expect(claims.map(({ nextDueAt }) => nextDueAt)).toEqual(
        claims.map(({ claimed }) => [0, 0, NOW, null][claimed.length]),
      );
      return claims.map(({ claimed }) => claimed.map(({ payload }) => payload.length));
    };
    // The first is taken whatever its size, and what finds no room ends the lane's turn.
    expect(await take(1, 1_000)).toEqual([[16], [16]]);
    expect(await take(18, 1_000)).toEqual([[16], [16]]);
    expect(await take(23, 1_000)).toEqual([
      [16, 7],
      [16, 7],
    ]);
    expect(await take(25, 1_000)).toEqual([
      [16, 7, 2],
      [16, 7, 2],
    ]);
    expect(await take(1_000, 16)).toEqual([[16], []]);
    expect(await take(1_000, 26)).toEqual([[16, 7, 2], [16]]);
  });

  test('are in the backlog', async (given) => {
    const { application, keys } = await given.company(3);
    const [both, resendOnly] = keys as unknown as [number, number];
    await ask(given, await failed(given, application.key, both), both, NOW + 7);
    await given.accepted(application.key, [both], { now: NOW + 2 });
    const messageKey = await failed(given, application.key, resendOnly);
    await ask(given, messageKey, resendOnly, NOW + 4);
    const backlog = async () =>
      (await given.store.deliveryBacklog()).toSorted((a, b) => a.endpointKey - b.endpointKey);
    const first = { endpointKey: both, nextDueAt: 0 };
    expect(await backlog()).toEqual([first, { endpointKey: resendOnly, nextDueAt: 0 }]);
    await claim(given, resendOnly, NOW + 4);
    expect(await backlog()).toEqual([first]);
    await claim(given, both, NOW + 1);
    expect(await backlog()).toEqual([{ endpointKey: both, nextDueAt: NOW + 2 }]);
  });
}

function leases(test: ContractTest): void {
  test('are given back, and their leases are void then', async (given) => {
    const { application, keys } = await given.company();
    const messageKey = await failed(given, application.key, keys[0]);
    const lease = await given.resendLeased(messageKey, keys[0]);
    const stale = { ...lease, fence: lease.fence - 1 };
    expect(await given.store.deliveryUnlease({ leases: [stale], now: NOW })).toBe(0);
    expect(await given.store.deliveryUnlease({ leases: [lease], now: NOW })).toBe(1);
    expect(await given.store.deliveryUnlease({ leases: [lease], now: NOW })).toBe(0);
    const results = [given.result(lease, DONE)];
    expect(await given.record({ results, now: NOW })).toEqual([false]);
    expect(await given.deliveryOf(lease)).toMatchObject({ state: 'failed' });
    const { claimed } = await claim(given, keys[0]);
    expect(claimed).toMatchObject([{ messageKey, resendKey: lease.resendKey, nextAttemptAt: 0 }]);
  });

  test('are released when their process ended', async (given) => {
    const { application, keys } = await given.company(2);
    const [one, other] = keys as unknown as [number, number];
    const old = await given.resendLeased(await failed(given, application.key, one), one);
    await given.reopen();
    const fresh = await given.resendLeased(await failed(given, application.key, other), other);
    expect(await given.releaseEarlier()).toBe(1);
    expect(await given.releaseEarlier()).toBe(0);
    const results = [old, fresh].map((lease) => given.result(lease, DONE));
    expect(await given.record({ results, now: NOW })).toEqual([false, true]);
    expect((await claim(given, one)).claimed).toMatchObject([{ messageKey: old.messageKey }]);
  });
}

function arrivals(test: ContractTest): void {
  test('leave a delivery as it is when they fail, and are gone', async (given) => {
    const { application, keys } = await given.company();
    const retrying = await given.accepted(application.key, keys, { now: NOW + 60_000 });
    const lost = await failed(given, application.key, keys[0]);
    for (const messageKey of [retrying, lost]) {
      for (const verdict of [FAILED, LATER]) {
        const lease = await given.resendLeased(messageKey, keys[0]);
        const before = await given.deliveryOf(lease);
        const result = given.result(lease, verdict, { number: 0, trigger: 'manual' });
        const results = [{ ...result, keepLease: true }];
        expect(await given.record({ results, now: NOW })).toEqual([true]);
        expect(await given.record({ results: [given.result(lease, FAILED)], now: NOW })).toEqual([false]);
        expect(await given.deliveryOf(lease)).toEqual(before);
        const { rows } = await given.store.attemptList({ ...given.ref(messageKey), ...ALL });
        expect(rows).toContainEqual(expect.objectContaining({ id: result.attempt.id, trigger: 'manual' }));
      }
    }
    expect(await claim(given, keys[0], NOW)).toEqual({ claimed: [], nextDueAt: NOW + 60_000 });
  });

  test('make a delivery succeeded when they arrive, whatever it was', async (given) => {
    const { application, keys } = await given.company();
    const messageKeys = [await failed(given, application.key, keys[0])];
    for (const state of ['pending', 'held'] as const) {
      messageKeys.push(await given.accepted(application.key, keys, { state, now: NOW + 60_000 }));
    }
    for (const messageKey of messageKeys) {
      const lease = await given.resendLeased(messageKey, keys[0]);
      const results = [given.result(lease, DONE, { number: 0 })];
      expect(await given.record({ results, now: NOW })).toEqual([true]);
      const arrived = { state: 'succeeded', reason: null, nextAttemptAt: null };
      expect(await given.deliveryOf(lease)).toMatchObject(arrived);
    }
    expect(await given.store.deliveryCountOpen({})).toEqual({ pending: 0, sending: 0, held: 0 });
    expect(await given.store.deliveryBacklog()).toEqual([]);
  });

  test('void the lease of a delivery that is under way as they arrive', async (given) => {
    const { application, keys } = await given.company();
    const fence = given.fence();
    const messageKey = await given.accepted(application.key, keys, { state: 'sending', fence });
    const lease = await given.resendLeased(messageKey, keys[0]);
    const results = [given.result(lease, DONE, { number: 0 })];
    const dropped = [{ messageKey, endpointKey: keys[0], fence, resendKey: null }];
    expect(await given.store.deliveryRecord({ results, now: NOW })).toEqual({ held: [true], dropped });
    const scheduled = given.result(given.lease(messageKey, keys[0], fence), LATER);
    expect(await given.record({ results: [scheduled], now: NOW })).toEqual([false]);
    expect(await given.deliveryOf(lease)).toMatchObject({ state: 'succeeded', nextAttemptAt: null });
  });

  test('that arrive after they were removed still count for a cancelled delivery', async (given) => {
    const { application, keys } = await given.company();
    const messageKey = await given.accepted(application.key, keys, { now: NOW + 60_000 });
    const lease = await given.resendLeased(messageKey, keys[0]);
    await given.store.messageExpunge({ messages: [given.ref(messageKey)], now: NOW });
    expect(await given.record({ results: [given.result(lease, FAILED)], now: NOW })).toEqual([false]);
    expect(await given.deliveryOf(lease)).toMatchObject({ state: 'cancelled' });
    expect(await given.record({ results: [given.result(lease, DONE)], now: NOW })).toEqual([false]);
    expect(await given.deliveryOf(lease)).toMatchObject({ state: 'succeeded', reason: null });
  });
}

/** A message whose delivery used up its tries. */
async function failed(given: Given, applicationKey: number, endpointKey: number, message = given.message()) {
  const fence = given.fence();
  const options = { state: 'sending' as const, fence, message };
  const messageKey = await given.accepted(applicationKey, [endpointKey], options);
  const results = [given.result(given.lease(messageKey, endpointKey, fence), FAILED)];
  await given.store.deliveryRecord({ results, now: NOW });
  return messageKey;
}

function ask(given: Given, messageKey: number, endpointKey: number, now = NOW, limit = 100) {
  return given.store.resendInsert({ messageKey, endpointKey, now, limit });
}

function claim(
  given: Given,
  endpointKey: number,
  dueBy = NOW,
  { limit = 100, fence = given.fence() }: { limit?: number; fence?: number } = {},
) {
  return claimDue(given.store, { endpointKey, dueBy, limit, fence });
}
