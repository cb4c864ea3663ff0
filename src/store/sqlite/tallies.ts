import type { Statement } from 'better-sqlite3';
import { HOUR_MS, MINUTE_MS } from '../../model/tally.ts';
import { ALL_KEY, minuteOf, type TallyAddition } from '../rows/tally-batch.ts';
import { ADDED, ITS_HOUR, TALLY_COLUMNS, type TallyRow, timedTallies } from '../rows/tally-row.ts';
import type { Store, TimedTally } from '../store.ts';
import { type Connection, transaction } from './connection.ts';

type ListParams = Parameters<Store['tallyList']>[0];
type StepParams = Parameters<Store['tallyRoll']>[0];
type MinuteKey = [beganAt: number, applicationKey: number, endpointKey: number, writer: number];

const COUNTS = TALLY_COLUMNS.join(', ');

export function tallies(connection: Connection) {
  const { hours, minute, bounds, purge } = prepare(connection);
  const roll = rolling(connection);

  /** Minutes are in the order of time, so that those of one owner are looked up one by one. */
  function minutesOf(owner: { applicationKey: number; endpointKey: number }, from: number, to: number) {
    const { first, last } = bounds.get() as { first: number | null; last: number | null };
    const rows: TallyRow[] = [];
    if (first === null || last === null) return rows;
    const begin = Math.max(Math.ceil(from / MINUTE_MS) * MINUTE_MS, first);
    for (let beganAt = begin; beganAt < to && beganAt <= last; beganAt += MINUTE_MS) {
      // Several, where they were imported from PostgreSQL.
      rows.push(...(minute.all({ ...owner, beganAt }) as TallyRow[]));
    }
    return rows;
  }

  return {
    tallyList({ of, bucket, from, to }: ListParams): TimedTally[] {
      const owner = { applicationKey: of.applicationKey ?? ALL_KEY, endpointKey: of.endpointKey ?? ALL_KEY };
      const minutes = minutesOf(owner, from, to);
      if (bucket === 'minute') return timedTallies(minutes, MINUTE_MS);
      const rolled = hours.all({ ...owner, from, to }) as TallyRow[];
      return timedTallies([...rolled, ...minutes], HOUR_MS);
    },
    tallyRoll: (params: StepParams): number => transaction(connection, () => roll(params)),
    tallyPurge: ({ before, limit }: StepParams): number => purge.run(before, limit).changes,
  };
}

/** For the transaction of what is counted. */
export function tallying(connection: Connection): (additions: readonly TallyAddition[], now: number) => void {
  const names = ['began_at', 'application_key', 'endpoint_key', ...TALLY_COLUMNS];
  const upsert = connection.prepare(
    `INSERT INTO minute_tally AS t (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})
     ON CONFLICT DO UPDATE SET ${ADDED}`,
  );
  return (additions, now) => {
    const minute = minuteOf(now);
    for (const { applicationKey, endpointKey, counts } of additions)
      upsert.run(minute, applicationKey, endpointKey, ...counts);
  };
}

/** The minutes up to one of them are added to their hours, and deleted. */
function rolling(connection: Connection): (params: StepParams) => number {
  const edge = connection
    .prepare(
      `SELECT began_at, application_key, endpoint_key, writer FROM minute_tally WHERE began_at < ?
       ORDER BY began_at, application_key, endpoint_key, writer LIMIT 1 OFFSET ?`,
    )
    .raw();
  const upTo = (from: string): Statement =>
    connection.prepare(
      from.replace(
        '…',
        'minute_tally WHERE (began_at, application_key, endpoint_key, writer) <= (?, ?, ?, ?)',
      ),
    );
  const add = upTo(
    `INSERT INTO hour_tally AS t (began_at, application_key, endpoint_key, ${COUNTS})
     SELECT ${ITS_HOUR}, application_key, endpoint_key, ${COUNTS} FROM …
     ON CONFLICT DO UPDATE SET ${ADDED}`,
  );
  const remove = upTo('DELETE FROM …');
  return ({ before, limit }) => {
    const last = edge.get(before, limit - 1) as MinuteKey | undefined;
    // Fewer than a step: all that is before.
    const to = last ?? [before, -1, 0, 0];
    add.run(...to);
    return remove.run(...to).changes;
  };
}

function prepare(connection: Connection) {
  return {
    hours: connection.prepare(
      `SELECT began_at, ${COUNTS} FROM hour_tally WHERE application_key = @applicationKey AND endpoint_key = @endpointKey
       AND began_at >= @from AND began_at < @to`,
    ),
    minute: connection.prepare(
      `SELECT began_at, ${COUNTS} FROM minute_tally WHERE began_at = @beganAt AND application_key = @applicationKey
       AND endpoint_key = @endpointKey`,
    ),
    bounds: connection.prepare(
      'SELECT (SELECT min(began_at) FROM minute_tally) AS first, (SELECT max(began_at) FROM minute_tally) AS last',
    ),
    purge: connection.prepare(
      `DELETE FROM hour_tally WHERE (application_key, endpoint_key, began_at) IN (
         SELECT application_key, endpoint_key, began_at FROM hour_tally WHERE began_at < ? ORDER BY began_at LIMIT ?)`,
    ),
  };
}
