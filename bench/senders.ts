import { readSettings } from '../src/settings.ts';
import type { Figure, Row, Workbench } from './row.ts';
import { createHook } from './server-api.ts';
import { withServer } from './server-process.ts';
import { mean } from './statistics.ts';
import { BACKLOG, bareLimit, batches, counts, delivered } from './throughput.ts';

const COUNTS = [0, 1, 2, 3, 4, 6, 8];
const HOOKS = 4;

/** Those that the settings know, so that the curve grows with what Posthorn can do. */
const senders = COUNTS.filter((count) => {
  const env = { POSTHORN_SENDERS: String(count), POSTHORN_MASTER_KEY: '0'.repeat(64) };
  return readSettings({ mode: 'production', env }).ok;
});

export const cores: Row = {
  id: 'm',
  title: 'threads that send',
  meaning: `as (a), with each POSTHORN_SENDERS that there is, to ${HOOKS} hooks a message: what more threads give on the cores of this machine`,
  unit: 'deliveries/s',
  beside: 'bare limit, which is one thread',
  target: '',
  meets: null,
  longestSeconds: 60 * senders.length,
  measure,
};

async function measure(bench: Workbench): ReturnType<Row['measure']> {
  const publishing = batches(BACKLOG, { fanOut: HOOKS });
  const { count, warmUp } = counts(bench, publishing);
  const figures: Figure[] = [];
  const notes: Record<string, number> = {};
  let limit = await bareLimit(bench, count);
  for (const threads of senders) {
    const run = await withServer(
      async (server) => {
        for (let hook = 0; hook < HOOKS; hook++)
          await createHook(server.url, `${bench.receiverUrl}/hook/${hook}`);
        await delivered(bench, [server], publishing, warmUp);
        return delivered(bench, [server], publishing, count);
      },
      { env: { POSTHORN_SENDERS: String(threads) } },
    );
    const after = await bareLimit(bench, count);
    figures.push({
      name: `POSTHORN_SENDERS=${threads}`,
      value: run.perSecond,
      beside: mean(limit, after),
    });
    if (run.cpuUs !== null) notes[`server CPU, us a delivery, with ${threads}`] = run.cpuUs;
    limit = after;
  }
  return { figures, notes };
}
