import { describe, expect, it } from 'vitest';
import { scheduling } from '../../test/helpers/scheduling.ts';
import { BREAKER_FAILURES, BREAKER_PROBE_MS } from '../limits.ts';
import type { LeasedDelivery } from '../model/lease.ts';

/** Longer than the first wait of any endpoint, and shorter than the second. */
const PROBE_MS = 1.2 * BREAKER_PROBE_MS.first;

/** A world whose store keeps what is stored for endpoint 1, and gives it back by claims: resends first. */
function storing() {
  const world = scheduling();
  const { clock, store, schedule } = world;
  const stored: LeasedDelivery[] = [];
  /** What each delivery was last claimed as. */
  const claimed = new Map<number, LeasedDelivery>();
  let claims = 0;
  const nextDueAt = () =>
    stored.length === 0 ? null : Math.min(...stored.map((each) => each.nextAttemptAt));
  store.deliveryClaimDue = async ({ lanes }) => {
    claims++;
    const { deliveries } = (lanes as readonly { deliveries: number }[])[0] as { deliveries: number };
    const place = ({ resendKey, nextAttemptAt }: LeasedDelivery) => (resendKey === null ? nextAttemptAt : -1);
    stored.sort((a, b) => place(a) - place(b) || a.messageKey - b.messageKey);
    const due = stored.filter(({ nextAttemptAt }) => nextAttemptAt <= clock.now()).length;
    const leases = stored
      .splice(0, Math.min(due, deliveries))
      .map(({ messageKey, resendKey, ...rest }) => world.lease(1, messageKey, resendKey, restOf(rest)));
    for (const lease of leases) claimed.set(lease.messageKey, lease);
    return [{ claimed: leases, nextDueAt: nextDueAt() }];
  };
  store.deliveryUnlease = async ({ leases }) => {
    world.unleased.push(...leases);
    return stored.push(...(leases as LeasedDelivery[]));
  };
  /** As accept does, when there is no room: it waits in the store. */
  const publish = (messageKey: number, changes: Partial<LeasedDelivery> = {}) => {
    const delivery = world.lease(1, messageKey, null, changes);
    if (world.push(delivery)) return;
    stored.push(delivery);
    schedule.stored(1, clock.now());
  };
  const resend = (messageKey: number) => {
    stored.push(world.lease(1, messageKey, 1_000 + messageKey));
    schedule.stored(1, 0);
  };
  /** Fails until the breaker is open; the deliveries failed for good. */
  const breakIt = async (status: number | null = 500) => {
    for (let n = 0; n < BREAKER_FAILURES; n++) {
      publish(100 + n);
      await clock.settle();
      world.answer(status);
      world.settle({ arrived: false });
      await clock.settle();
    }
    expect(schedule.state(1)?.breaker.open).toBe(true);
  };
  const sentKeys = () => world.sent.map(({ job }) => Number(job.messageId.slice(4)));
  return { ...world, stored, claimed, publish, resend, breakIt, sentKeys, claims: () => claims };
}

function restOf({
  nextAttemptAt,
  attemptCount,
  expiresAt,
  orderKey,
}: Omit<LeasedDelivery, 'messageKey' | 'resendKey'>) {
  return { nextAttemptAt, attemptCount, expiresAt, orderKey };
}

describe('a lane whose breaker is open', () => {
  it.each([500, null, 302])(
    'sends nothing but one probe when its time comes (all answered %s)',
    async (status) => {
      const { clock, schedule, breakIt, publish, sentKeys, stored, answer, settle } = storing();
      await breakIt(status);
      for (let n = 1; n <= 50; n++) publish(n);
      await clock.advance(4_000);
      expect(sentKeys()).toEqual([]);
      expect(schedule.resident).toBe(0);
      await clock.advance(PROBE_MS - 4_000);
      expect(sentKeys()).toEqual([1]);
      expect(stored).toHaveLength(49);
      answer(status);
      settle({ arrived: false, nextAttemptAt: clock.now() + 5_000 });
      await clock.advance(1.7 * BREAKER_PROBE_MS.first);
      expect(sentKeys()).toEqual([]);
      await clock.advance(0.6 * BREAKER_PROBE_MS.first);
      expect(sentKeys()).toEqual([2]);
    },
  );

  it('reads nothing from the store before that', async () => {
    const { clock, breakIt, publish, claims } = storing();
    await breakIt();
    const before = claims();
    for (let n = 1; n <= 50; n++) publish(n);
    await clock.advance(4_000);
    expect(claims()).toBe(before);
    await clock.advance(60_000);
    // The probe hangs: a claim brought it, and nothing else is read.
    expect(claims()).toBe(before + 1);
  });

  it('gives back what it has in memory, what waits for its retry too', async () => {
    const { clock, schedule, publish, sentKeys, stored, answer, ended, settle } = storing();
    for (let n = 1; n <= 100; n++) publish(n);
    await clock.settle();
    const nextAttemptAt = clock.now() + 8_000;
    while ((schedule.state(1)?.breaker.failures ?? 0) < BREAKER_FAILURES) {
      answer(500);
      settle({ arrived: false, nextAttemptAt, kept: true });
      await clock.settle();
    }
    answer(500);
    const kept = ended.map((delivery) => schedule.keeps(delivery, nextAttemptAt));
    expect(kept).not.toContain(true);
    settle({ arrived: false, nextAttemptAt, kept: true });
    await clock.settle();
    expect(schedule.resident).toBe(0);
    expect(stored).toHaveLength(100);
    expect(sentKeys()).toEqual([]);
  });

  it('gives back what was published just before it opened, and comes after', async () => {
    const { clock, schedule, lease, breakIt, stored, sent } = storing();
    for (let n = 0; n < 3; n++) schedule.admit(1, 1, 2);
    await breakIt();
    schedule.push([1, 2, 3].map((messageKey) => lease(1, messageKey)));
    await clock.settle();
    expect(schedule.resident).toBe(0);
    expect(stored).toHaveLength(3);
    await clock.advance(PROBE_MS);
    expect(sent).toHaveLength(1);
  });

  it('goes on with everything when the probe arrives, and grows from few at a time', async () => {
    const { clock, schedule, breakIt, publish, sent, sentKeys, answer, settle } = storing();
    await breakIt();
    for (let n = 1; n <= 50; n++) publish(n);
    await clock.advance(PROBE_MS);
    answer(200);
    settle();
    await clock.settle();
    expect(schedule.state(1)?.breaker).toEqual({ open: false, failures: 0, probeAt: null });
    expect(sent.length).toBeLessThanOrEqual(2);
    const arrived: number[] = [];
    for (let round = 0; round < 20; round++) {
      arrived.push(...sentKeys());
      answer(200);
      settle();
      await clock.settle();
    }
    expect(arrived).toEqual(Array.from({ length: 49 }, (_, n) => n + 2));
  });

  it('sends the first that is published when the time of its probe is over, without the store', async () => {
    const { clock, breakIt, publish, sentKeys, stored } = storing();
    await breakIt();
    await clock.advance(60_000);
    publish(1);
    publish(2);
    await clock.settle();
    expect(sentKeys()).toEqual([1]);
    expect(stored).toHaveLength(1);
  });

  it('sends a resend at once, and closes when it arrives', async () => {
    const { clock, schedule, breakIt, publish, resend, sentKeys, answer, settle } = storing();
    await breakIt();
    publish(1);
    resend(7);
    resend(8);
    await clock.settle();
    expect(sentKeys()).toEqual([7]);
    answer(500);
    settle({ arrived: false });
    await clock.settle();
    expect(sentKeys()).toEqual([8]);
    answer(200);
    settle();
    await clock.settle();
    expect(schedule.state(1)?.breaker.open).toBe(false);
    expect(sentKeys()).toEqual([1]);
  });

  it('does not spin over a resend that waits while the probe hangs, and sends it when that has failed', async () => {
    const { clock, breakIt, publish, resend, sentKeys, claims, answer, settle } = storing();
    await breakIt();
    publish(1);
    await clock.advance(PROBE_MS);
    const before = claims();
    resend(7);
    await clock.advance(10_000);
    expect(claims()).toBe(before);
    answer(null);
    settle({ arrived: false });
    await clock.settle();
    expect(sentKeys()).toEqual([7]);
  });

  it('does not spin over a delivery that is due since ever, as resends are', async () => {
    const { clock, breakIt, publish, claims, sentKeys, resend, answer, settle } = storing();
    await breakIt();
    publish(1, { nextAttemptAt: 0 });
    resend(7);
    const before = claims();
    await clock.settle();
    expect(sentKeys()).toEqual([7]);
    answer(500);
    settle({ arrived: false });
    await clock.advance(3_000);
    expect(claims() - before).toBeLessThanOrEqual(2);
    await clock.advance(PROBE_MS);
    expect(sentKeys()).toEqual([1]);
  });

  it('gives another its turn as the probe when that is dropped or expires before it is sent', async () => {
    const { clock, schedule, breakIt, publish, sentKeys, expired, sent } = storing();
    await breakIt();
    for (let n = 1; n <= 4; n++) publish(n, { expiresAt: n <= 2 ? clock.now() + 3_000 : null });
    schedule.pause();
    await clock.advance(PROBE_MS);
    expect(sent).toEqual([]);
    schedule.resume();
    await clock.settle();
    expect(expired.map(({ messageKey }) => messageKey)).toEqual([1, 2]);
    expect(sentKeys()).toEqual([3]);
  });

  it('claims another probe when the one in memory is dropped', async () => {
    const { clock, schedule, claimed, breakIt, publish, sentKeys } = storing();
    await breakIt();
    publish(1);
    publish(2);
    schedule.pause();
    await clock.advance(PROBE_MS);
    schedule.drop([claimed.get(1) as LeasedDelivery]);
    schedule.resume();
    await clock.settle();
    expect(sentKeys()).toEqual([2]);
  });

  it.each([
    ['is changed', (world: ReturnType<typeof storing>) => world.schedule.endpointChanged(1)],
    ['is to be tried at once', (world: ReturnType<typeof storing>) => world.schedule.hurry(1)],
    [
      'was paused meanwhile',
      async (world: ReturnType<typeof storing>) => {
        world.destinations.set(1, { heldReason: 'endpoint_paused' });
        world.schedule.endpointChanged(1);
        await world.clock.advance(30_000);
        expect(world.sent).toEqual([]);
        world.destinations.set(1, {});
        world.schedule.endpointChanged(1);
      },
    ],
  ])('probes at once when its endpoint %s', async (_, happens) => {
    const world = storing();
    await world.breakIt();
    world.publish(1);
    world.publish(2);
    await happens(world);
    await world.clock.settle();
    expect(world.sentKeys()).toEqual([1]);
  });

  it('sends nothing when its endpoint is deleted', async () => {
    const { clock, schedule, breakIt, publish, sent } = storing();
    await breakIt();
    publish(1);
    schedule.endpointDeleted(1);
    await clock.advance(600_000);
    expect(sent).toEqual([]);
    expect(schedule.state(1)).toBeNull();
  });

  it('has its probe wait for a throttle, too', async () => {
    const { clock, destinations, schedule, publish, sentKeys, answer, settle } = storing();
    destinations.set(1, { throttleRate: 0.1 });
    publish(98);
    await clock.settle();
    answer(500);
    settle({ arrived: false });
    for (let n = 1; n < BREAKER_FAILURES; n++) {
      publish(100 + n);
      await clock.advance(10_050);
      answer(500);
      settle({ arrived: false });
    }
    publish(1);
    await clock.advance(PROBE_MS);
    expect(schedule.state(1)).toMatchObject({ throttled: true, breaker: { open: true } });
    expect(sentKeys()).toEqual([]);
    await clock.advance(5_000);
    expect(sentKeys()).toEqual([1]);
  });

  it('that many share a throttle with holds up no other in their line', async () => {
    const { clock, destinations, breakIt, publish, sent, push, lease } = storing();
    for (const key of [1, 2]) destinations.set(key, { applicationThrottleRate: 1_000 });
    await breakIt();
    publish(1);
    for (let n = 0; n < 30; n++) push(lease(2, n));
    for (let n = 0; n < 20; n++) await clock.advance(10);
    expect(sent.filter(({ endpointKey }) => endpointKey === 2).length).toBeGreaterThanOrEqual(4);
  });
});

describe('the state of a lane', () => {
  it('tells of the next probe when that which is due first goes out, and of none while nothing waits', async () => {
    const { clock, schedule, breakIt, publish } = storing();
    await breakIt();
    expect(schedule.state(1)).toMatchObject({ limit: 1, breaker: { open: true, probeAt: null } });
    const later = clock.now() + 600_000;
    schedule.stored(1, later);
    expect(schedule.state(1)?.breaker.probeAt).toBe(later);
    // The time of the breaker is over, and still nothing is due.
    await clock.advance(PROBE_MS);
    schedule.stored(1, later);
    expect(schedule.state(1)?.breaker.probeAt).toBe(later);
    publish(1);
    await clock.settle();
    expect(schedule.state(1)).toMatchObject({ inFlight: 1, breaker: { open: true, probeAt: null } });
  });

  it('tells what memory knows of an endpoint', async () => {
    const { clock, schedule, breakIt, publish, answer, settle } = storing();
    expect(schedule.state(1)).toBeNull();
    publish(1);
    await clock.settle();
    const closed = { open: false, failures: 0, probeAt: null };
    expect(schedule.state(1)).toEqual({
      ...{ inFlight: 1, limit: 4, resident: 1, breaker: closed, throttled: false, elsewhere: false },
    });
    answer(500);
    settle({ arrived: false });
    expect(schedule.state(1)?.breaker.failures).toBe(1);
    answer(200);
    await breakIt();
    const probeAt = schedule.state(1)?.breaker.probeAt as number;
    expect(Math.abs(probeAt - clock.now() - BREAKER_PROBE_MS.first)).toBeLessThanOrEqual(500);
    publish(2);
    await clock.advance(PROBE_MS);
    expect(schedule.state(1)).toMatchObject({ inFlight: 1, breaker: { open: true, probeAt: null } });
  });
});
