import { expect } from 'vitest';
import type { EndpointChanges } from '../../src/store/store.ts';
import { type ContractTest, claimDue, type Given, NOW } from './world.ts';

const STATES = ['pending', 'sending', 'held', 'pending', 'sending'] as const;

export function withdrawalContract(test: ContractTest): void {
  deletedEndpoints(test);
  disabledEndpoints(test);
}

function deletedEndpoints(test: ContractTest): void {
  test('cancels what is open for a deleted endpoint, in steps, until none is left', async (given) => {
    const { withdraw, messageKeys, gone, kept, fence, remove } = await filled(given);
    const done = given.lease(messageKeys[4] as number, gone, fence);
    await given.store.deliveryRecord({ results: [given.result(done, { state: 'succeeded' })], now: NOW });
    await remove();
    expect([await withdraw(3), await withdraw(3), await withdraw(3)]).toEqual([3, 1, 0]);
    for (const messageKey of messageKeys.slice(0, 4)) {
      const expected = { state: 'cancelled', reason: 'endpoint_deleted', nextAttemptAt: null };
      expect(await given.deliveryOf({ messageKey, endpointKey: gone })).toMatchObject(expected);
      expect(await given.deliveryOf({ messageKey, endpointKey: kept })).not.toMatchObject(expected);
    }
    expect(await given.deliveryOf(done)).toMatchObject({ state: 'succeeded', reason: null });
    expect(await given.store.deliveryCountOpen({})).toEqual({ pending: 2, sending: 2, held: 1 });
  });

  test('leaves nothing to claim, release or wait for: no resends either, leased or not', async (given) => {
    const { withdraw, messageKeys, gone, fence, remove } = await filled(given);
    const [first, second] = messageKeys as [number, number];
    await given.resendLeased(first, gone);
    await given.store.resendInsert({ messageKey: second, endpointKey: gone, now: NOW, limit: 9 });
    await remove();
    while ((await withdraw(2)) > 0);
    const params = { endpointKey: gone, dueBy: NOW, limit: 9, fence: given.fence() };
    expect(await claimDue(given.store, params)).toEqual({ claimed: [], nextDueAt: null });
    const backlog = await given.store.deliveryBacklog();
    expect(backlog.filter(({ endpointKey }) => endpointKey === gone)).toEqual([]);
    // What the other endpoint has is all that is left to release.
    expect(await given.release(fence + 100)).toBe(2);
  });

  test('names the deleted endpoints that something is still held for', async (given) => {
    const { withdraw, remove, gone } = await filled(given);
    expect(await given.store.deliveryOrphans()).toEqual([]);
    await remove();
    expect(await given.store.deliveryOrphans()).toEqual([gone]);
    await given.reopen();
    expect(await given.store.deliveryOrphans()).toEqual([gone]);
    while ((await withdraw(2)) > 0);
    expect(await given.store.deliveryOrphans()).toEqual([]);
  });

  test('takes what is open of a deleted application', async (given) => {
    const { application, keys } = await given.company();
    const messageKey = await given.accepted(application.key, keys);
    await given.store.applicationDelete({ applicationKey: application.key, now: NOW });
    expect(await given.store.deliveryWithdraw({ endpointKey: keys[0], limit: 9 })).toBe(1);
    const row = await given.deliveryOf({ messageKey, endpointKey: keys[0] });
    expect(row).toMatchObject({ state: 'cancelled', reason: 'endpoint_deleted' });
  });
}

function disabledEndpoints(test: ContractTest): void {
  test('holds what is pending for a disabled endpoint, in steps, and leaves the rest', async (given) => {
    const { withdraw, messageKeys, gone, disable } = await filled(given);
    await disable(true);
    expect([await withdraw(1), await withdraw(9), await withdraw(9)]).toEqual([1, 1, 0]);
    const states = [];
    for (const messageKey of messageKeys) {
      const { state, reason, nextAttemptAt } = await given.deliveryOf({ messageKey, endpointKey: gone });
      states.push(state);
      if (state === 'held') expect([reason, nextAttemptAt]).toEqual(['endpoint_disabled', null]);
    }
    expect(states).toEqual(['held', 'sending', 'held', 'held', 'sending']);
    expect(await given.store.deliveryCountOpen({ endpointKey: gone })).toMatchObject({ pending: 0, held: 3 });
  });

  test('holds what is pending for a paused endpoint; one that is disabled as well is that first', async (given) => {
    for (const [disabled, reason] of [
      [false, 'endpoint_paused'],
      [true, 'endpoint_disabled'],
    ] as const) {
      const { withdraw, messageKeys, gone, update } = await filled(given);
      await update({ disabled, pausedAt: NOW });
      expect([await withdraw(9), await withdraw(9)]).toEqual([2, 0]);
      for (const messageKey of [messageKeys[0], messageKeys[3]] as number[]) {
        const row = { state: 'held', reason, nextAttemptAt: null };
        expect(await given.deliveryOf({ messageKey, endpointKey: gone })).toMatchObject(row);
      }
      await update({ disabled: false, pausedAt: null });
      expect(await withdraw(9)).toBe(0);
    }
  });

  test('keeps the resends of a disabled endpoint', async (given) => {
    const { withdraw, messageKeys, gone, disable } = await filled(given);
    const messageKey = messageKeys[2] as number;
    await given.store.resendInsert({ messageKey, endpointKey: gone, now: NOW, limit: 9 });
    await disable(true);
    while ((await withdraw(9)) > 0);
    const params = { endpointKey: gone, dueBy: NOW, limit: 9, fence: given.fence() };
    const { claimed } = await claimDue(given.store, params);
    expect(claimed).toMatchObject([{ messageKey, resendKey: expect.any(Number) }]);
  });

  test('takes nothing of an endpoint that is enabled, again or still, or that never was', async (given) => {
    const { withdraw, disable } = await filled(given);
    expect(await withdraw(9)).toBe(0);
    await disable(true);
    await disable(false);
    expect(await withdraw(9)).toBe(0);
    expect(await given.store.deliveryWithdraw({ endpointKey: 99, limit: 9 })).toBe(0);
    expect(await given.store.deliveryCountOpen({})).toEqual({ pending: 4, sending: 4, held: 2 });
  });
}

/** Five messages, each to two endpoints: one of every open state. */
async function filled(given: Given) {
  const { application, keys } = await given.company(2);
  const [gone, kept] = keys as unknown as [number, number];
  const fence = given.fence();
  const messageKeys: number[] = [];
  for (const state of STATES) messageKeys.push(await given.accepted(application.key, keys, { state, fence }));
  const place = { applicationKey: application.key, endpointKey: gone, now: NOW };
  return {
    ...{ gone, kept, fence, messageKeys },
    withdraw: (limit: number) => given.store.deliveryWithdraw({ endpointKey: gone, limit }),
    remove: () => given.store.endpointDelete(place),
    disable: (disabled: boolean) => given.store.endpointUpdate({ ...place, changes: { disabled } }),
    update: (changes: EndpointChanges) => given.store.endpointUpdate({ ...place, changes }),
  };
}
