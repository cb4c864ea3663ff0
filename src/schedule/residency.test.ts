import { describe, expect, it } from 'vitest';
import { OTHER, proving, scheduling } from '../../test/helpers/scheduling.ts';
import { SCHEDULE_LIMITS } from '../limits.ts';

describe('memory and places', () => {
  it('a fast endpoint alone has all that one endpoint may have', async () => {
    const { push, lease } = await proving([1]);
    let admitted = 0;
    for (let n = 0; n < 5_000; n++) if (push(lease(1, n))) admitted++;
    expect(admitted).toBe(SCHEDULE_LIMITS.residentPerEndpoint);
  });

  it('an endpoint that takes seconds to answer has what it takes in ten seconds', async () => {
    const { clock, schedule, push, lease, answer, settle } = await proving([1]);
    for (let round = 0; round < 10; round++) {
      for (let n = 0; n < 32; n++) push(lease(1, n));
      await clock.settle();
      answer(200, 1, 4_000);
      settle();
    }
    expect(schedule.resident).toBe(0);
    for (let n = 0; n < 5_000; n++) push(lease(1, n));
    expect(schedule.resident).toBeGreaterThanOrEqual(80);
    expect(schedule.resident).toBeLessThanOrEqual(90);
  });

  it('an endpoint that becomes slow gives back what would wait too long', async () => {
    const { clock, schedule, unleased, push, lease, answer, settle } = await proving([1]);
    for (let n = 0; n < 4_000; n++) push(lease(1, n));
    await clock.settle();
    answer(200, 1, 14_000);
    settle();
    await clock.settle();
    expect(schedule.resident).toBeLessThanOrEqual(32);
    expect(unleased.length).toBeGreaterThan(3_900);
  });

  it('an application has at most half of the deliveries, and another finds room at once', async () => {
    const { schedule, push, lease } = scheduling();
    for (let key = 1; key <= 1_000; key++) for (let n = 0; n < 60; n++) push(lease(key, n));
    expect(schedule.resident).toBe(SCHEDULE_LIMITS.resident * 0.3);
    for (let n = 0; n < 60; n++) expect(push(lease(OTHER, n))).toBe(true);
  });

  it('an application has at most half of the places, and another gets one at once; all is sent in the end', async () => {
    const keys = Array.from({ length: 200 }, (_, n) => n + 1);
    const { clock, sent, push, lease, answer, settle } = await proving([...keys, OTHER]);
    for (const key of keys) for (let n = 0; n < 32; n++) push(lease(key, n));
    await clock.settle();
    expect(sent).toHaveLength(SCHEDULE_LIMITS.inFlight / 2);
    push(lease(OTHER, 1));
    await clock.settle();
    expect(answer(200, OTHER)).toBe(1);
    settle();
    let answered = 0;
    for (let round = 0; round < 4; round++) {
      answered += answer(200);
      settle();
      await clock.settle();
    }
    expect(answered).toBe(200 * 32);
  });

  it('an endpoint that turns out to answer does not wait for those of which nothing is known', async () => {
    const { clock, sent, push, lease, answer } = scheduling();
    for (const n of [1, 2]) for (let key = 1; key <= 1_100; key++) push(lease(key, n));
    await clock.settle();
    expect(sent).toHaveLength(SCHEDULE_LIMITS.inFlight / 4);
    expect(answer(200, 1)).toBe(1);
    await clock.settle();
    expect(answer(200, 1)).toBe(1);
  });

  it('endpoints that wait for a place are not left behind those that were deleted while they waited', async () => {
    const { clock, schedule, sent, push, lease, answer, settle } = scheduling();
    const places = SCHEDULE_LIMITS.inFlight / 4;
    const gone = Array.from({ length: 2 * places }, (_, n) => places + 1 + n);
    const keys = Array.from({ length: 3 * places + 100 }, (_, n) => n + 1);
    for (const key of keys) push(lease(key, 1));
    await clock.settle();
    expect(sent).toHaveLength(places);
    for (const key of gone) schedule.endpointDeleted(key);
    answer(200);
    settle();
    await clock.settle();
    expect(sent.map(({ endpointKey }) => endpointKey)).toEqual(keys.slice(3 * places));
  });

  it('one read of the store brings a bounded number, however many endpoints it is for', async () => {
    const keys = Array.from({ length: 20 }, (_, n) => n + 1);
    const { clock, store, schedule } = await proving(keys);
    const reads: { lanes: number; deliveries: number }[] = [];
    store.deliveryClaimDue = async ({ lanes }) => {
      const asked = lanes as readonly { deliveries: number }[];
      reads.push({
        lanes: asked.length,
        deliveries: asked.reduce((sum, { deliveries }) => sum + deliveries, 0),
      });
      return asked.map(() => ({ claimed: [], nextDueAt: null }));
    };
    for (const key of keys) schedule.stored(key, clock.now());
    await clock.settle();
    for (const { deliveries } of reads) expect(deliveries).toBeLessThanOrEqual(4_096);
    expect(reads.reduce((sum, { lanes }) => sum + lanes, 0)).toBe(20);
  });

  it('what many endpoints give back at once goes in few transactions, none of them large', async () => {
    const { clock, store, schedule, destinations, lease, push } = scheduling();
    const sizes: number[] = [];
    store.deliveryUnlease = async ({ leases }) => sizes.push(leases.length);
    for (let key = 1; key <= 1_000; key++) {
      for (let n = 0; n < 3; n++) push(lease(key, n));
      destinations.set(key, { heldReason: 'endpoint_disabled' });
    }
    await clock.settle();
    expect(schedule.resident).toBe(0);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(512);
    expect(sizes.length).toBeLessThanOrEqual(20);
  });

  it('an endpoint is forgotten that found no room and whose publish was then refused', async () => {
    const { clock, store, schedule } = scheduling();
    for (let key = 1; key <= 300; key++) for (let n = 0; n < 64; n++) schedule.admit(1, key, 2);
    for (let key = 1_001; key <= 11_001; key++) expect(schedule.admit(1, key, 2)).toBe(false);
    // Who is not known has its deliveries looked for in the store when it is changed.
    const claimed: unknown[] = [];
    store.deliveryClaimDue = async ({ lanes }) => {
      claimed.push(...lanes);
      return lanes.map(() => ({ claimed: [], nextDueAt: null }));
    };
    schedule.endpointChanged(1_001);
    schedule.endpointChanged(11_001);
    await clock.settle();
    expect(claimed).toMatchObject([{ endpointKey: 1_001 }]);
  });
});
