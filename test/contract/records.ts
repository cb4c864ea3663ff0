import { expect } from 'vitest';
import type { Verdict } from '../../src/model/delivery.ts';
import type { AttemptResult } from '../../src/store/store.ts';
import { ALL, type ContractTest, claimDue, type Given, NOW } from './world.ts';

type Lease = AttemptResult['lease'];

const DONE: Verdict = { state: 'succeeded' };
const LATER: Verdict = { state: 'pending', nextAttemptAt: NOW + 60_000 };

export function recordContract(test: ContractTest): void {
  verdicts(test);
  fences(test);
  stops(test);
}

function verdicts(test: ContractTest): void {
  const ended: [Verdict, object][] = [
    [DONE, { state: 'succeeded', reason: null }],
    [
      { state: 'failed', reason: 'retries_exhausted' },
      { state: 'failed', reason: 'retries_exhausted' },
    ],
    [
      { state: 'failed', reason: 'final_status' },
      { state: 'failed', reason: 'final_status' },
    ],
  ];
  for (const [verdict, expected] of ended) {
    test(`ends a delivery: ${Object.values(verdict).join(', ')}`, async (given) => {
      const lease = await leased(given);
      const results = [given.result(lease, verdict, { number: 3 })];
      expect(await given.record({ results, now: NOW })).toEqual([true]);
      await given.reopen();
      const row = { ...expected, attemptCount: 3, nextAttemptAt: null };
      expect(await given.deliveryOf(lease)).toMatchObject(row);
      expect(await given.store.deliveryCountOpen({})).toEqual({ pending: 0, sending: 0, held: 0 });
      const again = [given.result(lease, DONE, { number: 4 })];
      expect(await given.record({ results: again, now: NOW })).toEqual([false]);
      expect(await given.deliveryOf(lease)).toMatchObject(row);
    });
  }

  test('puts a retry back: pending, due later, with its attempts counted', async (given) => {
    const lease = await leased(given);
    await given.store.deliveryRecord({ results: [given.result(lease, LATER, { number: 2 })], now: NOW });
    const row = { state: 'pending', attemptCount: 2, nextAttemptAt: NOW + 60_000, reason: null };
    expect(await given.deliveryOf(lease)).toMatchObject(row);
    const params = { endpointKey: lease.endpointKey, limit: 9, fence: given.fence() };
    const early = await claimDue(given.store, { ...params, dueBy: NOW + 59_999 });
    expect(early).toEqual({ claimed: [], nextDueAt: NOW + 60_000 });
    const { claimed } = await claimDue(given.store, { ...params, dueBy: NOW + 60_000 });
    expect(claimed).toMatchObject([{ attemptCount: 2, nextAttemptAt: NOW + 60_000 }]);
  });

  test('keeps the lease of a retry that waits in memory', async (given) => {
    const lease = await leased(given);
    const kept = { ...given.result(lease, LATER), keepLease: true };
    expect(await given.record({ results: [kept], now: NOW })).toEqual([true]);
    expect(await given.deliveryOf(lease)).toMatchObject({ state: 'sending', nextAttemptAt: NOW + 60_000 });
    const params = { endpointKey: lease.endpointKey, limit: 9, fence: given.fence(), dueBy: NOW + 60_000 };
    expect(await claimDue(given.store, params)).toEqual({ claimed: [], nextDueAt: null });
    const second = [given.result(lease, DONE, { number: 2 })];
    expect(await given.record({ results: second, now: NOW })).toEqual([true]);
    expect(await given.deliveryOf(lease)).toMatchObject({ state: 'succeeded', attemptCount: 2 });
  });

  test('releases a retry that waited in memory when its process ended', async (given) => {
    const lease = await leased(given);
    await given.store.deliveryRecord({
      results: [{ ...given.result(lease, LATER), keepLease: true }],
      now: NOW,
    });
    expect(await given.release(lease.fence + 1)).toBe(1);
    expect(await given.deliveryOf(lease)).toMatchObject({ state: 'pending', nextAttemptAt: NOW + 60_000 });
  });

  test('lets go of the lease of what is done, also when told to keep it', async (given) => {
    const lease = await leased(given);
    await given.store.deliveryRecord({
      results: [{ ...given.result(lease, DONE), keepLease: true }],
      now: NOW,
    });
    const results = [given.result(lease, LATER, { number: 2 })];
    expect(await given.record({ results, now: NOW })).toEqual([false]);
  });
}

function fences(test: ContractTest): void {
  test('writes the attempt but leaves the delivery alone when the fence does not hold', async (given) => {
    const lease = await leased(given);
    const stale = { ...lease, fence: lease.fence - 1 };
    const before = await given.deliveryOf(lease);
    const result = given.result(stale, DONE);
    expect(await given.record({ results: [result], now: NOW })).toEqual([false]);
    expect(await given.deliveryOf(lease)).toEqual(before);
    const { rows } = await given.store.attemptList({ ...given.ref(lease.messageKey), ...ALL });
    expect(rows).toMatchObject([{ id: result.attempt.id }]);
    const late = [given.result(lease, DONE)];
    expect(await given.record({ results: late, now: NOW })).toEqual([true]);
  });

  test('does not settle a pending delivery under the fence of the batch that brought it', async (given) => {
    const { application, keys } = await given.company();
    const fence = given.fence();
    const messageKey = await given.accepted(application.key, keys, { state: 'pending', fence });
    const lease = given.lease(messageKey, keys[0], fence);
    const before = await given.deliveryOf(lease);
    expect(await given.record({ results: [given.result(lease, DONE)], now: NOW })).toEqual([false]);
    expect(await given.deliveryOf(lease)).toEqual(before);
  });

  test('does not settle a pending delivery that was put back', async (given) => {
    const lease = await leased(given);
    await given.store.deliveryRecord({ results: [given.result(lease, LATER)], now: NOW });
    const again = [given.result(lease, DONE, { number: 2 })];
    expect(await given.record({ results: again, now: NOW })).toEqual([false]);
    expect(await given.deliveryOf(lease)).toMatchObject({ state: 'pending', attemptCount: 1 });
  });

  test('answers many at once, each in its place', async (given) => {
    const leases: Lease[] = [];
    for (let count = 0; count < 100; count++) leases.push(await leased(given));
    const results = leases.map((lease, index) =>
      given.result(index % 3 === 0 ? { ...lease, fence: lease.fence + 1_000 } : lease, DONE),
    );
    expect(await given.record({ results, now: NOW })).toEqual(results.map((_, index) => index % 3 !== 0));
    expect(await given.store.deliveryCountOpen({})).toEqual({ pending: 0, sending: 34, held: 0 });
    expect(await given.record({ results: [], now: NOW })).toEqual([]);
  });

  test('takes two attempts of one delivery in one call', async (given) => {
    const lease = await leased(given);
    const results = [
      { ...given.result(lease, LATER), keepLease: true },
      given.result(lease, DONE, { number: 2 }),
      given.result(lease, DONE, { number: 3 }),
    ];
    expect(await given.record({ results, now: NOW })).toEqual([true, true, false]);
    expect(await given.deliveryOf(lease)).toMatchObject({ state: 'succeeded', attemptCount: 2 });
  });
}

/** The endpoint was deleted, or disabled, while the attempt was under way. */
const STOPS: [string, object, (given: Given) => Promise<Lease>][] = [
  ['cancelled', { state: 'cancelled', reason: 'endpoint_deleted' }, cancelled],
  ['held', { state: 'held', reason: 'endpoint_disabled' }, held],
];

function stops(test: ContractTest): void {
  const failed: Verdict = { state: 'failed', reason: 'retries_exhausted' };
  for (const [state, row, stopped] of STOPS) {
    for (const verdict of [LATER, failed]) {
      test(`leaves a delivery that was ${state} under way ${state}: ${verdict.state}`, async (given) => {
        const lease = await stopped(given);
        const results = [{ ...given.result(lease, verdict), keepLease: true }];
        expect(await given.record({ results, now: NOW })).toEqual([false]);
        expect(await given.deliveryOf(lease)).toMatchObject({ ...row, nextAttemptAt: null });
      });
    }

    test(`makes a delivery that was ${state} under way, and arrived, succeeded`, async (given) => {
      const lease = await stopped(given);
      const results = [given.result(lease, DONE, { number: 2 })];
      expect(await given.record({ results, now: NOW })).toEqual([false]);
      const arrived = { state: 'succeeded', reason: null, nextAttemptAt: null, attemptCount: 2 };
      expect(await given.deliveryOf(lease)).toMatchObject(arrived);
      const late = [given.result(lease, LATER, { number: 3 })];
      expect(await given.record({ results: late, now: NOW })).toEqual([false]);
      expect(await given.deliveryOf(lease)).toMatchObject(arrived);
    });
  }
}

async function cancelled(given: Given): Promise<Lease> {
  const { lease, applicationKey } = await leasedOf(given);
  const { endpointKey } = lease;
  await given.store.endpointDelete({ applicationKey, endpointKey, now: NOW });
  await given.store.deliveryWithdraw({ endpointKey, limit: 1 });
  return lease;
}

async function held(given: Given): Promise<Lease> {
  const { lease, applicationKey } = await leasedOf(given);
  const { endpointKey } = lease;
  await given.store.deliveryUnlease({ leases: [lease], now: NOW });
  await given.store.endpointUpdate({ applicationKey, endpointKey, now: NOW, changes: { disabled: true } });
  await given.store.deliveryWithdraw({ endpointKey, limit: 1 });
  return lease;
}

async function leased(given: Given): Promise<Lease> {
  return (await leasedOf(given)).lease;
}

async function leasedOf(given: Given): Promise<{ lease: Lease; applicationKey: number }> {
  const { application, keys } = await given.company();
  const fence = given.fence();
  const messageKey = await given.accepted(application.key, keys, { state: 'sending', fence });
  return { lease: given.lease(messageKey, keys[0], fence), applicationKey: application.key };
}
