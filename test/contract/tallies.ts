import { expect } from 'vitest';
import { HOUR_MS, LATENCY_BOUNDS_MS, latencyClass, MINUTE_MS } from '../../src/model/tally.ts';
import type { AttemptResult, TallyOwner } from '../../src/store/store.ts';
import { type ContractTest, type Given, NOW } from './world.ts';

const NONE = { accepted: 0, succeeded: 0, failed4xx: 0, failed5xx: 0, failedOther: 0, unanswered: 0 };

export function tallyContract(test: ContractTest): void {
  counting(test);
  rolling(test);
}

function counting(test: ContractTest): void {
  test('counts attempts by how they ended, for their endpoint, their application and all', async (given) => {
    const { application, keys: all, ended } = await sent(given, 2);
    const keys = all as unknown as [number, number];
    const statuses = [200, 204, 299, 301, 400, 499, 500, 503, null];
    await given.record({ results: await ended(keys[0], statuses, NOW), now: NOW });
    await given.record({ results: await ended(keys[1], [200, 404], NOW), now: NOW + 1 });
    const first = { ...NONE, succeeded: 3, failedOther: 1, failed4xx: 2, failed5xx: 2, unanswered: 1 };
    const both = { ...first, accepted: 11, succeeded: 4, failed4xx: 3 };
    const minutes = (of: TallyOwner) => listed(given, of, 'minute', NOW, NOW + MINUTE_MS);
    const { key: applicationKey } = application;
    expect(await minutes({ applicationKey, endpointKey: keys[0] })).toMatchObject([
      { beganAt: NOW, ...first },
    ]);
    expect(await minutes({ applicationKey })).toMatchObject([{ beganAt: NOW, ...both }]);
    expect(await minutes({})).toMatchObject([{ beganAt: NOW, ...both }]);
    expect(await minutes({ applicationKey, endpointKey: 999 })).toEqual([]);
    await given.reopen();
    expect(await minutes({})).toMatchObject([both]);
  });

  test('counts the latency of what was answered, by classes', async (given) => {
    const { application, keys, ended } = await sent(given, 1);
    const times = [0, 1, 2, 11, 999, 1_000, 1_001, 30_001, 299_000];
    const results = await ended(keys[0], [...times.map(() => 500), null], NOW);
    const timed = results.map((result, index) => withDuration(result, times[index] ?? 15_000));
    await given.record({ results: timed, now: NOW });
    const expected = Array(LATENCY_BOUNDS_MS.length + 1).fill(0);
    for (const time of times) expected[latencyClass(time)] += 1;
    const of = { applicationKey: application.key, endpointKey: keys[0] };
    const [tally] = await listed(given, of, 'minute', NOW, NOW + MINUTE_MS);
    expect(tally?.latency).toEqual(expected);
  });

  test('counts what was accepted, and nothing that was refused', async (given) => {
    const [one, other] = [await given.application(), await given.application()];
    const taken = given.message({ eventId: 'once' });
    const publishes = [
      given.publish(one.key, taken, given.message()),
      given.publish(one.key, given.message({ eventId: 'once' })),
      given.publish(other.key, given.message({ tags: ['vip'] })),
    ];
    const results = await given.accept({ publishes, fence: given.fence(), now: NOW + 5 });
    expect(results.map(({ kind }) => kind)).toEqual(['accepted', 'event_id_taken', 'accepted']);
    await given.accepted(other.key, [], { now: NOW + MINUTE_MS });
    const hour = (of: TallyOwner) => listed(given, of, 'minute', NOW, NOW + HOUR_MS);
    expect(await hour({ applicationKey: one.key })).toMatchObject([{ beganAt: NOW, accepted: 2 }]);
    expect(await hour({ applicationKey: other.key })).toMatchObject([
      { beganAt: NOW, accepted: 1 },
      { beganAt: NOW + MINUTE_MS, accepted: 1 },
    ]);
    expect((await hour({})).map(({ accepted }) => accepted)).toEqual([3, 1]);
  });

  test('counts an attempt once, also when it is written again, or late', async (given) => {
    const { application, keys, ended } = await sent(given, 1);
    const results = await ended(keys[0], [200, 500, 200], NOW);
    await given.record({ results: results.slice(0, 2), now: NOW });
    const again = results.map((result) => ({ ...result, again: true }));
    await given.record({ results: again, now: NOW });
    // Its fence does not hold any more. It happened all the same.
    const late = results.slice(0, 1).map((result) => ({
      ...result,
      attempt: { ...result.attempt, id: given.id('atmpt') },
    }));
    expect(await given.record({ results: late, now: NOW })).toEqual([false]);
    const of = { applicationKey: application.key, endpointKey: keys[0] };
    expect(await listed(given, of, 'minute', NOW, NOW + 1)).toMatchObject([{ succeeded: 3, failed5xx: 1 }]);
  });

  test('lists times from one on and before another', async (given) => {
    const { key } = await given.application();
    for (let minute = 0; minute < 5; minute++)
      await given.accepted(key, [], { now: NOW + minute * MINUTE_MS + 59_999 });
    const times = async (from: number, to: number) =>
      (
        await listed(given, { applicationKey: key }, 'minute', NOW + from * MINUTE_MS, NOW + to * MINUTE_MS)
      ).map(({ beganAt }) => (beganAt - NOW) / MINUTE_MS);
    expect(await times(-9, 99)).toEqual([0, 1, 2, 3, 4]);
    expect(await times(1, 3)).toEqual([1, 2]);
    expect(await times(4, 4)).toEqual([]);
    expect(await times(7, 9)).toEqual([]);
  });
}

function rolling(test: ContractTest): void {
  test('rolls minutes up into hours in steps, and hours show all of it at any time', async (given) => {
    const { application, keys, ended } = await sent(given, 3);
    for (const minute of [0, 1, 59, 60, 61, 150]) {
      const now = NOW + minute * MINUTE_MS;
      for (const key of keys) await given.record({ results: await ended(key, [200, 500], now), now });
    }
    const of = { applicationKey: application.key };
    const hours = () => listed(given, of, 'hour', NOW, NOW + 24 * HOUR_MS);
    const expected = [18, 12, 6].map((accepted, hour) => ({
      ...{
        beganAt: NOW + hour * HOUR_MS,
        accepted,
        succeeded: accepted / 2,
        failed5xx: accepted / 2,
      },
    }));
    expect(await hours()).toMatchObject(expected);
    const before = NOW + 2 * HOUR_MS;
    const rows: number[] = [];
    for (let rolled = 4; rolled === 4; rows.push(rolled)) {
      rolled = await given.store.tallyRoll({ before, limit: 4 });
      expect(await hours()).toMatchObject(expected);
    }
    expect(rows.length).toBeGreaterThan(5);
    expect(await listed(given, of, 'minute', NOW, before)).toEqual([]);
    expect(await listed(given, of, 'minute', NOW, NOW + 3 * HOUR_MS)).toMatchObject([
      { beganAt: NOW + 150 * MINUTE_MS },
    ]);
    // What came late for an hour that was rolled up is added to it.
    await given.record({ results: await ended(keys[0], [200], NOW), now: NOW });
    await given.store.tallyRoll({ before, limit: 100 });
    expect((await hours())[0]).toMatchObject({ succeeded: 10, accepted: 19 });
    const one = { ...of, endpointKey: keys[0] };
    expect((await listed(given, one, 'hour', NOW, NOW + HOUR_MS))[0]).toMatchObject({
      succeeded: 4,
      failed5xx: 3,
    });
    expect((await listed(given, {}, 'hour', NOW, NOW + HOUR_MS))[0]).toMatchObject({ succeeded: 10 });
  });

  test('forgets hours, the oldest first', async (given) => {
    const { key } = await given.application();
    for (let hour = 0; hour < 4; hour++) await given.accepted(key, [], { now: NOW + hour * HOUR_MS });
    await given.store.tallyRoll({ before: NOW + 9 * HOUR_MS, limit: 100 });
    const before = NOW + 3 * HOUR_MS;
    expect(await given.store.tallyPurge({ before, limit: 2 })).toBe(2);
    const times = async () =>
      (await listed(given, { applicationKey: key }, 'hour', NOW, NOW + 9 * HOUR_MS)).map(
        ({ beganAt }) => beganAt,
      );
    expect(await times()).toEqual([1, 2, 3].map((hour) => NOW + hour * HOUR_MS));
    while ((await given.store.tallyPurge({ before, limit: 2 })) > 0);
    expect(await times()).toEqual([before]);
  });
}

function listed(given: Given, of: TallyOwner, bucket: 'minute' | 'hour', from: number, to: number) {
  return given.store.tallyList({ of, bucket, from, to });
}

/** An application, and attempts at its endpoints that ended with these statuses. */
async function sent(given: Given, endpoints: number) {
  const { application, keys } = await given.company(endpoints);
  const ended = async (endpointKey: number, statuses: readonly (number | null)[], now: number) => {
    const results: AttemptResult[] = [];
    for (const status of statuses) {
      const fence = given.fence();
      const options = { state: 'sending' as const, fence, now };
      const messageKey = await given.accepted(application.key, [endpointKey], options);
      const lease = given.lease(messageKey, endpointKey, fence);
      const failed = { state: 'failed' as const, reason: 'retries_exhausted' as const };
      const result = given.result(lease, status === 200 ? { state: 'succeeded' } : failed);
      const exchange = { ...result.attempt.exchange, status };
      results.push({ ...result, attempt: { ...result.attempt, exchange } });
    }
    return results;
  };
  return { application, keys, ended };
}

function withDuration(result: AttemptResult, durationMs: number): AttemptResult {
  return { ...result, attempt: { ...result.attempt, exchange: { ...result.attempt.exchange, durationMs } } };
}
