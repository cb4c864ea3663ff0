import { expect } from 'vitest';
import { type ContractTest, NOW } from './world.ts';

const NOTHING = { pending: 0, sending: 0, held: 0, failed: 0, oldestDueAt: null };

export function backlogCountContract(test: ContractTest): void {
  test('counts what is left to do, of an endpoint, an application and all, up to a limit', async (given) => {
    const [one, other] = [await given.company(2), await given.company()];
    const { key: applicationKey } = one.application;
    const [first, second] = one.keys as unknown as [number, number];
    const of = (of: { applicationKey?: number; endpointKey?: number }, limit = 100, now = NOW) =>
      given.store.deliveryBacklogCount({ of, limit, now });
    for (const each of [{}, { applicationKey }, { applicationKey, endpointKey: first }])
      expect(await of(each)).toEqual(NOTHING);

    const accept = (key: number, state: 'pending' | 'sending' | 'held', now: number) =>
      given.accepted(applicationKey, [key], { state, now, fence: given.fence() });
    for (const after of [5, 3, 4]) await accept(first, 'pending', NOW + after);
    await accept(second, 'pending', NOW + 1);
    await accept(second, 'held', NOW);
    await given.accepted(other.application.key, other.keys, { now: NOW - 7 });
    const fence = given.fence();
    const options = { state: 'sending' as const, fence, now: NOW + 2 };
    const sending = await given.accepted(applicationKey, [first], options);
    const counts = { pending: 3, sending: 1, held: 0, failed: 0 };
    expect(await of({ endpointKey: first }, 100, NOW + 9)).toEqual({ ...counts, oldestDueAt: NOW + 2 });
    expect(await of({ endpointKey: first }, 2, NOW + 1)).toEqual({
      ...counts,
      pending: 2,
      oldestDueAt: null,
    });
    const application = { ...counts, pending: 4, held: 1, oldestDueAt: NOW + 1 };
    expect(await of({ applicationKey }, 100, NOW + 9)).toEqual(application);
    expect(await of({}, 100, NOW + 9)).toEqual({ ...application, pending: 5, oldestDueAt: NOW - 7 });
    expect(await of({}, 3, NOW + 9)).toMatchObject({ pending: 3, sending: 1 });

    const failed = { state: 'failed' as const, reason: 'retries_exhausted' as const };
    const results = [given.result(given.lease(sending, first, fence), failed)];
    await given.record({ results, now: NOW });
    const then = { ...counts, sending: 0, failed: 1, oldestDueAt: NOW + 3 };
    expect(await of({ endpointKey: first }, 100, NOW + 9)).toEqual(then);
    expect(await of({ applicationKey }, 100, NOW + 9)).toMatchObject({ failed: 1, sending: 0 });
    expect(await of({}, 100, NOW + 9)).toMatchObject({ failed: 1, sending: 0 });
  });

  test('counts what waits behind another as pending, and what failed before it', async (given) => {
    const { application, keys } = await given.company();
    for (let count = 0; count < 3; count++)
      await given.accepted(application.key, keys, { orderKey: 'line', now: NOW + count });
    for (const of of [{}, { applicationKey: application.key }, { endpointKey: keys[0] }]) {
      const counted = await given.store.deliveryBacklogCount({ of, limit: 9, now: NOW });
      expect(counted).toEqual({ ...NOTHING, pending: 3, oldestDueAt: NOW });
    }
  });
}
