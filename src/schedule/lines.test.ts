import { describe, expect, it } from 'vitest';
import { scheduling } from '../../test/helpers/scheduling.ts';
import { RESEND_DUE_AT } from '../model/lease.ts';

/** A world in which one of the line `''` is under way to endpoint 1. */
async function sending() {
  const world = scheduling();
  const { clock, schedule, sent, lease } = world;
  const ordered = (messageKey: number, orderKey = '') => lease(1, messageKey, null, { orderKey });
  /** As a claim brings them. */
  const bring = async (...deliveries: ReturnType<typeof lease>[]) => {
    for (const { payload } of deliveries) expect(schedule.admit(1, 1, payload.length)).toBe(true);
    schedule.push(deliveries);
    await clock.settle();
  };
  await bring(ordered(10));
  return { ...world, ordered, bring, names: () => sent.map(({ job }) => job.messageId) };
}

describe('the next of a line, let go by the store while the one before it is under way', () => {
  it('goes out when that request has ended, whatever came of it; other lines and resends go beside it', async () => {
    const { clock, schedule, lease, bring, ordered, answer, settle, names } = await sending();
    await bring(ordered(11), ordered(12, 'other'), lease(1, 10, 77), lease(1, 13));
    expect(names()).toEqual(['msg_10', 'msg_10', 'msg_12', 'msg_13']);
    answer(500);
    await clock.settle();
    expect(names()).toEqual(['msg_11']);
    settle({ arrived: false });
    answer(200);
    settle();
    await clock.settle();
    expect(schedule.resident).toBe(0);
  });

  it('waits for the end of its own line, not of another', async () => {
    const { clock, schedule, bring, ordered, sent, names } = await sending();
    await bring(ordered(20, 'other'));
    await bring(ordered(11), ordered(21, 'other'));
    const end = async (messageId: string) => {
      const { job } = sent.find((each) => each.job.messageId === messageId) as (typeof sent)[number];
      const exchange = { startedAt: 0, durationMs: 1, status: 200, body: '', error: null, retryAfter: null };
      const headers = { requestHeaders: '', responseHeaders: '' };
      schedule.results([{ ref: job.ref, exchange: { ...exchange, ...headers } }]);
      await clock.settle();
    };
    await end('msg_20');
    expect(names()).toEqual(['msg_10', 'msg_20', 'msg_21']);
    await end('msg_10');
    expect(names()).toEqual(['msg_10', 'msg_20', 'msg_21', 'msg_11']);
  });

  it('is void when it is dropped meanwhile, and the one after it goes out in its place', async () => {
    const { clock, schedule, bring, ordered, answer, settle, names } = await sending();
    const next = ordered(11);
    await bring(next);
    // Claimed before the schedule heard that the one before it is void.
    await bring(ordered(12));
    schedule.drop([next]);
    answer(200);
    settle();
    await clock.settle();
    expect(names()).toEqual(['msg_12']);
    expect(schedule.resident).toBe(1);
  });

  it('that is let go twice goes out once, under the newer lease', async () => {
    const { clock, schedule, bring, ordered, ended, answer, names } = await sending();
    const [older, newer] = [ordered(11), ordered(11)];
    await bring(newer);
    await bring(older);
    expect(schedule.resident).toBe(2);
    answer(200);
    await clock.settle();
    expect(names()).toEqual(['msg_11']);
    answer(200);
    expect(ended.at(-1)?.fence).toBe(newer.fence);
  });

  it('goes back to the store with a pause, and with a deletion is gone', async () => {
    for (const heldReason of ['endpoint_paused', null] as const) {
      const { clock, schedule, destinations, bring, ordered, answer, settle, unleased, names } =
        await sending();
      await bring(ordered(11));
      destinations.set(1, heldReason && { heldReason });
      schedule.endpointChanged(1);
      await clock.settle();
      expect(unleased.map(({ messageKey }) => messageKey)).toEqual(heldReason ? [11] : []);
      expect(schedule.resident).toBe(1);
      answer(200);
      settle();
      await clock.settle();
      expect(names()).toEqual([]);
      expect(schedule.resident).toBe(0);
    }
  });

  it('waits in memory while the breaker is open, and is not carried to and fro when it would be the probe', async () => {
    const { clock, store, schedule, bring, ordered, lease, answer, unleased, sent, names } = await sending();
    let claims = 0;
    store.deliveryClaimDue = async ({ lanes }) => {
      claims++;
      return lanes.map(() => ({ claimed: unleased.splice(0, 1).map(() => ordered(11)), nextDueAt: null }));
    };
    await bring(ordered(11));
    const [first] = sent.splice(0);
    for (let failures = 0; failures < 10; failures++) {
      await bring(lease(1, 100 + failures));
      answer(500);
    }
    expect(schedule.state(1)?.breaker.open).toBe(true);
    await clock.advance(60_000);
    expect(names()).toEqual([]);
    expect(claims).toBeLessThan(3);
    sent.push(first as (typeof sent)[number]);
    answer(500);
    await clock.settle();
    expect(names()).toEqual(['msg_11']);
  });
});

describe('a line of which an older one came back while the last was under way', () => {
  /** What is claimed, and when the store says that the next is due. */
  async function claimedAt(world: Awaited<ReturnType<typeof sending>>, nextDueAt: number | null) {
    const { clock, store, ordered } = world;
    const at: number[] = [];
    store.deliveryClaimDue = async ({ lanes }) => {
      at.push(clock.monotonic());
      return lanes.map(() => ({ claimed: at.length === 1 ? [ordered(9)] : [], nextDueAt }));
    };
    return at;
  }

  it('is looked at when that one is to be tried again later: the older one may be due at once', async () => {
    const world = await sending();
    const { clock, answer, settle, names } = world;
    const claims = await claimedAt(world, null);
    answer(500);
    settle({ arrived: false, nextAttemptAt: clock.now() + 3_600_000 });
    await clock.settle();
    expect(claims).toEqual([0]);
    expect(names()).toEqual(['msg_9']);
  });

  it('is looked at once, when there is none', async () => {
    const world = await sending();
    const { clock, store, answer, settle } = world;
    const dueAt = clock.now() + 30_000;
    const claims: number[] = [];
    store.deliveryClaimDue = async ({ lanes }) => {
      claims.push(clock.monotonic());
      return lanes.map(() => ({ claimed: [], nextDueAt: claims.length === 1 ? dueAt : null }));
    };
    answer(500);
    settle({ arrived: false, nextAttemptAt: dueAt });
    await clock.advance(60_000);
    expect(claims).toHaveLength(2);
    expect(claims[1]).toBeGreaterThanOrEqual(30_000);
  });

  it('is looked at when what waits for its retry was given back to the store', async () => {
    const world = await sending();
    const { clock, schedule, lease, bring, answer, settle, unleased } = world;
    answer(500);
    settle({ arrived: false, kept: true, nextAttemptAt: clock.now() + 9_000 });
    const claims = await claimedAt(world, null);
    for (let failures = 1; failures < 10; failures++) {
      await bring(lease(1, 100 + failures));
      answer(500);
      settle({ arrived: false });
    }
    await clock.settle();
    expect(unleased.map(({ messageKey }) => messageKey)).toContain(10);
    // The probe, long before the retry would have been due.
    await clock.advance(6_000);
    expect(claims.length).toBeGreaterThan(0);
    expect(world.names()).toEqual(['msg_9']);
    expect(schedule.state(1)?.breaker.open).toBe(true);
  });
});

it('claims again when all that a claim met had expired, once for each claim that has more to do', async () => {
  const { clock, store, schedule, sent, lease } = scheduling();
  let claims = 0;
  store.deliveryClaimDue = async ({ lanes }) => {
    claims++;
    if (claims === 4) return lanes.map(() => ({ claimed: [lease(1, 10)], nextDueAt: null }));
    return lanes.map(() => ({ claimed: [], nextDueAt: clock.now() }));
  };
  schedule.stored(1, RESEND_DUE_AT + 1);
  await clock.advance(10_000);
  expect(claims).toBe(4);
  expect(sent).toHaveLength(1);
});
