import type { Figure, Row, Workbench } from './row.ts';
import { createHook } from './server-api.ts';
import { withServer } from './server-process.ts';
import { mean } from './statistics.ts';
import { BACKLOG, bareLimit, batches, counts, delivered, type Publishing } from './throughput.ts';

const KIB = 1024;
/** Of one run, and of the quick one; of those that are on their way at once. */
const RUN_BYTES = { usual: 512 * KIB * KIB, quick: 8 * KIB * KIB };
const BACKLOG_BYTES = 32 * KIB * KIB;

interface Size {
  readonly name: string;
  /** 0: as they are. */
  readonly bytes: number;
}

const SIZES: readonly Size[] = [
  { name: '1 KB', bytes: 0 },
  { name: '16 KB', bytes: 16 * KIB },
  { name: '256 KB', bytes: 256 * KIB },
];

export const bodies: Row = {
  id: 'i',
  title: 'bodies of 1, 16 and 256 KB',
  meaning:
    'as (a), with larger payloads: batches of at most 1 MB, never more than 32 MB (3,000 of 1 KB) undelivered: from the first publish to the last arrival',
  unit: 'deliveries/s',
  beside: 'bare limit with bodies of that size',
  target: '',
  meets: null,
  longestSeconds: 240,
  measure,
};

function measure(bench: Workbench): ReturnType<Row['measure']> {
  return withServer(async (server) => {
    await createHook(server.url, `${bench.receiverUrl}/hook`);
    const figures: Figure[] = [];
    const notes: Record<string, number> = {};
    for (const { name, bytes } of SIZES) {
      const publishing = sized(bytes);
      const { count, warmUp } = counts(bench, publishing);
      await delivered(bench, [server], publishing, warmUp);
      const before = await bareLimit(bench, count, { bytes });
      const run = await delivered(bench, [server], publishing, count);
      const after = await bareLimit(bench, count, { bytes });
      figures.push({ name, value: run.perSecond, beside: mean(before, after) });
      if (run.cpuUs !== null) notes[`server CPU, us a delivery, ${name}`] = run.cpuUs;
    }
    const memory = server.peakMemoryBytes();
    if (memory !== null) notes['server memory at most, MB'] = memory / 1e6;
    return { figures, notes };
  });
}

function sized(bytes: number): Publishing {
  if (bytes === 0) return batches(BACKLOG);
  const run = (all: number) => Math.floor(all / bytes);
  const { usual, quick } = RUN_BYTES;
  return {
    ...batches(Math.min(BACKLOG, Math.floor(BACKLOG_BYTES / bytes)), { bytes }),
    count: Math.min(20_000, run(usual)),
    quickCount: run(quick),
    warmUp: Math.min(2_000, run(usual)),
  };
}
