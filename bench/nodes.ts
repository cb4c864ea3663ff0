import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { type PostgresServer, startPostgres } from '../test/helpers/postgres-server.ts';
import { onExit } from './cleanup.ts';
import { LATENCY_TARGET, measureLatency, meetsLatency } from './latency.ts';
import { median, type Row, type Workbench } from './row.ts';
import { createHook } from './server-api.ts';
import { freePort, ServerFolder, ServerProcess } from './server-process.ts';
import { mean } from './statistics.ts';
import { BACKLOG, bareLimit, batches, counts, delivered } from './throughput.ts';

/** As a careful operator runs it: every commit is on the disk before it is answered. */
const SETTINGS = [
  'fsync=on',
  'full_page_writes=on',
  'synchronous_commit=on',
  'shared_buffers=512MB',
  'max_wal_size=4GB',
];

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
  measure: (bench) => withDatabase(async (_, start) => measureLatency(bench, await start())),
};

async function measure(bench: Workbench): ReturnType<Row['measure']> {
  const publishing = batches(BACKLOG);
  const { count, warmUp } = counts(bench, publishing);
  return withDatabase(async (database, start) => {
    const first = await start();
    await createHook(first.url, `${bench.receiverUrl}/hook`);
    await delivered(bench, [first], publishing, warmUp);
    const before = await bareLimit(bench, count);
    const used = await databaseUse(database);
    const one = await delivered(bench, [first], publishing, count);
    const then = await databaseUse(database);
    const second = await start();
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

/** Runs `work` with a PostgreSQL and what starts a node on it; all are gone afterwards. */
async function withDatabase<T>(
  work: (database: PostgresServer, start: () => Promise<ServerProcess>) => Promise<T>,
): Promise<T> {
  const database = await startPostgres({ settings: SETTINGS });
  const forget = onExit(() => process.kill(database.pid, 'SIGQUIT'));
  const folders: ServerFolder[] = [];
  const servers: ServerProcess[] = [];
  const masterKey = randomBytes(32).toString('base64');
  const start = async () => {
    const folder = new ServerFolder();
    folders.push(folder);
    const env = { POSTHORN_STORE: database.url('posthorn'), POSTHORN_MASTER_KEY: masterKey };
    const server = new ServerProcess({ folder, port: await freePort(), env });
    servers.push(server);
    await server.ready();
    return server;
  };
  try {
    await database.create('posthorn');
    return await work(database, start);
  } catch (error) {
    for (const folder of folders) console.error(`The end of a node's log:\n${folder.logEnd()}`);
    throw error;
  } finally {
    for (const server of servers) await server.kill();
    for (const folder of folders) folder.remove();
    forget();
    await database.dispose();
  }
}

/** CPU time of the server's processes, the size of the database, and the position of its log. */
async function databaseUse(database: PostgresServer) {
  const { rows } = await database.query(
    "SELECT pg_database_size('posthorn') AS bytes, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') AS wal",
  );
  return { cpuMs: cpuOfChildren(database.pid), bytes: Number(rows[0].bytes), walBytes: Number(rows[0].wal) };
}

/** Of a process and its children, in ms: those that ended meanwhile are not in it. */
function cpuOfChildren(pid: number): number {
  let ms = 0;
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    let stat: string;
    try {
      stat = readFileSync(`/proc/${name}/stat`, 'utf8');
    } catch {
      continue;
    }
    const fields = stat.slice(stat.lastIndexOf(') ') + 2).split(' ');
    if (Number(name) !== pid && Number(fields[1]) !== pid) continue;
    ms += (Number(fields[11]) + Number(fields[12])) * 10;
  }
  return ms;
}
