import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import { OTHER, scheduling } from '../../test/helpers/scheduling.ts';
import { SCHEDULE_LIMITS } from '../limits.ts';
import type { LeasedDelivery } from '../model/lease.ts';
import { Alarms } from './alarms.ts';
import { Holdings } from './holding.ts';
import { Lane, type LaneThrottle } from './lane.ts';
import { Throttles } from './throttle.ts';

it('lets out of a line as many as may begin, though the clock stands while it rings', async () => {
  const clock = new ManualClock();
  const woken: Lane[] = [];
  const throttles = new Throttles({
    clock,
    alarms: new Alarms(clock),
    set: (lane, throttle) => {
      lane.throttle = throttle;
    },
    wake: (lane) => woken.push(lane),
  });
  const target = { applicationKey: 1, href: 'http://a.example.com/', headers: {}, secrets: [] };
  const limits = {
    throttleRate: null,
    applicationThrottleRate: 100,
    maxInFlight: 32,
    ordering: 'none',
  } as const;
  const retryPolicy = { schedule: { delaysMs: [], jitter: 0 }, finalStatuses: [] };
  const destination = { target, heldReason: null, ...limits, retryPolicy };
  const lanes = Array.from({ length: 1_000 }, (_, key) => new Lane(key, new Holdings().unknown));
  for (const lane of lanes) {
    lane.ready.push({} as LeasedDelivery);
    throttles.adopt(lane, destination);
    throttles.admits(lane, lane.throttle as LaneThrottle);
  }
  let begun = 0;
  for (let ms = 0; ms < 1_000; ms++) {
    await clock.advance(1);
    expect(woken.length).toBeLessThanOrEqual(6);
    for (const lane of woken.splice(0)) {
      expect(throttles.admits(lane, lane.throttle as LaneThrottle)).toBe(true);
      begun++;
    }
  }
  expect(begun).toBeGreaterThanOrEqual(98);
  expect(begun).toBeLessThanOrEqual(101);
});

describe('a throttle', () => {
  /** Publishes without end and answers everything, for so many ms. Returns when each request began, by endpoint. */
  async function run(world: ReturnType<typeof scheduling>, endpointKeys: readonly number[], forMs: number) {
    const times = new Map<number, number[]>(endpointKeys.map((key) => [key, []]));
    let messageKey = 0;
    const end = world.clock.monotonic() + forMs;
    while (world.clock.monotonic() < end) {
      for (const key of endpointKeys) for (let n = 0; n < 20; n++) world.push(world.lease(key, ++messageKey));
      await world.clock.advance(10);
      for (const { at, endpointKey } of world.sent) times.get(endpointKey)?.push(at);
      world.answer(200);
      world.settle();
    }
    return times;
  }

  it('of an endpoint is kept and used, and holds up no other', async () => {
    const world = scheduling();
    world.destinations.set(1, { throttleRate: 20 });
    const times = await run(world, [1, 2], 5_000);
    expect(times.get(1)?.length).toBeGreaterThanOrEqual(98);
    expect(times.get(1)?.length).toBeLessThanOrEqual(102);
    expect(times.get(2)?.length).toBeGreaterThan(2_000);
  });

  it('of an application is kept over its endpoints, which get equal parts', async () => {
    const world = scheduling();
    const keys = [1, 2, 3, 4];
    for (const key of keys) world.destinations.set(key, { applicationThrottleRate: 40 });
    const times = await run(world, keys, 5_000);
    const counts = keys.map((key) => times.get(key)?.length as number);
    const total = counts.reduce((sum, count) => sum + count);
    expect(total).toBeGreaterThanOrEqual(196);
    expect(total).toBeLessThanOrEqual(204);
    for (const count of counts) expect(Math.abs(count - total / 4)).toBeLessThanOrEqual(2);
  });

  it('of an endpoint holds within that of its application', async () => {
    const world = scheduling();
    world.destinations.set(1, { throttleRate: 5, applicationThrottleRate: 40 });
    world.destinations.set(2, { applicationThrottleRate: 40 });
    const times = await run(world, [1, 2], 4_000);
    expect(times.get(1)?.length).toBeLessThanOrEqual(21);
    expect(times.get(2)?.length).toBeGreaterThanOrEqual(135);
  });

  it('that is changed or removed takes effect with the next request', async () => {
    const world = scheduling();
    world.destinations.set(1, { throttleRate: 1 });
    expect((await run(world, [1], 3_000)).get(1)?.length).toBeLessThanOrEqual(4);
    world.destinations.set(1, { throttleRate: 50 });
    world.schedule.endpointChanged(1);
    expect((await run(world, [1], 1_000)).get(1)?.length).toBeGreaterThanOrEqual(48);
    world.destinations.set(1, {});
    world.schedule.endpointChanged(1);
    expect((await run(world, [1], 1_000)).get(1)?.length).toBeGreaterThan(500);
  });

  it('keeps no more in memory than goes out soon, for one endpoint and for a thousand', async () => {
    const world = scheduling();
    for (let key = 1; key <= 1_000; key++) world.destinations.set(key, { applicationThrottleRate: 1 });
    for (let key = 1; key <= 1_000; key++) {
      for (let n = 0; n < 100; n++) world.push(world.lease(key, key * 1_000 + n));
    }
    // At first it is not known that they are throttled; then they give back what is too much.
    await world.clock.advance(1_000);
    expect(world.schedule.resident).toBeLessThanOrEqual(1_000);
    for (let n = 0; n < 50; n++) world.push(world.lease(1, n));
    expect(world.push(world.lease(1, 51))).toBe(false);
    let others = 0;
    for (let key = OTHER; key < OTHER + 500; key++) {
      for (let n = 0; n < 60; n++) if (world.push(world.lease(key, n))) others++;
    }
    expect(others).toBeGreaterThanOrEqual((SCHEDULE_LIMITS.resident * 0.6 - 1_000) / 2);
  });
});
