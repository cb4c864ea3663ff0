import { median, type Row, type Workbench } from './row.ts';
import { createHook } from './server-api.ts';
import { type ServerProcess, withServer } from './server-process.ts';
import { mean } from './statistics.ts';

/** Long enough for the slowest machine; a run that is over it has lost something. */
const ARRIVED_WITHIN_MS = 120_000;
/** Undelivered messages that the paced publisher keeps ahead of the receiver: enough to keep every room busy. */
export const BACKLOG = 3_000;

export interface Publishing {
  /** Deliveries of one run, and of the quick one. */
  readonly count: number;
  readonly quickCount: number;
  readonly warmUp: number;
  /** Publishes what leads to `count` deliveries; resolves with when it began. */
  publish(
    bench: Workbench,
    servers: readonly string[],
    count: number,
  ): Promise<{ startedAt: number; turnedAway: number }>;
}

export const singleCalls: Publishing = {
  count: 40_000,
  quickCount: 3_000,
  warmUp: 8_000,
  publish: ({ load }, servers, count) => load.ask('single', { servers, count }),
};

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
  notQuick: '(a) shows that it works',
  measure: (bench) => measure(bench, batches(null)),
};

export const ordinary: Row = {
  id: 'a3',
  title: 'batch publish, ordinary receiver',
  meaning:
    'as (a), to a receiver on an ordinary node:http server; the one of all other rows reads HTTP by hand and is far cheaper than any real one',
  unit: 'deliveries/s',
  beside: 'bare limit to the same receiver',
  target: '',
  meets: null,
  measure: async (bench) =>
    measure(bench, batches(BACKLOG), { receiver: await bench.receiver.ask('listenOrdinary') }),
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
  measure: (bench) => measure(bench, singleCalls),
};

export function batches(
  backlog: number | null,
  change: { fanOut?: number; bytes?: number } = {},
): Publishing {
  return {
    count: 60_000,
    quickCount: 3_000,
    warmUp: 15_000,
    publish: ({ load, receiverUrl }, servers, count) =>
      load.ask('batch', {
        servers,
        receiver: receiverUrl,
        count: count / (change.fanOut ?? 1),
        backlog,
        ...change,
      }),
  };
}

async function measure(bench: Workbench, publishing: Publishing, to: Flood = {}): ReturnType<Row['measure']> {
  const { count, warmUp } = counts(bench, publishing);
  return withServer(async (server) => {
    await createHook(server.url, `${to.receiver ?? bench.receiverUrl}/hook`);
    await delivered(bench, [server], publishing, warmUp);
    const receiverCpuMs = await bench.receiver.ask('cpuMs');
    const before = await bareLimit(bench, count, to);
    const receiverUs = (((await bench.receiver.ask('cpuMs')) - receiverCpuMs) / count) * 1000;
    const run = await delivered(bench, [server], publishing, count);
    const after = await bareLimit(bench, count, to);
    const figures = [{ name: 'rate', value: run.perSecond, beside: mean(before, after) }];
    const notes = {
      'receiver CPU, us a delivery of the bare limit': receiverUs,
      'told to wait (429, 503)': run.turnedAway,
      'received more than once': run.repeats,
    };
    return {
      figures,
      notes: run.cpuUs === null ? notes : { 'server CPU, us a delivery': run.cpuUs, ...notes },
    };
  });
}

/** Deliveries of one run, and of the warm-up before it. */
export function counts({ quick }: Workbench, { count, quickCount, warmUp }: Publishing) {
  return quick ? { count: quickCount, warmUp: Math.floor(quickCount / 2) } : { count, warmUp };
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

/** What the bare limit sends, and where to, when it is not the usual. */
export interface Flood {
  readonly receiver?: string;
  readonly bytes?: number;
}

export async function bareLimit(bench: Workbench, count: number, flood: Flood = {}): Promise<number> {
  await bench.receiver.ask('expect', { count });
  const { startedAt } = await bench.limit.ask('flood', { receiver: bench.receiverUrl, count, ...flood });
  const endedAt = await arrived(bench, count);
  return count / ((endedAt - startedAt) / 1000);
}

async function arrived({ receiver }: Workbench, count: number): Promise<number> {
  const { at, hits } = await receiver.ask('reached', { timeoutMs: ARRIVED_WITHIN_MS });
  if (at === null) throw new Error(`Only ${hits} of ${count} arrived within ${ARRIVED_WITHIN_MS / 1000} s.`);
  return at;
}
