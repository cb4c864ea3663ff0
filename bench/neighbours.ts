import { median, type Row, type Workbench } from './row.ts';
import { createEndpoint, deleteEndpoint } from './server-api.ts';
import { withServer } from './server-process.ts';
import { quantiles } from './statistics.ts';

const ENDPOINTS = 1_000;
/** Of each kind of bad ones. */
const BAD = 100;
const HEALTHY = ENDPOINTS - 3 * BAD;
const SLOW_MS = 3_000;
const PER_SECOND = 500;
const WARM_UP_SECONDS = 2;
/** Endpoints made at once. */
const AT_ONCE = 16;

/** One company, so that no sharing between companies helps: what protects a healthy endpoint is its lane alone. */
export const neighbours: Row = {
  id: 'f2',
  title: 'noisy neighbours',
  meaning:
    `${PER_SECOND} messages/s, each to one of ${ENDPOINTS} endpoints of one company, of which ${BAD} never answer, ${BAD} answer 500 and ${BAD} take ` +
    `${SLOW_MS / 1_000} s: from publish to arrival at the ${HEALTHY} others, and how many arrive a second`,
  unit: '',
  beside: 'the same messages without the bad ones',
  target: 'p99 ratio <= 1.5',
  meets: (lines) => median(lines, 'healthy p99, ms', 'ratio') <= 1.5,
  notQuick: 'a thousand endpoints have to be made, and what hangs shows after a while',
  measure: async (bench) => {
    const { without, beside } = await measureNeighbours(bench, bench.quick ? 4 : 30);
    const before = quantiles(without.latencies);
    const after = quantiles(beside.latencies);
    const figures = (['p50', 'p99', 'p99.9'] as const).map((name) => {
      return { name: `healthy ${name}, ms`, value: after[name], beside: before[name] };
    });
    figures.push({ name: 'healthy rate, messages/s', value: beside.perSecond, beside: without.perSecond });
    return { figures, notes: {} };
  },
};

interface Arrivals {
  readonly latencies: Float64Array;
  readonly perSecond: number;
}

async function measureNeighbours(
  bench: Workbench,
  seconds: number,
): Promise<{ without: Arrivals; beside: Arrivals }> {
  const deaf = await bench.receiver.ask('hang');
  const failing = await bench.receiver.ask('fail');
  const slow = await bench.receiver.ask('delay', { ms: SLOW_MS });
  return withServer(async (server) => {
    const make = (urls: readonly string[], from: number) => endpoints(server.url, urls, from);
    await make(Array(HEALTHY).fill(bench.receiverUrl), 0);
    await atHealthy(bench, server.url, WARM_UP_SECONDS);
    const first = await atHealthy(bench, server.url, seconds / 2);
    const bad = await make(
      [deaf, failing, slow].flatMap((url) => Array(BAD).fill(url)),
      HEALTHY,
    );
    const beside = await atHealthy(bench, server.url, seconds);
    await each(bad, (id) => deleteEndpoint(server.url, id));
    const last = await atHealthy(bench, server.url, seconds / 2);
    return {
      without: {
        latencies: Float64Array.from([...first.latencies, ...last.latencies]),
        perSecond: (first.perSecond + last.perSecond) / 2,
      },
      beside,
    };
  });
}

/** Every message goes to one channel, in turn: those of the bad endpoints go nowhere while these are not there. */
async function atHealthy({ receiver, load }: Workbench, server: string, seconds: number): Promise<Arrivals> {
  const count = (PER_SECOND * seconds * HEALTHY) / ENDPOINTS;
  await receiver.ask('expect', { count });
  await receiver.ask('record');
  const { startedAt } = await load.ask('channels', {
    server,
    perSecond: PER_SECOND,
    seconds,
    channels: ENDPOINTS,
  });
  const { at, hits } = await receiver.ask('reached', { timeoutMs: 60_000 });
  if (at === null) throw new Error(`Only ${hits} of ${count} arrived at the healthy endpoints.`);
  return { latencies: await receiver.ask('recorded'), perSecond: (1_000 * count) / (at - startedAt) };
}

/** An endpoint for each URL, which wants the messages of one channel. Returns their ids. */
async function endpoints(server: string, urls: readonly string[], from: number): Promise<string[]> {
  const ids: string[] = [];
  await each([...urls.entries()], async ([index, url]) => {
    ids[index] = await createEndpoint(server, {
      url: `${url}/${from + index}`,
      channels: [`c${from + index}`],
    });
  });
  return ids;
}

async function each<Thing>(things: readonly Thing[], work: (thing: Thing) => Promise<void>): Promise<void> {
  for (let start = 0; start < things.length; start += AT_ONCE)
    await Promise.all(things.slice(start, start + AT_ONCE).map(work));
}
