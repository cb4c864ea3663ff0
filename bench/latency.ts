import { type Figure, type Line, median, type Row, type Workbench } from './row.ts';
import { createHook } from './server-api.ts';
import { type ServerProcess, withServer } from './server-process.ts';
import { mean, type Quantiles, quantiles } from './statistics.ts';

const PER_SECOND = 1_000;
const SECONDS = { usual: 10, quick: 1 };
const WARM_UP_SECONDS = { usual: 2, quick: 0.5 };

export const LATENCY_TARGET = 'to received: p50 <= 5 ms, p99 <= 25 ms';

export const latency: Row = {
  id: 'e',
  title: `latency at ${PER_SECOND}/s`,
  meaning:
    'one call per publish at a steady rate, to one hook: to the 202 (after the commit), and to the arrival of the body',
  unit: 'ms',
  beside: 'bare limit at the same rate',
  target: LATENCY_TARGET,
  meets: meetsLatency,
  measure,
};

export function meetsLatency(lines: readonly Line[]): boolean {
  return median(lines, 'to received p50', 'value') <= 5 && median(lines, 'to received p99', 'value') <= 25;
}

interface Steady {
  readonly answered: Quantiles;
  readonly received: Quantiles;
}

/** Sends for so many seconds at the steady rate. Resolves with the ms from each hand-over to its answer. */
type Send = (seconds: number) => Promise<Float64Array>;

function measure(bench: Workbench): ReturnType<Row['measure']> {
  return withServer((server) => measureLatency(bench, server));
}

/** Of a server that is ready and has no hooks yet. */
export async function measureLatency(bench: Workbench, server: ServerProcess): ReturnType<Row['measure']> {
  const kind = bench.quick ? 'quick' : 'usual';
  const seconds = SECONDS[kind];
  await createHook(server.url, `${bench.receiverUrl}/hook`);
  const publish = publishing(bench, server.url);
  const bare: Send = (duration) =>
    bench.limit.ask('steady', { receiver: bench.receiverUrl, perSecond: PER_SECOND, seconds: duration });

  await steady(bench, publish, WARM_UP_SECONDS[kind]);
  const before = await steady(bench, bare, seconds / 2);
  const run = await steady(bench, publish, seconds);
  const after = await steady(bench, bare, seconds / 2);
  return { figures: steadyFigures(run, before, after), notes: {} };
}

export function publishing({ load }: Workbench, server: string): Send {
  return (seconds) => load.ask('steady', { server, perSecond: PER_SECOND, seconds });
}

/** Resolves when all that was sent has arrived at the receiver. */
export async function steady({ receiver }: Workbench, send: Send, seconds: number): Promise<Steady> {
  const count = PER_SECOND * seconds;
  await receiver.ask('expect', { count });
  await receiver.ask('record');
  const answered = quantiles(await send(seconds));
  const { at, hits } = await receiver.ask('reached', { timeoutMs: 30_000 });
  if (at === null) throw new Error(`Only ${hits} of ${count} arrived.`);
  return { answered, received: quantiles(await receiver.ask('recorded')) };
}

/** A run, held against what was measured directly before and after it. */
export function steadyFigures(run: Steady, before: Steady, after: Steady): Figure[] {
  return (['answered', 'received'] as const).flatMap((end) =>
    (['p50', 'p99', 'p99.9'] as const).map((name): Figure => {
      return {
        name: `to ${end === 'answered' ? '202' : end} ${name}`,
        value: run[end][name],
        beside: mean(before[end][name], after[end][name]),
      };
    }),
  );
}
