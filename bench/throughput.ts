import { median, type Row, type Workbench } from './row.ts';
import { createHook } from './server-api.ts';
import { type ServerProcess, withServer } from './server-process.ts';
import { mean } from './statistics.ts';

/** Long enough for the slowest machine; a run that is over it has lost something. */
const ARRIVED_WITHIN_MS = 120_000;
/** Undelivered messages that the paced publisher keeps ahead of the receiver: enough to keep every room busy. */
export const BACKLOG = 3_000;

export interface Publishing {
  /** Messages of one run, and of the quick one. */
  readonly count: number;
  readonly quickCount: number;
  readonly warmUp: number;
  /** Publishes `count` messages; resolves with when it began. */
  publish(
    bench: Workbench,
    servers: readonly string[],
    count: number,
  ): Promise<{ startedAt: number; turnedAway: number }>;
}

export const pacedBatches: Row = {
  id: 'a',
  title: 'batch publish, steady',
  meaning: `batches of 500 to one hook, never more than ${BACKLOG} undelivered: from the first publish to the last arrival`,
  unit: 'deliveries/s',
  beside: 'bare limit',
  target: 'ratio >= 0.8',
  meets: (lines) => median(lines, 'rate', 'ratio') >= 0.8,
  measure: (bench) => measure(bench, batches(BACKLOG)),
};

export const burst: Row = {
  id: 'a2',
  title: 'batch publish, burst',
  meaning:
    'the same as fast as the server takes them, so that most wait in the store: until all have arrived',
  unit: 'deliveries/s',
  beside: 'bare limit',
  target: '',
  meets: null,
  measure: (bench) => measure(bench, batches(null)),
};

export const singles: Row = {
  id: 'b',
  title: 'one call per publish',
  meaning:
    'each message in a call of its own over 32 connections, to one hook: from the first publish to the last arrival',
  unit: 'deliveries/s',
  beside: 'bare limit',
  target: 'ratio >= 0.5',
  meets: (lines) => median(lines, 'rate', 'ratio') >= 0.5,
  measure: (bench) =>
    measure(bench, {
      count: 40_000,
      quickCount: 12_000,
      warmUp: 8_000,
      publish: ({ load }, servers, count) => load.ask('single', { servers, count }),
    }),
};

export function batches(backlog: number | null): Publishing {
  return {
    count: 60_000,
    quickCount: 20_000,
    warmUp: 15_000,
    publish: ({ load, receiverUrl }, servers, count) =>
      load.ask('batch', { servers, receiver: receiverUrl, count, backlog }),
  };
}

async function measure(bench: Workbench, publishing: Publishing): ReturnType<Row['measure']> {
  const count = bench.quick ? publishing.quickCount : publishing.count;
  return withServer(async (server) => {
    await createHook(server.url, `${bench.receiverUrl}/hook`);
    await delivered(bench, [server], publishing, publishing.warmUp);
    const before = await bareLimit(bench, count);
    const run = await delivered(bench, [server], publishing, count);
    const after = await bareLimit(bench, count);
    const figures = [{ name: 'rate', value: run.perSecond, beside: mean(before, after) }];
    const notes = { 'told to wait (429, 503)': run.turnedAway, 'received more than once': run.repeats };
    return {
      figures,
      notes: run.cpuUs === null ? notes : { 'server CPU, us a delivery': run.cpuUs, ...notes },
    };
  });
}

/** Publishes to these servers until all has arrived. */
export async function delivered(
  bench: Workbench,
  servers: readonly ServerProcess[],
  publishing: Publishing,
  count: number,
) {
  const cpuBefore = cpuMs(servers);
  await bench.receiver.ask('expect', { count });
  const urls = servers.map(({ url }) => url);
  const { startedAt, turnedAway } = await publishing.publish(bench, urls, count);
  const endedAt = await arrived(bench, count);
  const cpuAfter = cpuMs(servers);
  const { hits } = await bench.receiver.ask('reached', { timeoutMs: 0 });
  return {
    perSecond: count / ((endedAt - startedAt) / 1000),
    turnedAway,
    repeats: hits - count,
    cpuUs: cpuBefore === null || cpuAfter === null ? null : ((cpuAfter - cpuBefore) / count) * 1000,
  };
}

/** Null where the system does not say. */
function cpuMs(servers: readonly ServerProcess[]): number | null {
  return servers.reduce<number | null>((sum, server) => {
    const used = server.cpuMs();
    return sum === null || used === null ? null : sum + used;
  }, 0);
}

export async function bareLimit(
  { receiver, limit, receiverUrl, ...bench }: Workbench,
  count: number,
): Promise<number> {
  await receiver.ask('expect', { count });
  const { startedAt } = await limit.ask('flood', { receiver: receiverUrl, count });
  const endedAt = await arrived({ receiver, limit, receiverUrl, ...bench }, count);
  return count / ((endedAt - startedAt) / 1000);
}

async function arrived({ receiver }: Workbench, count: number): Promise<number> {
  const { at, hits } = await receiver.ask('reached', { timeoutMs: ARRIVED_WITHIN_MS });
  if (at === null) throw new Error(`Only ${hits} of ${count} arrived within ${ARRIVED_WITHIN_MS / 1000} s.`);
  return at;
}
