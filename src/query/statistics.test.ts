import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import { HOUR_MS, LATENCY_BOUNDS_MS, MINUTE_MS } from '../model/tally.ts';
import { Statistics } from './statistics.ts';

const NOW = Date.UTC(2026, 0, 31, 9, 20, 30);
const NONE = { accepted: 0, succeeded: 0, failed4xx: 0, failed5xx: 0, failedOther: 0, unanswered: 0 };

/** Statistics over a store that says what it was asked, and has one message for each call. */
function statistics() {
  const clock = new ManualClock(NOW);
  const asked: string[] = [];
  let counts = 0;
  const time = (at: number) => new Date(at).toISOString().slice(8, 16);
  const given = new Statistics(
    {
      tallyList: async ({ bucket, from, to }) => {
        asked.push(`${bucket} ${time(from)} ${time(to)}`);
        const latency = Array<number>(LATENCY_BOUNDS_MS.length + 1).fill(0);
        return [{ ...NONE, beganAt: from, accepted: 1, latency }];
      },
      deliveryBacklogCount: async () => {
        counts++;
        return { pending: counts, sending: 0, held: 0, failed: 0, oldestDueAt: null };
      },
    },
    clock,
  );
  return { given, clock, asked };
}

describe('a total', () => {
  it('takes minutes as far as they are kept, and hours before that', async () => {
    const { given, asked } = statistics();
    const total = await given.total({}, { since: NOW - 24 * HOUR_MS, until: NOW });
    expect(asked).toEqual(['hour 30T09:00 31T04:00', 'minute 31T04:00 31T09:21']);
    expect(total.accepted).toBe(2);
  });

  it('cuts times so that ranges that follow each other have everything once', async () => {
    const { given, asked } = statistics();
    await given.total({}, { since: NOW - 2 * HOUR_MS, until: NOW - HOUR_MS });
    await given.total({}, { since: NOW - HOUR_MS, until: NOW });
    await given.total({}, { since: NOW - 72 * HOUR_MS, until: NOW - 48 * HOUR_MS });
    await given.total({}, { since: NOW - 48 * HOUR_MS, until: NOW - 24 * HOUR_MS });
    expect(asked).toEqual([
      'minute 31T07:20 31T08:20',
      'minute 31T08:20 31T09:21',
      'hour 28T09:00 29T09:00',
      'hour 29T09:00 30T09:00',
    ]);
  });

  it('of no time is nothing, and reads nothing', async () => {
    const { given, asked } = statistics();
    const at = NOW - HOUR_MS;
    expect((await given.total({}, { since: at, until: at })).accepted).toBe(0);
    expect(asked).toEqual([]);
  });
});

describe('a series', () => {
  it('has the minute, or hour, that is not over', async () => {
    const { given, asked } = statistics();
    const range = { since: NOW - HOUR_MS, until: NOW };
    expect(await given.series({}, { ...range, bucket: 'minute' })).toMatchObject({ to: NOW });
    expect(await given.series({}, { ...range, bucket: 'hour' })).toMatchObject({ to: NOW });
    const past = { since: NOW - 2 * HOUR_MS, until: NOW - HOUR_MS };
    expect(await given.series({}, { ...past, bucket: 'minute' })).toMatchObject({
      to: NOW - HOUR_MS - 30_000,
    });
    expect(asked).toEqual(['minute 31T08:20 31T09:21', 'hour 31T08:00 31T10:00', 'minute 31T07:20 31T08:20']);
  });

  it('is refused by minutes that are not kept any more, and when it would be too long', async () => {
    const { given } = statistics();
    const refused = { code: 'invalid_range' };
    const since = NOW - 6 * HOUR_MS - MINUTE_MS;
    const minutes = given.series({}, { since, until: NOW, bucket: 'minute' });
    await expect(minutes).rejects.toMatchObject(refused);
    const hours = given.series({}, { since: NOW - 1_501 * HOUR_MS, until: NOW, bucket: 'hour' });
    await expect(hours).rejects.toMatchObject(refused);
    await given.series({}, { since: NOW - 6 * HOUR_MS, until: NOW, bucket: 'minute' });
    await given.series({}, { since: NOW - 1_499 * HOUR_MS, until: NOW, bucket: 'hour' });
  });
});

describe('a backlog', () => {
  it('is counted once in two seconds for each of those that are asked for', async () => {
    const { given, clock } = statistics();
    const counted = async (of: { applicationKey?: number }) => (await given.backlog(of)).pending;
    expect([await counted({}), await counted({}), await counted({ applicationKey: 1 })]).toEqual([1, 1, 2]);
    await clock.advance(1_999);
    expect([await counted({}), await counted({ applicationKey: 1 })]).toEqual([1, 2]);
    await clock.advance(1);
    expect([await counted({}), await counted({ applicationKey: 1 })]).toEqual([3, 4]);
  });
});
