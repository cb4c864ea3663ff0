import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import { SCHEDULE_LIMITS } from '../limits.ts';
import type { Destination, SendJob } from '../model/exchange.ts';
import { createFences, type Lease, type LeasedDelivery } from '../model/lease.ts';
import { type Store, StoreError } from '../store/store.ts';
import { Schedule } from './schedule.ts';

type Claims = Awaited<ReturnType<Store['deliveryClaimDue']>>;

/** Endpoints from this key on belong to application 2, those before it to application 1. */
const OTHER = 10_000_000;

/** A schedule between a store that the test plays, and a sender that only notes. */
function scheduling() {
  const clock = new ManualClock();
  const fences = createFences(1);
  const destinations = new Map<number, Partial<Destination> | null>();
  const sent: { at: number; job: SendJob; endpointKey: number }[] = [];
  const ended: LeasedDelivery[] = [];
  const unleased: Lease[] = [];
  const orphaned: number[] = [];
  const store = {
    deliveryBacklog: async () => [],
    deliveryClaimDue: async ({ lanes }: { lanes: readonly unknown[] }): Promise<Claims> =>
      lanes.map(() => ({ claimed: [], nextDueAt: null })),
    deliveryUnlease: async ({ leases }: { leases: readonly Lease[] }) => unleased.push(...leases),
  };
  const schedule = new Schedule({
    store: {
      deliveryBacklog: () => store.deliveryBacklog(),
      deliveryClaimDue: (params) => store.deliveryClaimDue(params),
      deliveryUnlease: (params) => store.deliveryUnlease(params),
    },
    clock,
    fences,
    requestTimeoutMs: 1_000,
    destination: (endpointKey) => {
      const known = destinations.get(endpointKey);
      if (known === null) return null;
      const href = `http://${endpointKey}.example.com/`;
      const target = { applicationKey: applicationOf(endpointKey), href, headers: {}, secrets: [] };
      return { target, disabled: false, throttleRate: null, applicationThrottleRate: null, ...known };
    },
    send: (jobs) => {
      for (const job of jobs) {
        const endpointKey = Number(new URL(job.target.href).hostname.split('.')[0]);
        sent.push({ at: clock.monotonic(), job, endpointKey });
      }
    },
    ended: (delivery) => ended.push(delivery),
    orphaned: (endpointKey) => orphaned.push(endpointKey),
    log: { warn: () => {} },
  });
  const lease = (
    endpointKey: number,
    messageKey: number,
    resendKey: number | null = null,
  ): LeasedDelivery => ({
    messageKey,
    endpointKey,
    fence: fences.next(),
    resendKey,
    messageId: `msg_${messageKey}`,
    payload: '{}',
    attemptCount: 0,
    nextAttemptAt: clock.now(),
  });
  /** Publishes: as accept does, with room or without. */
  const push = (delivery: LeasedDelivery) => {
    const admitted = schedule.admit(
      applicationOf(delivery.endpointKey),
      delivery.endpointKey,
      delivery.payload.length,
    );
    if (admitted) schedule.push([delivery]);
    return admitted;
  };
  /** Answers what is under way at an endpoint. */
  const answer = (status: number | null, endpointKey?: number, durationMs = 1) => {
    const answered = sent.splice(0).filter((each) => {
      if (endpointKey === undefined || each.endpointKey === endpointKey) return true;
      sent.push(each);
      return false;
    });
    const exchange = {
      startedAt: clock.now(),
      durationMs,
      status,
      body: '',
      retryAfter: null,
      error: null,
    };
    const headers = { requestHeaders: '', responseHeaders: '' };
    schedule.results(answered.map(({ job: { ref } }) => ({ ref, exchange: { ...exchange, ...headers } })));
    return answered.length;
  };
  const settle = (changes: Partial<Parameters<Schedule['settled']>[0][number]> = {}) =>
    schedule.settled(
      ended
        .splice(0)
        .map((delivery) => ({ delivery, nextAttemptAt: null, kept: false, arrived: true, ...changes })),
    );
  return {
    clock,
    store,
    schedule,
    destinations,
    sent,
    ended,
    unleased,
    orphaned,
    lease,
    push,
    answer,
    settle,
  };
}

function applicationOf(endpointKey: number): number {
  return endpointKey >= OTHER ? 2 : 1;
}

/** A world in which these endpoints have shown that they are fast. */
async function proving(endpointKeys: readonly number[]) {
  const world = scheduling();
  for (let round = 0; round < 9; round++) {
    for (const key of endpointKeys) for (let n = 0; n < 4; n++) world.push(world.lease(key, n));
    await world.clock.settle();
    world.answer(200);
    world.settle();
  }
  return world;
}

/** A world in which one delivery to endpoint 1 has failed and waits 5 s in memory. */
async function retrying() {
  const world = scheduling();
  world.push(world.lease(1, 10));
  await world.clock.settle();
  world.answer(500);
  world.settle({ nextAttemptAt: world.clock.now() + 5_000, kept: true, arrived: false });
  return world;
}

describe('a disabled endpoint', () => {
  it('gets nothing, and everything in memory goes back to the store: what is ready and what waits for its retry', async () => {
    const { clock, schedule, destinations, sent, unleased, orphaned, lease, push } = await retrying();
    destinations.set(1, { disabled: true });
    schedule.endpointChanged(1);
    push(lease(1, 11));
    await clock.advance(10_000);
    expect(sent).toEqual([]);
    expect(unleased.map(({ messageKey }) => messageKey).sort()).toEqual([10, 11]);
    expect(orphaned).toContain(1);
    expect(schedule.resident).toBe(0);
  });

  it('takes nothing from the store, where what comes is to be held', async () => {
    const { clock, store, schedule, destinations, orphaned } = scheduling();
    destinations.set(1, { disabled: true });
    schedule.endpointChanged(1);
    await clock.settle();
    store.deliveryClaimDue = () => expect.unreachable();
    orphaned.length = 0;
    schedule.stored(1, clock.now());
    expect(orphaned).toEqual([1]);
    expect(schedule.admit(1, 1, 2)).toBe(false);
  });

  it('that is enabled again at once loses nothing, though the store refuses to take back', async () => {
    const { clock, store, schedule, destinations, sent, unleased, lease, push } = scheduling();
    const { deliveryUnlease } = store;
    destinations.set(1, { disabled: true });
    push(lease(1, 10));
    let refusals = 3;
    store.deliveryUnlease = (params) => {
      if (refusals-- > 0) throw new StoreError('unavailable', 'Not now.');
      return deliveryUnlease(params);
    };
    await clock.settle();
    destinations.set(1, {});
    schedule.endpointChanged(1);
    store.deliveryClaimDue = async ({ lanes }) => {
      const claimed = unleased.splice(0).map(({ messageKey }) => lease(1, messageKey));
      return lanes.map(() => ({ claimed, nextDueAt: null }));
    };
    await clock.advance(5_000);
    expect(sent.map(({ job }) => job.messageId)).toEqual(['msg_10']);
  });

  it('looks in the store when it is enabled: some of it may not have been held yet', async () => {
    const { clock, store, schedule, destinations, sent, lease } = scheduling();
    destinations.set(1, { disabled: true });
    schedule.endpointChanged(1);
    await clock.settle();
    destinations.set(1, {});
    store.deliveryClaimDue = async ({ lanes }) =>
      lanes.map(() => ({ claimed: [lease(1, 10)], nextDueAt: null }));
    schedule.endpointChanged(1);
    await clock.settle();
    expect(sent).toHaveLength(1);
  });

  it('does not send a retry before its time because it was disabled and enabled meanwhile', async () => {
    const { clock, schedule, destinations, sent, unleased } = await retrying();
    destinations.set(1, { disabled: true });
    schedule.endpointChanged(1);
    destinations.set(1, {});
    schedule.endpointChanged(1);
    await clock.advance(4_900);
    expect(sent).toEqual([]);
    await clock.advance(200);
    expect(unleased).toEqual([]);
    expect(sent).toHaveLength(1);
  });
});

describe('a resend', () => {
  it('that arrives takes the place of the retry that waits in memory', async () => {
    const { clock, schedule, sent, lease, push, answer, settle } = await retrying();
    push(lease(1, 10, 77));
    await clock.settle();
    expect(answer(200)).toBe(1);
    settle();
    await clock.advance(10_000);
    expect(sent).toEqual([]);
    expect(schedule.resident).toBe(0);
  });

  it('that fails leaves the retry and its time', async () => {
    const { clock, sent, lease, push, answer, settle } = await retrying();
    await clock.advance(1_000);
    push(lease(1, 10, 77));
    await clock.settle();
    answer(500);
    settle({ arrived: false });
    await clock.advance(3_900);
    expect(sent).toEqual([]);
    await clock.advance(200);
    expect(sent).toHaveLength(1);
  });

  it('that arrives is asked for again, and goes out again', async () => {
    const { clock, sent, lease, push, answer, settle } = scheduling();
    for (const resendKey of [77, 78]) {
      push(lease(1, 10, resendKey));
      await clock.settle();
      expect(sent).toHaveLength(1);
      answer(200);
      settle();
    }
  });
});

describe('dropped deliveries', () => {
  it('are not sent, whether ready or waiting, resends neither; their room is free, and others go on', async () => {
    const { clock, schedule, sent, lease, push } = await retrying();
    push(lease(1, 11));
    push(lease(1, 11, 77));
    push(lease(1, 12));
    schedule.drop([10, 11].map((messageKey) => ({ messageKey, endpointKey: 1 })));
    await clock.advance(10_000);
    expect(sent.map(({ job }) => job.messageId)).toEqual(['msg_12']);
    expect(schedule.resident).toBe(1);
  });

  it('are not sent though the claim that brings them is answered late', async () => {
    const { clock, store, schedule, sent, lease } = scheduling();
    let bring: (claims: Claims) => void = () => {};
    store.deliveryClaimDue = () =>
      new Promise((resolve) => {
        bring = resolve;
      });
    schedule.stored(1, clock.now());
    await clock.settle();
    const claimed = [lease(1, 10), lease(1, 11)];
    schedule.drop([{ messageKey: 10, endpointKey: 1 }]);
    bring([{ claimed, nextDueAt: null }]);
    await clock.settle();
    expect(sent.map(({ job }) => job.messageId)).toEqual(['msg_11']);
    expect(schedule.resident).toBe(1);
  });

  it('are not tried again though their attempt was recorded just before', async () => {
    const { clock, schedule, sent, lease, push, answer, settle } = scheduling();
    push(lease(1, 10));
    await clock.settle();
    answer(500);
    schedule.drop([{ messageKey: 10, endpointKey: 1 }]);
    settle({ nextAttemptAt: clock.now() + 1_000, kept: true, arrived: false });
    await clock.advance(10_000);
    expect(sent).toEqual([]);
    expect(schedule.resident).toBe(0);
  });
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
      destinations.set(key, { disabled: true });
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
