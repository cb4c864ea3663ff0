import { monotonicMs, pause } from './clock.ts';
import { payloadText } from './payload.ts';
import { PostgresCycle } from './postgres-cycle.ts';
import { PostgresDatabase } from './postgres-database.ts';
import type { PostgresFigure, PostgresPart } from './postgres-part.ts';
import { quantiles, sample } from './statistics.ts';

const DAY_MS = 86_400_000;
const FILLED = { usual: 300_000, quick: 10_000 };
const BATCH = 500;
const WRITERS = 4;
const BESIDE_MS = { usual: 5_000, quick: 500 };
const PARTITIONS = [10, 30, 90];
const LOOKS = 400;

/** What it costs to have partitions, to make them and to drop them. */
export const postgresPartitions: PostgresPart = {
  id: 'partitions',
  title: 'partitions',
  meaning:
    `${WRITERS} publishers, one message of 1 KB after the other, while nothing else happens, while a partition is made and while one of ` +
    `${FILLED.usual.toLocaleString('en')} messages with deliveries and attempts is dropped; then a look for what is due of one endpoint, which finds nothing`,
  measure: (quick) =>
    PostgresDatabase.with(async (database) => {
      const cycle = await PostgresCycle.open(database, payloadText(1, Date.now()));
      const figures = [...(await tending(database, cycle, quick)), ...(await looking(database, cycle))];
      await cycle.store.close();
      return figures;
    }),
};

async function tending(
  database: PostgresDatabase,
  cycle: PostgresCycle,
  quick: boolean,
): Promise<PostgresFigure[]> {
  const filled = quick ? FILLED.quick : FILLED.usual;
  for (let count = 0; count < filled; count += BATCH) await cycle.direct(BATCH);
  const began = await database.number('SELECT began_at FROM posthorn.partition WHERE number = 0');
  const tend = (days: number) =>
    cycle.store.storeTend({ now: began + days * DAY_MS, keepMs: DAY_MS, rows: 1_000 });
  const megabytes = await database.number(
    `SELECT sum(pg_total_relation_size(('posthorn.' || name || '_0')::regclass)) / 1e6
     FROM unnest(ARRAY['message', 'delivery', 'attempt']) AS name`,
  );
  // What is written from here on goes into the next partition.
  await tend(1);
  const publishers = new Publishers(cycle);
  const usual = await publishers.during(() => pause(quick ? BESIDE_MS.quick : BESIDE_MS.usual));
  // Partition 0 is found closed, the next one begins, and one more is made ahead.
  const making = await publishers.during(() => tend(3));
  const dropping = await publishers.during(() => tend(4));
  await publishers.end();
  const left = await database.number('SELECT count(*) FROM posthorn.partition WHERE number = 0');
  if (left > 0) throw new Error('The partition was not dropped.');
  return [
    ...publishes('nothing else', usual),
    { name: 'partition made: time', value: making.ms, unit: 'ms' },
    ...publishes('partition made', making),
    { name: 'partition dropped: tables and indexes', value: megabytes, unit: 'MB' },
    { name: 'partition dropped: time', value: dropping.ms, unit: 'ms' },
    ...publishes('partition dropped', dropping),
  ];
}

interface Beside {
  readonly ms: number;
  /** Of each publish that was under way meanwhile. */
  readonly publishMs: Float64Array;
}

/** Publishes until it is ended. */
class Publishers {
  readonly #publishes: { readonly startedAt: number; readonly endedAt: number }[] = [];
  readonly #running: Promise<unknown>;
  #ended = false;

  constructor(cycle: PostgresCycle) {
    this.#running = Promise.all(
      Array.from({ length: WRITERS }, async () => {
        while (!this.#ended) {
          const startedAt = monotonicMs();
          await cycle.accept(1, 'sending');
          this.#publishes.push({ startedAt, endedAt: monotonicMs() });
        }
      }),
    );
    // Told by `end`.
    this.#running.catch(() => {});
  }

  async during(work: () => Promise<unknown>): Promise<Beside> {
    const from = monotonicMs();
    await work();
    const to = monotonicMs();
    // Those that are under way now may be the longest.
    await pause(100);
    const within = this.#publishes.filter(({ startedAt, endedAt }) => startedAt < to && endedAt > from);
    return { ms: to - from, publishMs: Float64Array.from(within, (each) => each.endedAt - each.startedAt) };
  }

  async end(): Promise<void> {
    this.#ended = true;
    await this.#running;
  }
}

function publishes(when: string, { publishMs }: Beside): PostgresFigure[] {
  return [
    { name: `${when}: a publish`, value: quantiles(publishMs).p50, unit: 'ms (p50)' },
    { name: `${when}: the slowest publish`, value: Math.max(...publishMs), unit: 'ms' },
  ];
}

/** A look that finds nothing, with more and more partitions. */
async function looking(database: PostgresDatabase, cycle: PostgresCycle): Promise<PostgresFigure[]> {
  const figures: PostgresFigure[] = [];
  for (const wanted of PARTITIONS) {
    await database.rows(
      `SELECT posthorn.partition_add(last + n)
       FROM (SELECT max(number) AS last, count(*) AS present FROM posthorn.partition) AS partitions, generate_series(1, ${wanted} - present) AS n`,
    );
    const times: number[] = [];
    for (let look = 0; look < LOOKS; look++) times.push((await cycle.claim(1, 1)).claimMs);
    const value = sample(times).median;
    figures.push({ name: `${wanted} partitions: a look`, value, unit: 'ms (p50)' });
  }
  return figures;
}
