import { HOUR_MS, LATENCY_BOUNDS_MS, type Tally, tallySum } from '../../model/tally.ts';
import type { TimedTally } from '../store.ts';

const OUTCOMES = ['succeeded', 'failed_4xx', 'failed_5xx', 'failed_other', 'unanswered'] as const;
const LATENCIES = [...LATENCY_BOUNDS_MS.map((bound) => `ms_${bound}`), 'ms_more'];

/** The columns of `minute_tally` and `hour_tally` that count, in the order in which `TallyBatch` has them. */
export const TALLY_COLUMNS: readonly string[] = ['accepted', ...OUTCOMES, ...LATENCIES];
export const FIRST_LATENCY = 1 + OUTCOMES.length;

export type TallyRow = { began_at: number } & Readonly<Record<string, number>>;

/** Rows of one time, of several writers or minutes, make one; the oldest first. */
export function timedTallies(rows: readonly TallyRow[], bucketMs: number): TimedTally[] {
  const times = Map.groupBy(rows, ({ began_at }) => began_at - (began_at % bucketMs));
  return Array.from(times, ([beganAt, some]) => ({ beganAt, ...tallySum(some.map(tally)) })).sort(
    (one, other) => one.beganAt - other.beganAt,
  );
}

function tally(row: TallyRow): Tally {
  const count = (name: string) => row[name] as number;
  return {
    accepted: count('accepted'),
    succeeded: count('succeeded'),
    failed4xx: count('failed_4xx'),
    failed5xx: count('failed_5xx'),
    failedOther: count('failed_other'),
    unanswered: count('unanswered'),
    latency: LATENCIES.map(count),
  };
}

/** SQL: the beginning of the hour that a row of minutes belongs to. */
export const ITS_HOUR = `began_at - began_at % ${HOUR_MS}`;

/** SQL: what a second row of the same key adds to the first, `t`. */
export const ADDED = TALLY_COLUMNS.map((name) => `${name} = t.${name} + excluded.${name}`).join(', ');
