import { LATENCY_TARGET, measureLatency, meetsLatency } from './latency.ts';
import { PostgresDatabase } from './postgres-database.ts';
import { median, type Row, type Workbench } from './row.ts';
import { createHook } from './server-api.ts';
import { mean } from './statistics.ts';
import { BACKLOG, bareLimit, batches, counts, delivered } from './throughput.ts';

export const nodes: Row = {
  id: 'd',
  title: 'PostgreSQL, one and two nodes',
  meaning: `as (a), on a PostgreSQL of its own on this machine with fsync; then the same with a second node, half of the publishes to each (never more than ${BACKLOG} undelivered)`,
  unit: 'deliveries/s',
  beside: 'bare limit',
  target: 'one node: ratio >= 0.5; two faster than one',
  meets: (lines) =>
    median(lines, 'one node', 'ratio') >= 0.5 && median(lines, 'two nodes beside one', 'ratio') > 1,
  longestSeconds: 240,
  measure,
};

export const nodeLatency: Row = {
  id: 'd2',
  title: 'PostgreSQL, latency at 1000/s',
  meaning: 'as (e), with one node on a PostgreSQL of its own on this machine with fsync',
  unit: 'ms',
  beside: 'bare limit at the same rate',
  target: LATENCY_TARGET,
  meets: meetsLatency,
  notQuick: '(d) and (e) show that it works',
  measure: (bench) =>
    PostgresDatabase.with(async (database) => measureLatency(bench, await database.startNode())),
};

async function measure(bench: Workbench): ReturnType<Row['measure']> {
  const publishing = batches(BACKLOG);
  const { count, warmUp } = counts(bench, publishing);
  return PostgresDatabase.with(async (database) => {
    const first = await database.startNode();
    await createHook(first.url, `${bench.receiverUrl}/hook`);
    await delivered(bench, [first], publishing, warmUp);
    const before = await bareLimit(bench, count);
    const used = await database.use();
    const one = await delivered(bench, [first], publishing, count);
    const then = await database.use();
    const second = await database.startNode();
    await delivered(bench, [first, second], publishing, warmUp);
    const two = await delivered(bench, [first, second], publishing, count);
    const after = await bareLimit(bench, count);
    const limit = mean(before, after);
    return {
      figures: [
        { name: 'one node', value: one.perSecond, beside: limit },
        { name: 'two nodes', value: two.perSecond, beside: limit },
        { name: 'two nodes beside one', value: two.perSecond, beside: one.perSecond },
      ],
      notes: {
        ...(one.cpuUs !== null && { 'node CPU, us a delivery': one.cpuUs }),
        'PostgreSQL CPU, us a delivery': ((then.cpuMs - used.cpuMs) / count) * 1000,
        'database, bytes a delivery': (then.bytes - used.bytes) / count,
        'WAL, bytes a delivery': (then.walBytes - used.walBytes) / count,
        'received more than once': one.repeats + two.repeats,
        'told to wait (429, 503)': one.turnedAway + two.turnedAway,
      },
    };
  });
}
