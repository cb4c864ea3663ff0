import type { Figure, Row, Workbench } from './row.ts';
import { createHook } from './server-api.ts';
import { withServer } from './server-process.ts';
import { mean } from './statistics.ts';
import { BACKLOG, bareLimit, batches, counts, delivered } from './throughput.ts';

const ENDPOINTS = [1, 10, 100];

export const fanOut: Row = {
  id: 'c',
  title: 'fan-out',
  meaning: `batches that lead to 500 deliveries each, to 1, 10 and 100 hooks a message, never more than ${BACKLOG} deliveries behind: from the first publish to the last arrival`,
  unit: 'deliveries/s',
  beside: 'bare limit',
  target: '',
  meets: null,
  longestSeconds: 240,
  measure,
};

function measure(bench: Workbench): ReturnType<Row['measure']> {
  return withServer(async (server) => {
    const figures: Figure[] = [];
    const notes: Record<string, number> = {};
    let hooks = 0;
    let limit: number | null = null;
    for (const endpoints of ENDPOINTS) {
      for (; hooks < endpoints; hooks++) await createHook(server.url, `${bench.receiverUrl}/hook/${hooks}`);
      const publishing = batches(BACKLOG, { fanOut: endpoints });
      const { count, warmUp } = counts(bench, publishing);
      await delivered(bench, [server], publishing, warmUp);
      const before: number = limit ?? (await bareLimit(bench, count));
      const run = await delivered(bench, [server], publishing, count);
      limit = await bareLimit(bench, count);
      const name = `to ${endpoints} ${endpoints === 1 ? 'hook' : 'hooks'}`;
      figures.push({ name, value: run.perSecond, beside: mean(before, limit) });
      if (run.cpuUs !== null) notes[`server CPU, us a delivery, ${name}`] = run.cpuUs;
    }
    return { figures, notes };
  });
}
