import { pause } from './clock.ts';
import { type Figure, type Line, median, type Row, type Workbench } from './row.ts';
import { createHook } from './server-api.ts';
import { type ServerProcess, withServer } from './server-process.ts';
import { BACKLOG, batches, counts, delivered } from './throughput.ts';

interface Crowd {
  readonly connections: number;
  /** Messages of each call. */
  readonly batch: number;
}

/** A way to publish; how many connections get out of the server what it can do, and far too many. */
interface Kind {
  readonly name: string;
  readonly few: Crowd;
  readonly crowd: Crowd;
  readonly quick: Crowd;
}

/** In 200 batches is more than the server queues (64 MiB). */
const KINDS: readonly Kind[] = [
  {
    name: 'batches',
    few: { connections: 4, batch: 500 },
    crowd: { connections: 200, batch: 500 },
    quick: { connections: 20, batch: 500 },
  },
  {
    name: 'calls',
    few: { connections: 32, batch: 1 },
    crowd: { connections: 2_000, batch: 1 },
    quick: { connections: 200, batch: 1 },
  },
];
const FEW_SECONDS = { usual: 5, quick: 0.1 };
const CROWD_SECONDS = { usual: 10, quick: 0.2 };
const ARRIVED_WITHIN_MS = 150_000;
const LOOK_MS = 100;
const ARRIVED = 'acknowledged messages that arrived';
const ANSWERS = 'answers 202, 429, 503 with Retry-After';

export const overload: Row = {
  id: 'k',
  title: 'overload',
  meaning:
    '200 connections that publish batches of 500 to one hook, then 2,000 that publish one message a call, each sending the next as soon as it has any ' +
    'answer, whatever that is; then until everything that was answered 202 has arrived',
  unit: '',
  beside: '4 connections, and 32; for answers, all of them; for arrivals, all that was answered 202',
  target: 'all answers 202, 429, or 503 with Retry-After; all of 202 arrive',
  meets: (lines: readonly Line[]) =>
    KINDS.every(({ name }) =>
      [ARRIVED, ANSWERS].every((what) => median(lines, `${name}: ${what}`, 'ratio') === 1),
    ),
  longestSeconds: 500,
  measure,
};

async function measure(bench: Workbench): ReturnType<Row['measure']> {
  const figures: Figure[] = [];
  const notes: Record<string, number> = {};
  for (const kind of KINDS) {
    // A server of its own each, as the most memory that a process had does not become less.
    await withServer(async (server) => {
      const measured = await measureKind(bench, server, kind);
      figures.push(...measured.figures);
      Object.assign(notes, measured.notes);
    });
  }
  return { figures, notes };
}

async function measureKind(bench: Workbench, server: ServerProcess, { name, ...kind }: Kind) {
  await createHook(server.url, `${bench.receiverUrl}/hook`);
  const publishing = batches(BACKLOG);
  await delivered(bench, [server], publishing, counts(bench, publishing).warmUp);
  const [length, crowded] = bench.quick ? (['quick', kind.quick] as const) : (['usual', kind.crowd] as const);
  const few = await flood(bench, server, kind.few, FEW_SECONDS[length]);
  const crowd = await flood(bench, server, crowded, CROWD_SECONDS[length]);
  const of = (status: number) => crowd.answers[status] ?? 0;
  const all = Object.values(crowd.answers).reduce((sum, each) => sum + each, 0);
  const good = of(202) + of(429) + of(503) - crowd.withoutRetryAfter;
  const line = (what: string, value: number, beside: number): Figure => ({
    name: `${name}: ${what}`,
    value,
    beside,
  });
  const memory =
    few.memory === null || crowd.memory === null ? [] : [{ few: few.memory, crowd: crowd.memory }];
  return {
    figures: [
      line(ARRIVED, crowd.acknowledgedCount - crowd.lost, crowd.acknowledgedCount),
      line(ANSWERS, good, all),
      line('messages/s taken', crowd.takenPerSecond, few.takenPerSecond),
      line('messages/s offered', crowd.offeredPerSecond, few.takenPerSecond),
      line('longest answer, ms', crowd.longestMs, few.longestMs),
      ...memory.map((each) => line('memory at most, MB', each.crowd / 1e6, each.few / 1e6)),
    ],
    notes: Object.fromEntries([202, 429, 503].map((status) => [`${name}: answered ${status}`, of(status)])),
  };
}

/** Publishes, and waits until all that was answered 202 has arrived. */
async function flood(bench: Workbench, server: ServerProcess, crowd: Crowd, seconds: number) {
  await bench.receiver.ask('remember');
  const flooded = await bench.load.ask('flood', { server: server.url, seconds, ...crowd });
  const acknowledgedCount = flooded.acknowledged.reduce((sum, [, count]) => sum + count, 0);
  return {
    ...flooded,
    acknowledgedCount,
    takenPerSecond: acknowledgedCount / (flooded.ms / 1000),
    offeredPerSecond: flooded.offered / (flooded.ms / 1000),
    lost: await lostOf(bench, flooded.acknowledged),
    memory: server.peakMemoryBytes(),
  };
}

/** Waits until all of them have arrived; resolves with how many did not after a long time. */
async function lostOf(
  { receiver }: Workbench,
  ranges: readonly (readonly [first: number, count: number])[],
): Promise<number> {
  for (let waitedMs = 0; ; waitedMs += LOOK_MS) {
    const missing = await receiver.ask('missing', { ranges });
    if (missing === 0 || waitedMs >= ARRIVED_WITHIN_MS) return missing;
    await pause(LOOK_MS);
  }
}
