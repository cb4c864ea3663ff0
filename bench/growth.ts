import { type FilledStore, hugeStore, largeStore } from './filled-store.ts';
import { publishing, steady } from './latency.ts';
import type { Figure, Line, Row, Workbench } from './row.ts';
import { createHook } from './server-api.ts';
import { type ServerProcess, withServer } from './server-process.ts';
import { mean } from './statistics.ts';
import { figure } from './table.ts';
import { BACKLOG, batches, counts, delivered } from './throughput.ts';

const RATE = 'deliveries/s with';

export const growth: Row = {
  id: 'g3',
  title: 'rate and latency as the store grows',
  meaning:
    'publishing as in (a), then as in (e), to stores that have a million and ten million messages, deliveries and attempts (20,000 with --quick)',
  unit: '',
  beside: 'with nothing stored',
  target: 'rate ratio >= 0.9',
  meets: (lines: readonly Line[]) =>
    lines.filter(({ name }) => name.startsWith(RATE)).every(({ ratio }) => ratio.median >= 0.9),
  longestSeconds: 900,
  measure,
};

async function measure(bench: Workbench): ReturnType<Row['measure']> {
  const stores = [await largeStore(bench)];
  if (!bench.quick) stores.push(await hugeStore(bench));
  const before = await withNone(bench);
  const filled: { store: FilledStore; is: Speed }[] = [];
  for (const store of stores) {
    const { folder } = store;
    filled.push({ store, is: await withServer((server) => speed(bench, server), { folder }) });
  }
  const after = bench.quick ? before : await withNone(bench);
  const notes: Record<string, number> = { 'ms from start to ready, with none': after.readyMs };
  const figures = filled.flatMap(({ store, is }): Figure[] => {
    const stored = `${figure(store.count)} stored`;
    notes[`ms from start to ready, with ${stored}`] = is.readyMs;
    const line = (name: string, of: (speed: Speed) => number): Figure => {
      return { name: `${name} ${stored}`, value: of(is), beside: mean(of(before), of(after)) };
    };
    return [
      line(RATE, ({ perSecond }) => perSecond),
      line('to 202 p50, ms, with', ({ answered }) => answered.p50),
      line('to 202 p99, ms, with', ({ answered }) => answered.p99),
      line('to received p50, ms, with', ({ received }) => received.p50),
      line('to received p99, ms, with', ({ received }) => received.p99),
    ];
  });
  return { figures, notes };
}

type Speed = Awaited<ReturnType<typeof speed>>;

function withNone(bench: Workbench): Promise<Speed> {
  return withServer(async (server) => {
    await createHook(server.url, `${bench.receiverUrl}/hook`);
    return speed(bench, server);
  });
}

/** Of a server with one hook. */
async function speed(bench: Workbench, server: ServerProcess) {
  const paced = batches(BACKLOG);
  const { count, warmUp } = counts(bench, paced);
  await delivered(bench, [server], paced, warmUp);
  const { perSecond } = await delivered(bench, [server], paced, count);
  const latencies = await steady(bench, publishing(bench, server.url), bench.quick ? 0.5 : 10);
  return { perSecond, ...latencies, readyMs: await server.ready() };
}
