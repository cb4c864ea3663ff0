import { describe, expect, it } from 'vitest';
import { type Claims, retrying, scheduling } from '../../test/helpers/scheduling.ts';
import { firstFence } from '../model/lease.ts';
import { StoreError } from '../store/store.ts';

describe('a disabled endpoint', () => {
  it('gets nothing, and everything in memory goes back to the store: what is ready and what waits for its retry', async () => {
    const { clock, schedule, destinations, sent, unleased, orphaned, lease, push } = await retrying();
    destinations.set(1, { heldReason: 'endpoint_disabled' });
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
    destinations.set(1, { heldReason: 'endpoint_disabled' });
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
    destinations.set(1, { heldReason: 'endpoint_disabled' });
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
    destinations.set(1, { heldReason: 'endpoint_disabled' });
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
    destinations.set(1, { heldReason: 'endpoint_disabled' });
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
    const { clock, schedule, sent, retry, lease, push, answer, settle } = await retrying();
    push(lease(1, 10, 77));
    await clock.settle();
    expect(answer(200)).toBe(1);
    // As its record says.
    schedule.drop([retry]);
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
      await clock.settle();
    }
  });
});

describe('dropped deliveries', () => {
  it('are not sent, whether ready or waiting, resends neither; their room is free, and others go on', async () => {
    const { clock, schedule, sent, retry, lease, push } = await retrying();
    const ready = [lease(1, 11), lease(1, 11, 77)];
    for (const each of ready) push(each);
    push(lease(1, 12));
    schedule.drop([retry, ...ready]);
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
    schedule.drop(claimed.slice(0, 1));
    bring([{ claimed, nextDueAt: null }]);
    await clock.settle();
    expect(sent.map(({ job }) => job.messageId)).toEqual(['msg_11']);
    expect(schedule.resident).toBe(1);
  });

  it('are not tried again though their attempt was recorded just before', async () => {
    const { clock, schedule, sent, lease, push, answer, settle } = scheduling();
    const tried = lease(1, 10);
    push(tried);
    await clock.settle();
    answer(500);
    schedule.drop([tried]);
    settle({ nextAttemptAt: clock.now() + 1_000, kept: true, arrived: false });
    await clock.advance(10_000);
    expect(sent).toEqual([]);
    expect(schedule.resident).toBe(0);
  });

  it('are sent under a newer lease, though it came before it was known that the older one is void', async () => {
    const { clock, schedule, sent, ended, retry, lease, push, answer } = await retrying();
    const newer = lease(1, 10);
    push(newer);
    schedule.drop([retry]);
    await clock.settle();
    expect(sent.map(({ job }) => job.messageId)).toEqual(['msg_10']);
    answer(200);
    expect(ended.at(-1)?.fence).toBe(newer.fence);
    expect(schedule.resident).toBe(1);
  });

  it('are sent under a newer lease that is still on its way when the older one becomes void', async () => {
    const { clock, store, schedule, sent, retry, lease } = await retrying();
    let bring: (claims: Claims) => void = () => {};
    store.deliveryClaimDue = () =>
      new Promise((resolve) => {
        bring = resolve;
      });
    schedule.stored(1, clock.now());
    await clock.settle();
    const newer = lease(1, 10);
    schedule.drop([retry]);
    bring([{ claimed: [newer], nextDueAt: null }]);
    await clock.settle();
    expect(sent.map(({ job }) => job.messageId)).toEqual(['msg_10']);
    await clock.advance(10_000);
    expect(sent).toHaveLength(1);
  });

  it('and their resends that the same claim took are void each by itself', async () => {
    const { clock, schedule, ended, lease, push, answer } = scheduling();
    schedule.pause();
    const delivery = lease(1, 10);
    const { fence } = delivery;
    for (const each of [delivery, lease(1, 10, 77, { fence }), lease(1, 10, 78, { fence })]) push(each);
    schedule.drop([delivery, lease(1, 10, 78, { fence })]);
    schedule.resume();
    await clock.settle();
    expect(answer(200)).toBe(1);
    expect(ended.map(({ resendKey }) => resendKey)).toEqual([77]);
  });

  it('are no matter of a lease that another node had', async () => {
    const { clock, schedule, sent, lease, push } = scheduling();
    const delivery = lease(1, 10);
    push(delivery);
    schedule.drop([{ ...delivery, fence: firstFence(2) + 1 }]);
    await clock.settle();
    expect(sent).toHaveLength(1);
  });
});

describe('an ordered delivery', () => {
  it('that ends, and a resend that arrives, have the store asked for what stood behind it', async () => {
    const { clock, store, schedule, sent, lease, answer, settle } = scheduling();
    let claims = 0;
    let next = 10;
    store.deliveryClaimDue = async ({ lanes }) => {
      claims++;
      const claimed = next < 13 ? [lease(1, next, null, { orderKey: 'a' })] : [];
      return lanes.map(() => ({ claimed, nextDueAt: null }));
    };
    schedule.stored(1, clock.now());
    for (; next < 13; next++) {
      await clock.settle();
      expect(sent.map(({ job }) => job.messageId)).toEqual([`msg_${next}`]);
      answer(200);
      settle();
    }
    await clock.settle();
    schedule.push([lease(1, 99, 7)]);
    await clock.settle();
    expect(claims).toBe(4);
    answer(500);
    settle({ arrived: false });
    await clock.settle();
    expect(claims).toBe(4);
    schedule.push([lease(1, 99, 8)]);
    await clock.settle();
    answer(200);
    settle();
    await clock.settle();
    expect(claims).toBe(5);
  });

  it('that waits for its retry has nothing asked for', async () => {
    const { clock, store, schedule, sent, lease, answer, settle } = scheduling();
    schedule.push([lease(1, 10, null, { orderKey: '' })]);
    await clock.settle();
    store.deliveryClaimDue = () => expect.unreachable();
    answer(500);
    settle({ arrived: false, kept: true, nextAttemptAt: clock.now() + 5_000 });
    await clock.advance(6_000);
    expect(sent).toHaveLength(1);
  });
});

describe('a delivery that expires', () => {
  it('before its turn is not sent, and named; those behind it are, and a resend of it is', async () => {
    const { clock, schedule, sent, expired, lease, push } = scheduling();
    schedule.pause();
    const soon = { expiresAt: clock.now() + 1_000 };
    push(lease(1, 10, null, soon));
    push(lease(1, 11, null, soon));
    push(lease(1, 12, null, { expiresAt: clock.now() + 5_000 }));
    push(lease(1, 10, 7, soon));
    await clock.advance(2_000);
    schedule.resume();
    await clock.settle();
    expect(sent.map(({ job }) => job.messageId)).toEqual(['msg_10', 'msg_12']);
    expect(expired.map(({ messageKey }) => messageKey)).toEqual([10, 11]);
    expect(schedule.resident).toBe(2);
  });

  it('while it waits in memory for its retry is not tried again', async () => {
    const { clock, schedule, sent, expired, lease, push, answer, settle } = scheduling();
    push(lease(1, 10, null, { expiresAt: clock.now() + 3_000 }));
    await clock.settle();
    answer(500);
    settle({ nextAttemptAt: clock.now() + 5_000, kept: true, arrived: false });
    await clock.advance(6_000);
    expect(sent).toEqual([]);
    expect(expired).toMatchObject([{ messageKey: 10 }]);
    expect(schedule.resident).toBe(0);
  });
});

describe('requests at once', () => {
  /** Publishes and answers until the lane has grown. Returns the most that were under way. */
  async function most({ clock, sent, push, lease, answer, settle }: ReturnType<typeof scheduling>) {
    let atOnce = 0;
    for (let round = 0; round < 20; round++) {
      for (let n = 0; n < 300; n++) push(lease(1, round * 1_000 + n));
      await clock.settle();
      atOnce = Math.max(atOnce, sent.length);
      answer(200);
      settle();
    }
    while (answer(200) > 0) {
      settle();
      await clock.settle();
    }
    return atOnce;
  }

  it.each([1, 2, 32, 200])(
    'are at most %i at an endpoint that asks for that, and may become so many',
    async (maxInFlight) => {
      const world = scheduling();
      world.destinations.set(1, { maxInFlight });
      expect(await most(world)).toBe(maxInFlight);
    },
  );

  it('follow a change of the endpoint', async () => {
    const world = scheduling();
    expect(await most(world)).toBe(32);
    for (const maxInFlight of [3, 50]) {
      world.destinations.set(1, { maxInFlight });
      world.schedule.endpointChanged(1);
      await world.clock.settle();
      expect(await most(world)).toBe(maxInFlight);
    }
  });
});

it('tells with each attempt where it went and by which policy', async () => {
  const { clock, destinations, sentBy, lease, push, answer } = scheduling();
  const retryPolicy = { schedule: { delaysMs: [1, 2], jitter: 0 }, finalStatuses: [404] };
  destinations.set(1, { retryPolicy });
  push(lease(1, 10));
  await clock.settle();
  destinations.set(1, {});
  answer(200);
  expect(sentBy).toEqual([{ url: 'http://1.example.com/', applicationKey: 1, retryPolicy }]);
});

it('tells whether a delivery is under way, and whether a resend of it is', async () => {
  const { clock, schedule, lease, push, answer } = scheduling();
  push(lease(1, 10, 77));
  push(lease(1, 11));
  await clock.settle();
  const sends = (messageKey: number, resends: boolean) => schedule.sends(1, messageKey, { resends });
  expect([sends(10, false), sends(10, true), sends(11, false), sends(12, true)]).toEqual([
    false,
    true,
    true,
    false,
  ]);
  answer(200);
  expect([sends(10, true), sends(11, false)]).toEqual([false, false]);
});
