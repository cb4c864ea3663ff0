import { SCHEDULE_LIMITS } from '../../src/limits.ts';
import type { Destination } from '../../src/model/destination.ts';
import type { SendJob } from '../../src/model/exchange.ts';
import { createFences, type Lease, type LeasedDelivery, RESEND_DUE_AT } from '../../src/model/lease.ts';
import { Schedule, type ScheduleOptions, type SentBy } from '../../src/schedule/schedule.ts';
import type { Store } from '../../src/store/store.ts';
import { ManualClock } from './manual-clock.ts';

export type Claims = Awaited<ReturnType<Store['deliveryClaimDue']>>;

/** Endpoints from this key on belong to application 2, those before it to application 1. */
export const OTHER = 10_000_000;

/** What the sender has is under way: a test that counts it need not tell what only waits in the sender. */
export const NOTHING_AHEAD = { ...SCHEDULE_LIMITS, ahead: 0 };

/** So little room that lanes starve. */
export const LITTLE_ROOM = {
  resident: 60,
  residentPerEndpoint: 20,
  residentCharacters: 10_000,
  inFlight: 16,
  ahead: 0,
  claim: 8,
};

/** A schedule between a store that the test plays, and a sender that only notes. */
export function scheduling(limits: NonNullable<ScheduleOptions['limits']> = NOTHING_AHEAD) {
  const clock = new ManualClock();
  const fences = createFences();
  fences.begin(1);
  const destinations = new Map<number, Partial<Destination> | null>();
  const sent: { at: number; job: SendJob; endpointKey: number }[] = [];
  const ended: LeasedDelivery[] = [];
  const sentBy: SentBy[] = [];
  const expired: LeasedDelivery[] = [];
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
    limits,
    destination: (endpointKey) => {
      const known = destinations.get(endpointKey);
      if (known === null) return null;
      const href = `http://${endpointKey}.example.com/`;
      const target = { applicationKey: applicationOf(endpointKey), href, headers: {}, secrets: [] };
      const throttles = { throttleRate: null, applicationThrottleRate: null };
      const retryPolicy = { schedule: { delaysMs: [], jitter: 0 }, finalStatuses: [] };
      const limits = { ...throttles, maxInFlight: 32, ordering: 'none' } as const;
      return { target, heldReason: null, ...limits, retryPolicy, ...known };
    },
    send: (jobs) => {
      for (const job of jobs) {
        const endpointKey = Number(new URL(job.target.href).hostname.split('.')[0]);
        sent.push({ at: clock.monotonic(), job, endpointKey });
      }
    },
    ended: (delivery, _, by) => {
      ended.push(delivery);
      sentBy.push(by);
    },
    expired: (deliveries) => expired.push(...deliveries),
    orphaned: (endpointKey) => orphaned.push(endpointKey),
    log: { warn: () => {} },
  });
  const lease = (
    endpointKey: number,
    messageKey: number,
    resendKey: number | null = null,
    changes: Partial<LeasedDelivery> = {},
  ): LeasedDelivery => ({
    messageKey,
    endpointKey,
    fence: fences.next(),
    resendKey,
    messageId: `msg_${messageKey}`,
    payload: '{}',
    attemptCount: 0,
    nextAttemptAt: resendKey === null ? clock.now() : RESEND_DUE_AT,
    expiresAt: null,
    orderKey: null,
    announced: false,
    ...changes,
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
    sentBy,
    expired,
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
export async function proving(endpointKeys: readonly number[]) {
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
export async function retrying() {
  const world = scheduling();
  const retry = world.lease(1, 10);
  world.push(retry);
  await world.clock.settle();
  world.answer(500);
  world.settle({ nextAttemptAt: world.clock.now() + 5_000, kept: true, arrived: false });
  return { ...world, retry };
}
