import { monotonicMs, pause } from './clock.ts';
import { Connection } from './connection.ts';
import { type FilledStore, largeStore, type StoredMessage } from './filled-store.ts';
import { consoleCalls } from './list-calls.ts';
import { walk } from './list-walk.ts';
import { median, type Row, type Workbench } from './row.ts';
import { withServer } from './server-process.ts';
import { mean } from './statistics.ts';
import { BACKLOG, batches, counts, delivered } from './throughput.ts';

/** As ten people have it who each look at a page that asks twice a second. */
const PACED = { readers: 10, pauseMs: 500 };
const LOOP = { readers: 2, pauseMs: 0 };

export const readingBeside: Row = {
  id: 'l',
  title: 'reading beside writing',
  meaning:
    'publishing as in (a) to the large store of (g), while the lists and statistics of the console are asked: by ten readers twice a second each; by two in a loop without a pause',
  unit: 'deliveries/s',
  beside: 'without readers',
  target: 'ten readers: ratio >= 0.95',
  meets: (lines) => median(lines, 'ten readers', 'ratio') >= 0.95,
  longestSeconds: 300,
  measure,
};

async function measure(bench: Workbench): ReturnType<Row['measure']> {
  const store = await largeStore(bench);
  const publishing = batches(BACKLOG);
  const { count, warmUp } = counts(bench, publishing);
  return withServer(
    async (server) => {
      const run = () => delivered(bench, [server], publishing, count);
      await delivered(bench, [server], publishing, warmUp);
      const before = await run();
      const paced = await beside(store, server.url, PACED, run);
      const between = await run();
      const looped = await beside(store, server.url, LOOP, run);
      const after = await run();
      return {
        figures: [
          {
            name: 'ten readers',
            value: paced.result.perSecond,
            beside: mean(before.perSecond, between.perSecond),
          },
          {
            name: 'two in a loop',
            value: looped.result.perSecond,
            beside: mean(between.perSecond, after.perSecond),
          },
        ],
        notes: {
          'calls/s of ten readers': paced.callsPerSecond,
          'calls/s of two in a loop': looped.callsPerSecond,
        },
      };
    },
    { folder: store.folder },
  );
}

/** Runs `work` while readers ask, each on a connection of its own. */
async function beside<T>(
  store: FilledStore,
  server: string,
  { readers, pauseMs }: { readers: number; pauseMs: number },
  work: () => Promise<T>,
): Promise<{ result: T; callsPerSecond: number }> {
  let calls = 0;
  let wanted = true;
  const read = async (reader: number) => {
    const connection = await Connection.open(server);
    // So that they do not all ask in the same moment.
    await pause((reader * pauseMs) / readers);
    for (let turn = reader; wanted; turn++) {
      const call = consoleCalls[turn % consoleCalls.length] as (typeof consoleCalls)[number];
      const anywhere = store.samples[(turn * 7) % store.samples.length] as StoredMessage;
      await walk(connection, call.path(store, anywhere), 0);
      calls++;
      if (pauseMs > 0) await pause(pauseMs);
    }
    connection.close();
  };
  const startedAt = monotonicMs();
  const reading = Promise.all(Array.from({ length: readers }, (_, reader) => read(reader)));
  const result = await work().finally(() => {
    wanted = false;
  });
  const callsPerSecond = calls / ((monotonicMs() - startedAt) / 1000);
  await reading;
  return { result, callsPerSecond };
}
