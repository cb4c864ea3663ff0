import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { monotonicMs } from './clock.ts';
import { roomTimes } from './profile.ts';
import type { Row, Workbench } from './row.ts';
import { createHook } from './server-api.ts';
import { ServerFolder, withServer } from './server-process.ts';
import { BACKLOG, batches, counts, delivered, type Publishing, singleCalls } from './throughput.ts';

const DELIVERIES = 10_000;

export const rooms: Row = {
  ...profiled(batches(BACKLOG)),
  id: 'j',
  title: 'time by room',
  meaning:
    'as (a), with `--cpu-prof`: the time of all threads together by the room whose code runs, what Node.js and packages do for it ' +
    'included. It is the time of the clock, also while a thread waits for a core, or SQLite for the disk',
};

export const roomsOfCalls: Row = {
  ...profiled(singleCalls),
  id: 'j2',
  title: 'time by room, one call per publish',
  meaning: 'as (j), published as in (b)',
  notQuick: '(b) and (j) show that it works',
};

function profiled(publishing: Publishing) {
  return {
    unit: `s per ${DELIVERIES.toLocaleString('en')} deliveries`,
    beside: 'all that the threads were busy',
    target: '',
    meets: null,
    measure: (bench: Workbench) => measure(bench, publishing),
  };
}

async function measure(bench: Workbench, publishing: Publishing): ReturnType<Row['measure']> {
  const { count, warmUp } = counts(bench, publishing);
  const folder = new ServerFolder();
  const profiles = join(folder.path, 'profiles');
  mkdirSync(profiles);
  const { run, from, to } = await withServer(
    async (server) => {
      await createHook(server.url, `${bench.receiverUrl}/hook`);
      await delivered(bench, [server], publishing, warmUp);
      const startedAt = monotonicMs();
      const measured = await delivered(bench, [server], publishing, count);
      const endedAt = monotonicMs();
      // The profiles are written at an orderly end.
      await server.stop();
      return { run: measured, from: startedAt, to: endedAt };
    },
    { folder, node: ['--cpu-prof', `--cpu-prof-dir=${profiles}`] },
  );
  const times = roomTimes(profiles, from, to);
  folder.remove();
  const seconds = (ms: number) => (ms / 1000 / count) * DELIVERIES;
  const all = seconds(times.reduce((sum, { ms }) => sum + ms, 0));
  if (all === 0) throw new Error('The profiles have no sample of the run.');
  return {
    figures: times.map(({ room, ms }) => ({ name: room, value: seconds(ms), beside: all })),
    notes: {
      'deliveries/s under the profile': run.perSecond,
      ...(run.cpuUs !== null && {
        'CPU by the system, s per 10,000 deliveries': (run.cpuUs * DELIVERIES) / 1e6,
      }),
    },
  };
}
