import Type, { type Static } from 'typebox';
import { BACKLOG_COUNTED } from '../../../limits.ts';
import { failedOf, latencyAt, type Tally } from '../../../model/tally.ts';
import type { BacklogCount, Series } from '../../../query/statistics.ts';
import { nullable } from './common.ts';

const time = (description: string) => Type.String({ format: 'date-time', description });
const upTo = (what: string) =>
  Type.Integer({ description: `Deliveries that ${what}. At most ${BACKLOG_COUNTED} are counted.` });
const ms = (share: string) =>
  Type.Number({ description: `${share} of the answers took at most so many ms, from classes.` });

const COUNTS = {
  accepted: Type.Integer({ description: 'Messages that were accepted; of an endpoint 0.' }),
  success: Type.Integer({ description: 'Attempts that were recorded, and succeeded.' }),
  fail: Type.Integer({ description: 'Attempts that were recorded, and failed; of these:' }),
  failed: Type.Object({
    clientError: Type.Integer({ description: 'Answered with a 4xx.' }),
    serverError: Type.Integer({ description: 'Answered with a 5xx.' }),
    other: Type.Integer({ description: 'Answered with anything else that is no 2xx, such as a redirect.' }),
    noAnswer: Type.Integer({ description: 'Not answered at all.' }),
  }),
  latencyMs: nullable(
    Type.Object(
      { p50: ms('Half'), p95: ms('95 %'), p99: ms('99 %') },
      { description: 'How long answers took, whatever they were. Null: there were none.' },
    ),
  ),
};

const BacklogOut = Type.Object(
  {
    pending: upTo('wait for their turn or their next try'),
    sending: upTo('are under way, or about to be'),
    held: upTo('are held'),
    failed: upTo('failed for good, and were neither resent nor forgotten'),
    oldestDueAt: nullable(
      time('When the oldest of what should have been sent by now was due. Null: nothing should.'),
    ),
  },
  { title: 'BacklogOut' },
);

const StatisticsBucketOut = Type.Object(
  { at: time('When it began.'), ...COUNTS },
  { title: 'StatisticsBucketOut' },
);

export const StatisticsOut = Type.Object(
  {
    since: time('The beginning of the first minute or hour.'),
    until: time('The end of the last one, or now.'),
    bucket: Type.Enum(['minute', 'hour']),
    ...COUNTS,
    acceptedPerSecond: Type.Number({ description: 'Messages, over the whole range.' }),
    deliveredPerSecond: Type.Number({ description: 'Attempts that succeeded, over the whole range.' }),
    backlog: BacklogOut,
    buckets: Type.Array(StatisticsBucketOut, {
      description: 'By time. Those in which nothing was counted are left out.',
    }),
  },
  { title: 'StatisticsOut' },
);

export function statisticsOut(series: Series, backlog: BacklogCount): Static<typeof StatisticsOut> {
  const { bucket, from, to, total, buckets } = series;
  const perSecond = (count: number) => (to > from ? (count * 1_000) / (to - from) : 0);
  return {
    ...{ since: iso(from), until: iso(to), bucket },
    ...countsOut(total),
    acceptedPerSecond: perSecond(total.accepted),
    deliveredPerSecond: perSecond(total.succeeded),
    backlog: backlogOut(backlog),
    buckets: buckets.map((each) => ({ at: iso(each.beganAt), ...countsOut(each) })),
  };
}

function backlogOut({ oldestDueAt, ...counts }: BacklogCount): Static<typeof BacklogOut> {
  return { ...counts, oldestDueAt: oldestDueAt === null ? null : iso(oldestDueAt) };
}

function countsOut(tally: Tally) {
  const { accepted, succeeded, failed4xx, failed5xx, failedOther, unanswered } = tally;
  return {
    accepted,
    success: succeeded,
    fail: failedOf(tally),
    failed: { clientError: failed4xx, serverError: failed5xx, other: failedOther, noAnswer: unanswered },
    latencyMs: latencyOut(tally),
  };
}

function latencyOut(tally: Tally) {
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => latencyAt(tally, share));
  if (typeof p50 !== 'number' || typeof p95 !== 'number' || typeof p99 !== 'number') return null;
  const rounded = (value: number) => Math.round(value * 10) / 10;
  return { p50: rounded(p50), p95: rounded(p95), p99: rounded(p99) };
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
