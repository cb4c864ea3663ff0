import { describe, expect, it } from 'vitest';
import { ManualClock, seededRandom } from '../../test/helpers/manual-clock.ts';
import type { Exchange } from '../model/exchange.ts';
import { createIds } from '../model/id.ts';
import type { LeasedDelivery, Settlement } from '../model/lease.ts';
import { type AttemptResult, StoreError } from '../store/store.ts';
import { Recorder } from './recorder.ts';

const delivery: LeasedDelivery = {
  messageKey: 1,
  endpointKey: 2,
  fence: 3,
  resendKey: null,
  messageId: 'msg_1',
  payload: '{}',
  attemptCount: 1,
  nextAttemptAt: 0,
};

function exchange(status: number): Exchange {
  const headers = { requestHeaders: '', responseHeaders: '', retryAfter: null };
  return { startedAt: 0, durationMs: 1, status, body: '', error: null, ...headers };
}

/** A recorder over a store in which no fence, or every fence, still holds. */
function recording(held = true, failures: StoreError[] = []) {
  const clock = new ManualClock();
  const random = seededRandom(1);
  const results: AttemptResult[] = [];
  const settlements: Settlement[] = [];
  const recorder = new Recorder({
    store: {
      deliveryRecord: async (params) => {
        const failure = failures.shift();
        if (failure !== undefined) throw failure;
        results.push(...params.results);
        return params.results.map(() => held);
      },
    },
    clock,
    random,
    ids: createIds(clock, random),
    schedule: { delaysMs: [1_000, 5_000], jitter: 0 },
    keeps: () => true,
    settled: (settled) => settlements.push(...settled),
    crowded: () => {},
    broken: () => expect.unreachable(),
    log: { info: () => {}, warn: () => {} },
  });
  const record = async (of: LeasedDelivery, status: number) => {
    recorder.add(of, exchange(status), 'http://a.example.com/');
    await clock.advance(1_000);
  };
  return { record, results, settlements, clock };
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

  it('that may have been written before is looked for in the store: its void lease says nothing', async () => {
    const { record, settlements, clock } = recording(false, [new StoreError('unknown', 'Nobody knows.')]);
    await record(delivery, 500);
    const nextAttemptAt = clock.now() - 1_000 + 5_000;
    expect(settlements).toEqual([{ delivery, nextAttemptAt, kept: false, arrived: false }]);
  });
});
