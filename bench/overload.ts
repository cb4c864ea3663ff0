import { pause } from './clock.ts';
import { median, type Row, type Workbench } from './row.ts';
import { createHook } from './server-api.ts';
import { withServer } from './server-process.ts';
import { BACKLOG, batches, counts, delivered } from './throughput.ts';

/** What batches of 500 it takes to have more on the way than the server queues (64 MiB). */
const CROWD = { connections: 200, batch: 500 };
const FEW = { connections: 4, batch: 500 };
const ARRIVED_WITHIN_MS = 150_000;
const LOOK_MS = 100;

export const overload: Row = {
  id: 'k',
  title: 'overload',
  meaning:
    `${CROWD.connections} connections that publish batches of ${CROWD.batch} to one hook, each sending the next as soon as it has any answer, whatever ` +
    'that is; then until everything that was answered 202 has arrived',
  unit: '',
  beside: `${FEW.connections} such connections; for answers, all of them; for arrivals, all that was answered 202`,
  target: 'all answers 202, 429 or 503 with Retry-After; all of 202 arrive',
  meets: (lines) =>
    median(lines, 'messages that arrived', 'ratio') === 1 &&
    median(lines, 'answers 202, 429, 503', 'ratio') === 1,
  longestSeconds: 300,
  measure,
};

function measure(bench: Workbench): ReturnType<Row['measure']> {
  return withServer(async (server) => {
    await createHook(server.url, `${bench.receiverUrl}/hook`);
    const publishing = batches(BACKLOG);
    await delivered(bench, [server], publishing, counts(bench, publishing).warmUp);
    const flood = async (crowd: typeof CROWD, seconds: number) => {
      await bench.receiver.ask('remember');
      const flooded = await bench.load.ask('flood', { server: server.url, seconds, ...crowd });
      const lost = await lostOf(bench, flooded.acknowledged);
      const acknowledged = flooded.acknowledged.reduce((sum, [, count]) => sum + count, 0);
      return { ...flooded, count: acknowledged, lost, memory: server.memoryMb() };
    };
    const few = await flood(FEW, bench.quick ? 0.5 : 5);
    const crowd = await flood(CROWD, bench.quick ? 1 : 10);
    const { answers } = crowd;
    const of = (status: number) => answers[status] ?? 0;
    const all = Object.values(answers).reduce((sum, each) => sum + each, 0);
    const good = of(202) + of(429) + of(503) - crowd.withoutRetryAfter;
    const takenBeside = few.count / (few.ms / 1000);
    const memory =
      few.memory === null || crowd.memory === null
        ? []
        : [{ name: 'memory at most, MB', value: crowd.memory.most, beside: few.memory.most }];
    return {
      figures: [
        { name: 'messages that arrived', value: crowd.count - crowd.lost, beside: crowd.count },
        { name: 'answers 202, 429, 503', value: good, beside: all },
        { name: 'messages/s taken', value: crowd.count / (crowd.ms / 1000), beside: takenBeside },
        { name: 'messages/s offered', value: crowd.offered / (crowd.ms / 1000), beside: takenBeside },
        { name: 'longest answer, ms', value: crowd.longestMs, beside: few.longestMs },
        ...memory,
      ],
      notes: { 'answered 202': of(202), 'answered 429': of(429), 'answered 503': of(503) },
    };
  });
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
