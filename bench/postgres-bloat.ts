import { monotonicMs } from './clock.ts';
import { type CycleTimes, PostgresCycle } from './postgres-cycle.ts';
import { PostgresDatabase } from './postgres-database.ts';
import type { PostgresFigure, PostgresPart } from './postgres-part.ts';
import { sample } from './statistics.ts';

const SECONDS = { usual: 200, quick: 3 };
const BATCH = 256;
const LINES = 2;
/** One batch of so many waits in the store and is claimed. */
const CLAIMED_ONE_OF = 8;
/** What the beginning is, and the end, of all. */
const SHARE = 1 / 6;

/** Whether what is dead is cleared away as fast as it comes. */
export const postgresBloat: PostgresPart = {
  id: 'bloat',
  title: 'updates at full speed',
  meaning:
    `For ${SECONDS.usual} s batches of ${BATCH} small messages at full speed, ${LINES} at once; one of ${CLAIMED_ONE_OF} waits in the store and is claimed. ` +
    'Autovacuum as it is set on the partitions, and as PostgreSQL comes otherwise (it looks once a minute)',
  measure: (quick) =>
    PostgresDatabase.with(async (database) => {
      const cycle = await PostgresCycle.open(database, '{}');
      const seconds = quick ? SECONDS.quick : SECONDS.usual;
      const times = await cyclesFor(cycle, seconds / 2);
      const inTheMiddle = await sizes(database, 'in the middle');
      times.push(...(await cyclesFor(cycle, seconds / 2)));
      const atTheEnd = await sizes(database, 'at the end');
      await cycle.store.close();
      return [
        { name: 'deliveries', value: times.length * BATCH, unit: '' },
        ...inTheMiddle,
        ...atTheEnd,
        ...ofPeriod(times.slice(0, times.length * SHARE), 'the first sixth'),
        ...ofPeriod(times.slice(-times.length * SHARE), 'the last sixth'),
      ];
    }),
};

/** In the order in which they ended. */
async function cyclesFor(cycle: PostgresCycle, seconds: number): Promise<CycleTimes[]> {
  const times: CycleTimes[] = [];
  const endsAt = monotonicMs() + seconds * 1000;
  await Promise.all(
    Array.from({ length: LINES }, async () => {
      for (let turn = 1; monotonicMs() < endsAt; turn++)
        times.push(await (turn % CLAIMED_ONE_OF === 0 ? cycle.byWayOfClaims(BATCH) : cycle.direct(BATCH)));
    }),
  );
  return times;
}

async function sizes(database: PostgresDatabase, when: string): Promise<PostgresFigure[]> {
  const ofIndex = (name: string) =>
    database.number(
      `SELECT sum(pg_relation_size(inhrelid)) / 1e6 FROM pg_inherits WHERE inhparent = 'posthorn.${name}'::regclass`,
    );
  // The counts are told at the end of a transaction, and seen by the next one.
  const [table] = await database.rows<{ dead: string; vacuums: string }>(
    "SELECT n_dead_tup AS dead, autovacuum_count AS vacuums FROM pg_stat_user_tables WHERE schemaname = 'posthorn' AND relname = 'delivery_0'",
  );
  const tableBytes = await database.number("SELECT pg_relation_size('posthorn.delivery_0') / 1e6");
  return [
    { name: `table of deliveries ${when}`, value: tableBytes, unit: 'MB' },
    { name: `dead rows in it ${when}`, value: Number(table?.dead), unit: '' },
    { name: `vacuums of it ${when}`, value: Number(table?.vacuums), unit: '' },
    { name: `index of what is being sent ${when}`, value: await ofIndex('delivery_sending'), unit: 'MB' },
    { name: `index of what waits ${when}`, value: await ofIndex('delivery_pending'), unit: 'MB' },
  ];
}

function ofPeriod(times: readonly CycleTimes[], period: string): PostgresFigure[] {
  const median = (name: string, values: readonly number[]) => {
    return { name: `${name}, ${period}`, value: sample(values).median, unit: 'ms (p50)' };
  };
  const claims = times.map(({ claimMs }) => claimMs).filter((ms) => ms > 0);
  return [
    median(
      'accept',
      times.map(({ acceptMs }) => acceptMs),
    ),
    median(
      'record',
      times.map(({ recordMs }) => recordMs),
    ),
    median('claim', claims),
  ];
}
