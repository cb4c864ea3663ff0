import { median, type Row, type Workbench } from './row.ts';
import { createHook, deleteHook } from './server-api.ts';
import { withServer } from './server-process.ts';
import { type Quantiles, quantiles } from './statistics.ts';

const HEALTHY = 9;
const PER_SECOND = 300;
const WARM_UP_SECONDS = { usual: 2, quick: 0.5 };

export const HANGING_HOOK_WORLD =
  `${PER_SECOND} messages/s, each to ${HEALTHY} healthy hooks and one that accepts and never answers: ` +
  'from publish to arrival at the healthy ones';

export const hangingHook: Row = {
  id: 'f',
  title: 'one hook that never answers',
  meaning: HANGING_HOOK_WORLD,
  unit: 'ms',
  beside: 'without that hook',
  target: 'p99 ratio <= 1.5',
  meets: (lines) => median(lines, 'healthy p99', 'ratio') <= 1.5,
  measure: async (bench) => {
    const { without, with: with_ } = await measureHangingHook(bench, bench.quick ? 1 : 10);
    const figures = (['p50', 'p99', 'p99.9'] as const).map((name) => {
      return { name: `healthy ${name}`, value: with_[name], beside: without[name] };
    });
    return { figures, notes: {} };
  },
};

/** Publish-to-arrival at the healthy hooks with a hook beside them that never answers; and without it, half before, half after. */
export async function measureHangingHook(
  bench: Workbench,
  seconds: number,
): Promise<{ without: Quantiles; with: Quantiles }> {
  const deaf = await bench.receiver.ask('hang');
  return withServer(async (server) => {
    for (let number = 1; number <= HEALTHY; number++) {
      await createHook(server.url, `${bench.receiverUrl}/healthy/${number}`);
    }
    await atHealthyHooks(bench, server.url, bench.quick ? WARM_UP_SECONDS.quick : WARM_UP_SECONDS.usual);
    const before = await atHealthyHooks(bench, server.url, seconds / 2);
    const hanging = await createHook(server.url, `${deaf}/never-answers`);
    const beside = await atHealthyHooks(bench, server.url, seconds);
    await deleteHook(server.url, hanging);
    const after = await atHealthyHooks(bench, server.url, seconds / 2);
    return { without: quantiles(Float64Array.from([...before, ...after])), with: quantiles(beside) };
  });
}

async function atHealthyHooks(
  { receiver, load }: Workbench,
  server: string,
  seconds: number,
): Promise<Float64Array> {
  const count = PER_SECOND * seconds * HEALTHY;
  await receiver.ask('expect', { count });
  await receiver.ask('record');
  await load.ask('steady', { server, perSecond: PER_SECOND, seconds });
  const { at, hits } = await receiver.ask('reached', { timeoutMs: 60_000 });
  if (at === null) throw new Error(`Only ${hits} of ${count} arrived at the healthy hooks.`);
  return receiver.ask('recorded');
}
