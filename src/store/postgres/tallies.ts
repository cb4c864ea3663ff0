import { HOUR_MS, MINUTE_MS } from '../../model/tally.ts';
import { ALL_KEY, minuteOf, type TallyAddition } from '../rows/tally-batch.ts';
import { ADDED, ITS_HOUR, TALLY_COLUMNS, type TallyRow, timedTallies } from '../rows/tally-row.ts';
import type { Store, TimedTally } from '../store.ts';
import { bigints, integers } from './arrays.ts';
import type { Backend } from './backend.ts';
import { type Executor, statement } from './connection.ts';

type ListParams = Parameters<Store['tallyList']>[0];
type StepParams = Parameters<Store['tallyRoll']>[0];

const COUNTS = TALLY_COLUMNS.join(', ');

const listed = (table: string) =>
  `SELECT began_at, ${COUNTS} FROM posthorn.${table}
   WHERE application_key = $1 AND endpoint_key = $2 AND began_at >= $3 AND began_at < $4`;
const MINUTES = statement(listed('minute_tally'));
// By one statement: what is rolled up meanwhile is seen in one of both.
const ALL = statement(`${listed('minute_tally')} UNION ALL ${listed('hour_tally')}`);
// What somebody is writing this moment comes with the next step: nobody waits for one another.
const ROLL = statement(
  `WITH gone AS (
     DELETE FROM posthorn.minute_tally WHERE ctid = ANY (ARRAY (
       SELECT ctid FROM posthorn.minute_tally WHERE began_at < $1
       ORDER BY began_at, application_key, endpoint_key, writer LIMIT $2 FOR UPDATE SKIP LOCKED))
     RETURNING began_at, application_key, endpoint_key, ${COUNTS}
   ), made AS (
     INSERT INTO posthorn.hour_tally AS t (began_at, application_key, endpoint_key, ${COUNTS})
     SELECT ${ITS_HOUR}, application_key, endpoint_key, ${TALLY_COLUMNS.map((name) => `sum(${name})`).join(', ')}
     FROM gone GROUP BY 1, 2, 3 ORDER BY 2, 3, 1
     ON CONFLICT (application_key, endpoint_key, began_at) DO UPDATE SET ${ADDED}
   )
   SELECT count(*) AS rows FROM gone`,
);
const PURGE = statement(
  `DELETE FROM posthorn.hour_tally WHERE ctid = ANY (ARRAY (
     SELECT ctid FROM posthorn.hour_tally WHERE began_at < $1 ORDER BY began_at LIMIT $2))`,
);

export function tallies({ db }: Backend) {
  return {
    async tallyList({ of, bucket, from, to }: ListParams): Promise<TimedTally[]> {
      const values = [of.applicationKey ?? ALL_KEY, of.endpointKey ?? ALL_KEY, from, to];
      if (bucket === 'minute') return timedTallies(await db.rows<TallyRow>(MINUTES, values), MINUTE_MS);
      return timedTallies(await db.rows<TallyRow>(ALL, values), HOUR_MS);
    },
    async tallyRoll({ before, limit }: StepParams): Promise<number> {
      return (await db.row<{ rows: number }>(ROLL, [before, limit]))?.rows ?? 0;
    },
    tallyPurge: ({ before, limit }: StepParams): Promise<number> => db.changes(PURGE, [before, limit]),
  };
}

/** Parameters of `tallyUpsert`. */
export function tallyValues(additions: readonly TallyAddition[], now: number): [number, ...Buffer[]] {
  return [
    minuteOf(now),
    bigints(additions.map(({ applicationKey }) => applicationKey)),
    bigints(additions.map(({ endpointKey }) => endpointKey)),
    integers(additions.flatMap(({ counts }) => counts)),
  ];
}

/**
 * Counts, as a part of the statement whose rows are counted; its four parameters are from `from` on. The rows are those of this
 * connection, so that nobody else's transaction has them locked; all counts of a row stand in one array, row after row.
 */
export function tallyUpsert(from: number, condition = 'true'): string {
  const count = (index: number) =>
    `($${from + 3}::integer[])[(u.place - 1) * ${TALLY_COLUMNS.length} + ${index + 1}]`;
  return `INSERT INTO posthorn.minute_tally AS t (began_at, application_key, endpoint_key, writer, ${COUNTS})
     SELECT $${from}::bigint, u.application_key, u.endpoint_key, pg_backend_pid(), ${TALLY_COLUMNS.map((_, index) => count(index)).join(', ')}
     FROM unnest($${from + 1}::bigint[], $${from + 2}::bigint[]) WITH ORDINALITY AS u (application_key, endpoint_key, place)
     WHERE ${condition} ORDER BY u.place
     ON CONFLICT (application_key, endpoint_key, began_at, writer) DO UPDATE SET ${ADDED}`;
}

const TALLY = statement(tallyUpsert(1));

/** Counts in a transaction of several statements. */
export async function tally(tx: Executor, additions: readonly TallyAddition[], now: number): Promise<void> {
  if (additions.length > 0) await tx.changes(TALLY, tallyValues(additions, now));
}
