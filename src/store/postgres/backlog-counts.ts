import type { BacklogCount, Store } from '../store.ts';
import type { Backend } from './backend.ts';
import { endpointsWith, TIMED } from './backlogs.ts';
import { type Statement, statement } from './connection.ts';

type CountParams = Parameters<Store['deliveryBacklogCount']>[0];
type Row = { timed: number; waiting: number; sending: number; held: number; failed: number };
type Oldest = { oldest: number | null };

const SENDING = 'd.state = 1';
/** Deliveries under way that are looked at, at most. */
const SENDING_LOOKED = 200_000;
const APPLICATION = 'AND d.application_key = $2';
const ENDPOINT = `AND d.endpoint_key = $2
  AND d.application_key = (SELECT application_key FROM posthorn.endpoint WHERE endpoint_key = $2)`;

/** Each count goes through an index of just that, and ends at the limit $1. */
const counts = (of: string) => {
  const count = (condition: string) =>
    `(SELECT count(*) FROM (SELECT 1 FROM posthorn.delivery d WHERE ${condition} ${of} LIMIT $1) AS counted)`;
  return statement(
    `SELECT ${count(TIMED)} AS timed, ${count('d.state = 0 AND d.next_attempt_at IS NULL')} AS waiting,
       ${count(SENDING)} AS sending, ${count('d.state = 4')} AS held, ${count('d.state = 3')} AS failed`,
  );
};
const COUNTS = { all: counts(''), application: counts(APPLICATION), endpoint: counts(ENDPOINT) };

const soonest = (which: string) =>
  `(SELECT d.next_attempt_at FROM posthorn.delivery d WHERE ${which} ${ENDPOINT.replaceAll('$2', '$1')}
    ORDER BY d.next_attempt_at LIMIT 1)`;
const OLDEST_OF_ENDPOINT = statement(`SELECT least(${soonest(TIMED)}, ${soonest(SENDING)}) AS oldest`);
/** Of what waits the soonest of each endpoint; of what is under way all, as nodes have only so much in memory. */
const oldestOfMany = (of: string) => [
  statement(`${endpointsWith(TIMED, 'next_attempt_at', of)} SELECT min(next_attempt_at) AS oldest FROM walk`),
  statement(
    `SELECT min(next_attempt_at) AS oldest
     FROM (SELECT d.next_attempt_at FROM posthorn.delivery d WHERE ${SENDING} ${of} LIMIT ${SENDING_LOOKED}) AS looked`,
  ),
];
const OLDEST_OF_ALL = oldestOfMany('');
const OLDEST_OF_APPLICATION = oldestOfMany('AND d.application_key = $1');

/** How much is left to do, and since when. */
export function backlogCounts({ db }: Backend) {
  async function oldestOf(statements: readonly Statement[], values: number[]): Promise<number | null> {
    const found = await Promise.all(statements.map((each) => db.row<Oldest>(each, values)));
    const times = found.flatMap((row) => row?.oldest ?? []);
    return times.length === 0 ? null : Math.min(...times);
  }

  function oldestDueAt({ applicationKey, endpointKey }: CountParams['of']): Promise<number | null> {
    if (endpointKey !== undefined) return oldestOf([OLDEST_OF_ENDPOINT], [endpointKey]);
    if (applicationKey !== undefined) return oldestOf(OLDEST_OF_APPLICATION, [applicationKey]);
    return oldestOf(OLDEST_OF_ALL, []);
  }

  function count({ of, limit }: CountParams): Promise<Row | null> {
    if (of.endpointKey !== undefined) return db.row<Row>(COUNTS.endpoint, [limit, of.endpointKey]);
    if (of.applicationKey !== undefined) return db.row<Row>(COUNTS.application, [limit, of.applicationKey]);
    return db.row<Row>(COUNTS.all, [limit]);
  }

  return {
    async deliveryBacklogCount(params: CountParams): Promise<BacklogCount> {
      const [row, oldest] = await Promise.all([count(params), oldestDueAt(params.of)]);
      const { timed, waiting, ...others } = row as Row;
      return {
        pending: Math.min(params.limit, timed + waiting),
        ...others,
        oldestDueAt: oldest !== null && oldest <= params.now ? oldest : null,
      };
    },
  };
}
