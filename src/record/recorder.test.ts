import { describe, expect, it } from 'vitest';
import { ManualClock, seededRandom } from '../../test/helpers/manual-clock.ts';
import { FAILING_ATTEMPT } from '../limits.ts';
import type { Exchange } from '../model/exchange.ts';
import { createIds } from '../model/id.ts';
import type { LeasedDelivery, Settlement } from '../model/lease.ts';
import { type AttemptResult, type EndpointFailingChange, type Store, StoreError } from '../store/store.ts';
import { Failing } from './failing.ts';
import { Recorder, type Sent } from './recorder.ts';

const delivery: LeasedDelivery = {
  messageKey: 1,
  endpointKey: 2,
  fence: 3,
  resendKey: null,
  messageId: 'msg_1',
  payload: '{}',
  attemptCount: 1,
  nextAttemptAt: 0,
  expiresAt: null,
  orderKey: null,
  announced: false,
};

const sent: Sent = {
  url: 'http://a.example.com/',
  applicationKey: 7,
  retryPolicy: {
    schedule: { delaysMs: [1_000, 5_000, 5_000, 5_000, 5_000], jitter: 0 },
    finalStatuses: [400],
  },
};

function exchange(status: number): Exchange {
  const headers = { requestHeaders: '', responseHeaders: '', retryAfter: null };
  return { startedAt: 0, durationMs: 1, status, body: '', error: null, ...headers };
}

/** A recorder over a store in which no fence, or every fence, still holds. */
function recording(
  held = true,
  failures: StoreError[] = [],
  announces = true,
  refuses: (result: AttemptResult) => boolean = () => false,
) {
  const clock = new ManualClock();
  const random = seededRandom(1);
  const results: AttemptResult[] = [];
  const settlements: Settlement[] = [];
  const changes: EndpointFailingChange[] = [];
  const gone: number[] = [];
  const told = { times: 0 };
  const warned: string[] = [];
  const writes: Parameters<Store['deliveryRecord']>[0][] = [];
  const failing = new Failing({
    disableAfterMs: null,
    isThere: () => true,
    announcements: () => [],
    overdue: () => {},
    log: { warn: () => {} },
  });
  const recorder = new Recorder({
    store: {
      deliveryRecord: async (params) => {
        writes.push(params);
        const failure = failures.shift();
        if (failure !== undefined) throw failure;
        if (params.results.some(refuses))
          throw new StoreError('unavailable', 'PostgreSQL refuses it (22021).');
        results.push(...params.results);
        changes.push(...(params.failing ?? []));
        return { held: params.results.map(() => held), dropped: [] };
      },
    },
    clock,
    random,
    ids: createIds(clock, random),
    failing,
    gone: (endpointKey) => gone.push(endpointKey),
    announces: (applicationKey) => announces && applicationKey === sent.applicationKey,
    announced: () => told.times++,
    keeps: () => true,
    dropped: () => expect.unreachable(),
    settled: (settled) => settlements.push(...settled),
    crowded: () => {},
    broken: () => expect.unreachable(),
    log: { warn: (_, text) => void warned.push(text) },
  });
  const record = async (of: LeasedDelivery, status: number) => {
    recorder.add(of, exchange(status), sent);
    await clock.advance(1_000);
  };
  return { recorder, failing, record, results, settlements, clock, changes, gone, told, writes, warned };
}

describe('a recorded attempt', () => {
  it('of the schedule has its number, and the next is due by the schedule', async () => {
    const { record, results, settlements, clock } = recording();
    await record(delivery, 500);
    expect(results[0]?.attempt).toMatchObject({ number: 2, trigger: 'scheduled' });
    const nextAttemptAt = clock.now() - 1_000 + 5_000;
    expect(settlements).toEqual([{ delivery, nextAttemptAt, kept: true, arrived: false }]);
  });

  it.each([200, 500])(
    'of a resend answered %i is outside of the schedule, and there is none after it',
    async (status) => {
      const { record, results, settlements } = recording();
      const resend = { ...delivery, resendKey: 9 };
      await record(resend, status);
      expect(results[0]?.attempt).toMatchObject({ number: 0, trigger: 'manual' });
      expect(results[0]).toMatchObject({ keepLease: false, lease: { resendKey: 9 } });
      expect(settlements).toEqual([
        { delivery: resend, nextAttemptAt: null, kept: false, arrived: status === 200 },
      ]);
    },
  );

  it('whose lease was void is done: it is not tried again, and has not arrived for others', async () => {
    const { record, settlements } = recording(false);
    await record(delivery, 500);
    await record({ ...delivery, resendKey: 9 }, 200);
    for (const settled of settlements)
      expect(settled).toMatchObject({ nextAttemptAt: null, kept: false, arrived: false });
  });

  it('that may have been written before is written again as it was, so that the store can tell', async () => {
    const { recorder, writes, clock } = recording(true, [new StoreError('unknown', 'Nobody knows.')]);
    recorder.add({ ...delivery, attemptCount: FAILING_ATTEMPT - 1 }, exchange(500), sent);
    await clock.advance(1_000);
    const [first, second] = writes;
    expect(first).toMatchObject({ failing: [{ endpointKey: 2 }] });
    expect(first?.results[0]?.announce).toBe('message.attempt.failing');
    const results = first?.results.map((result) => ({ ...result, again: true }));
    expect(second).toEqual({ ...first, results, now: expect.any(Number) });
    await clock.advance(10_000);
    expect(writes).toHaveLength(2);
  });

  it('that may have been written before is looked for in the store: its void lease says nothing', async () => {
    const failures = [new StoreError('unknown', 'Nobody knows.')];
    const { record, settlements, results, clock } = recording(false, failures);
    await record(delivery, 500);
    const nextAttemptAt = clock.now() - 1_000 + 5_000;
    expect(settlements).toEqual([{ delivery, nextAttemptAt, kept: false, arrived: false }]);
    expect(results.map(({ again }) => again)).toEqual([true]);
  });
});

describe('the policy of the endpoint', () => {
  it.each([
    [200, { state: 'succeeded' }],
    [500, { state: 'pending', nextAttemptAt: expect.any(Number) }],
    [400, { state: 'failed', reason: 'final_status' }],
    [410, { state: 'failed', reason: 'endpoint_gone' }],
  ])('decides what an answer %i does', async (status, verdict) => {
    const { record, results, gone } = recording();
    await record(delivery, status);
    expect(results[0]?.verdict).toEqual(verdict);
    expect(gone).toEqual(status === 410 ? [2] : []);
  });

  it('and the expiry of the message end it before its last try', async () => {
    const { record, results, clock } = recording();
    await record({ ...delivery, expiresAt: clock.now() + 4_000 }, 500);
    expect(results[0]?.verdict).toEqual({ state: 'cancelled', reason: 'expired' });
  });

  it('a resend that is answered 410 says that the endpoint is gone, too', async () => {
    const { record, gone } = recording();
    await record({ ...delivery, resendKey: 9 }, 410);
    expect(gone).toEqual([2]);
  });
});

describe('an endpoint', () => {
  it('fails since the first failure, and works again with a success; both are on record with the attempts', async () => {
    const { record, changes, clock } = recording();
    const since = clock.now();
    for (const status of [200, 500, 500]) await record(delivery, status);
    expect(changes).toEqual([
      { endpointKey: 2, since: since + 1_000, warnedAt: null, broken: false, announcements: [] },
    ]);
    await record(delivery, 200);
    expect(changes[1]).toEqual({ endpointKey: 2, since: null });
  });

  it('does not begin to fail with a resend, and works again with one', async () => {
    const { record, changes } = recording();
    const resend = { ...delivery, resendKey: 9 };
    await record(resend, 500);
    expect(changes).toEqual([]);
    await record(delivery, 500);
    await record(resend, 200);
    expect(changes.map(({ since }) => since)).toEqual([expect.any(Number), null]);
  });

  it('keeps its change until it is written', async () => {
    const { record, changes } = recording(true, [new StoreError('unavailable', 'Full.')]);
    await record(delivery, 500);
    expect(changes).toHaveLength(1);
  });
});

describe('operators', () => {
  const at = (attemptCount: number, fields: Partial<LeasedDelivery> = {}) => ({
    ...delivery,
    attemptCount,
    ...fields,
  });
  const cases: [text: string, of: LeasedDelivery, status: number, type: string | null][] = [
    ['a first failure', at(0), 500, null],
    ['the third', at(2), 500, null],
    ['the fourth', at(3), 500, 'message.attempt.failing'],
    ['the fifth', at(4), 500, null],
    ['the last', at(5), 500, 'message.attempt.exhausted'],
    ['a final one', at(3), 400, 'message.attempt.exhausted'],
    ['one of a resend', at(3, { resendKey: 9 }), 500, null],
    ['a success', at(3), 200, null],
    ['a success after the fourth failure', at(4), 200, 'message.attempt.recovered'],
    ['a success of what they were told of', at(0, { announced: true }), 200, 'message.attempt.recovered'],
    ['a success of a resend', at(0, { resendKey: 9 }), 200, 'message.attempt.recovered'],
  ];
  it.each(cases)('are told of %s as that is', async (_, of, status, type) => {
    const { record, results, told } = recording();
    await record(of, status);
    expect(results[0]).toMatchObject({ announce: type, applicationKey: 7 });
    expect(told.times).toBe(type === null ? 0 : 1);
  });

  it('are told of nothing when none of them listens', async () => {
    const { record, results, told } = recording(true, [], false);
    await record(at(3), 500);
    expect([results[0]?.announce, told.times]).toEqual([null, 0]);
  });
});

describe('what is known of failing endpoints', () => {
  const unavailable = () => new StoreError('unavailable', 'Not now.');

  it('is written within a second when nothing is there to be written with it, however often that fails', async () => {
    const { recorder, failing, clock, changes, writes } = recording(true, [unavailable(), unavailable()]);
    failing.breaker(2, true, 5);
    recorder.note();
    recorder.note();
    await clock.advance(999);
    expect(writes).toHaveLength(1);
    await clock.advance(10_000);
    expect(writes).toHaveLength(3);
    expect(changes).toMatchObject([{ endpointKey: 2, broken: true }]);
    expect(clock.nextTimerAt).toBeNull();
  });

  it('goes with an outcome where there is one', async () => {
    const { recorder, failing, clock, changes, writes, record } = recording();
    failing.breaker(2, true, 5);
    recorder.note();
    await record(delivery, 500);
    expect([writes.length, changes.length]).toEqual([1, 1]);
    await clock.advance(10_000);
    expect([writes.length, clock.nextTimerAt]).toEqual([1, null]);
  });

  it('is written no more after the end', async () => {
    const { recorder, failing, clock, writes } = recording();
    failing.breaker(2, true, 5);
    recorder.note();
    recorder.stop();
    recorder.note();
    await clock.advance(10_000);
    expect(writes).toEqual([]);
  });
});

describe('an outcome that the store refuses for what it is', () => {
  const of = (messageKey: number) => ({ ...delivery, messageKey });
  const keysOf = (results: readonly AttemptResult[]) => results.map(({ lease }) => lease.messageKey).sort();

  it('keeps no other from being recorded, is laid aside, and recorded when it can be', async () => {
    const refused = new Set([3, 7]);
    const { recorder, record, results, clock, writes, warned } = recording(true, [], true, ({ lease }) =>
      refused.has(lease.messageKey),
    );
    for (let key = 0; key < 10; key++) recorder.add(of(key), exchange(200), sent);
    await clock.advance(10_000);
    expect(keysOf(results)).toEqual([0, 1, 2, 4, 5, 6, 8, 9]);
    // By others, it is seen that these two are refused and not all.
    for (let key = 10; key < 30; key++) await record(of(key), 200);
    expect(results).toHaveLength(28);
    expect(warned.filter((text) => text.startsWith('an outcome is refused'))).toHaveLength(2);
    expect(recorder.failure).toBeNull();
    const before = writes.length;
    for (let key = 30; key < 40; key++) await record(of(key), 200);
    expect(writes.length - before).toBeLessThan(20);
    refused.clear();
    const drained = recorder.drained();
    await clock.advance(120_000);
    await drained;
    expect(results).toHaveLength(40);
    expect(clock.nextTimerAt).toBeNull();
  });

  it('is not taken for that while nothing can be recorded', async () => {
    let isAway = true;
    const { recorder, results, clock, warned } = recording(true, [], true, () => isAway);
    for (let key = 0; key < 4; key++) recorder.add(of(key), exchange(200), sent);
    await clock.advance(120_000);
    expect(recorder.failure).not.toBeNull();
    isAway = false;
    await clock.advance(6_000);
    expect(results).toHaveLength(4);
    expect(warned.filter((text) => text.startsWith('an outcome is refused'))).toEqual([]);
    await recorder.drained();
  });
});
