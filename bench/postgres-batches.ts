import { monotonicMs } from './clock.ts';
import { payloadText } from './payload.ts';
import { type CycleTimes, PostgresCycle } from './postgres-cycle.ts';
import { PostgresDatabase } from './postgres-database.ts';
import type { PostgresFigure, PostgresPart } from './postgres-part.ts';
import { mean } from './statistics.ts';

const MODES = [
  { batch: 256, lines: 1 },
  { batch: 256, lines: 3 },
  { batch: 32, lines: 3 },
  { batch: 1, lines: 3 },
];
const SECONDS = { usual: 8, quick: 0.5 };

/** The store alone: the floor under what a node does. */
export const postgresBatches: PostgresPart = {
  id: 'cycle',
  title: 'accept and record',
  meaning:
    'The driver alone, without HTTP and sending: a batch of publishes of 1 KB with one delivery each is taken, ' +
    'and that they arrived is recorded, as often as it goes, in one or three lines at once',
  measure: (quick) =>
    PostgresDatabase.with(async (database) => {
      const cycle = await PostgresCycle.open(database, payloadText(1, Date.now()));
      const figures: PostgresFigure[] = [];
      for (const mode of MODES) figures.push(...(await measureMode(database, cycle, mode, quick)));
      await cycle.store.close();
      return figures;
    }),
};

async function measureMode(
  database: PostgresDatabase,
  cycle: PostgresCycle,
  { batch, lines }: (typeof MODES)[number],
  quick: boolean,
): Promise<PostgresFigure[]> {
  const seconds = quick ? SECONDS.quick : SECONDS.usual;
  await cyclesFor(cycle, { batch, lines, seconds: seconds / 8 });
  // The log has a whole page for each that is touched the first time since: so it is in all modes the same.
  await database.rows('CHECKPOINT');
  const before = await database.use();
  const [clientBefore, startedAt] = [process.cpuUsage(), monotonicMs()];
  const times = await cyclesFor(cycle, { batch, lines, seconds });
  const ms = monotonicMs() - startedAt;
  const client = process.cpuUsage(clientBefore);
  const after = await database.use();
  const count = times.length * batch;
  const name = `batches of ${batch}, ${lines} at once: `;
  const figures: PostgresFigure[] = [
    { name: `${name}deliveries`, value: (count / ms) * 1000, unit: 'a second' },
    {
      name: `${name}CPU of PostgreSQL`,
      value: ((after.cpuMs - before.cpuMs) / count) * 1000,
      unit: 'us a delivery',
    },
    { name: `${name}CPU of the client`, value: (client.user + client.system) / count, unit: 'us a delivery' },
  ];
  if (batch < 256) return figures;
  return [
    ...figures,
    { name: `${name}accept`, value: mean(...times.map(({ acceptMs }) => acceptMs)), unit: 'ms a batch' },
    { name: `${name}record`, value: mean(...times.map(({ recordMs }) => recordMs)), unit: 'ms a batch' },
    { name: `${name}log`, value: (after.walBytes - before.walBytes) / count, unit: 'bytes a delivery' },
    {
      name: `${name}tables and indexes`,
      value: (after.bytes - before.bytes) / count,
      unit: 'bytes a delivery',
    },
  ];
}

async function cyclesFor(
  cycle: PostgresCycle,
  { batch, lines, seconds }: { batch: number; lines: number; seconds: number },
): Promise<CycleTimes[]> {
  const times: CycleTimes[] = [];
  const endsAt = monotonicMs() + seconds * 1000;
  await Promise.all(
    Array.from({ length: lines }, async () => {
      while (monotonicMs() < endsAt) times.push(await cycle.direct(batch));
    }),
  );
  return times;
}
