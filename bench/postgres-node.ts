import { Child } from './child.ts';
import { monotonicMs, pause } from './clock.ts';
import type { Load } from './load.ts';
import { PostgresDatabase } from './postgres-database.ts';
import type { PostgresFigure, PostgresPart } from './postgres-part.ts';
import type { Receiver } from './receiver.ts';
import { createEndpoint, createHook, deleteHook } from './server-api.ts';
import type { ServerProcess } from './server-process.ts';

const MESSAGES = { usual: 60_000, quick: 10_000 };
const ORDERED = { usual: 1_000, quick: 50 };
const ARRIVED_WITHIN_MS = 120_000;
const CONNECTIONS_EVERY_MS = 20;
/** More than any node has in memory. */
const BACKLOG = 3_000;

interface World {
  readonly database: PostgresDatabase;
  readonly node: ServerProcess;
  readonly load: Child<Load>;
  readonly receiver: Child<Receiver>;
  readonly receiverUrl: string;
}

/** What one node takes of the database and the machine. */
export const postgresNode: PostgresPart = {
  id: 'node',
  title: 'one node',
  meaning:
    'Batches of 500 messages of 1 KB, delivered as they come, and then as fast as they are taken, so that most wait in the store. ' +
    'Then an endpoint with ordering, to which one goes after the other',
  measure: (quick) =>
    PostgresDatabase.with(async (database) => {
      const load = new Child<Load>(new URL('./load.ts', import.meta.url));
      const receiver = new Child<Receiver>(new URL('./receiver.ts', import.meta.url));
      const [receiverUrl, node] = [await receiver.ask('listen'), await database.startNode()];
      const figures = await measure({ database, node, load, receiver, receiverUrl }, quick);
      await Promise.all([load.end(), receiver.end()]);
      return figures;
    }),
};

async function measure(world: World, quick: boolean): Promise<PostgresFigure[]> {
  const { database, node, receiverUrl } = world;
  const hook = await createHook(node.url, `${receiverUrl}/hook`);
  const connections = { idle: await connectionsNow(database), most: 0 };
  let busy = true;
  const watching = (async () => {
    while (busy) {
      connections.most = Math.max(connections.most, await connectionsNow(database));
      await pause(CONNECTIONS_EVERY_MS);
    }
  })();
  const count = quick ? MESSAGES.quick : MESSAGES.usual;
  await deliver(world, count, BACKLOG);
  await deliver(world, count, null);
  busy = false;
  await watching;
  const memory = node.peakMemoryBytes();
  await deleteHook(node.url, hook);
  await createEndpoint(node.url, { url: `${receiverUrl}/ordered`, ordering: 'endpoint' });
  const ordered = quick ? ORDERED.quick : ORDERED.usual;
  const orderedMs = await deliver(world, ordered, null);
  return [
    { name: 'connections to the database, right after its start', value: connections.idle, unit: '' },
    { name: 'connections to the database, at most', value: connections.most, unit: '' },
    ...(memory === null ? [] : [{ name: 'memory, at most', value: memory / 1e6, unit: 'MB' }]),
    { name: 'deliveries of an ordered line', value: ordered / (orderedMs / 1000), unit: 'a second' },
  ];
}

/** Returns the ms from the first publish until all have arrived. */
async function deliver(
  { node, load, receiver, receiverUrl }: World,
  count: number,
  backlog: number | null,
): Promise<number> {
  await receiver.ask('expect', { count });
  const startedAt = monotonicMs();
  await load.ask('batch', { servers: [node.url], receiver: receiverUrl, count, backlog });
  const { at, hits } = await receiver.ask('reached', { timeoutMs: ARRIVED_WITHIN_MS });
  if (at === null) throw new Error(`Only ${hits} of ${count} arrived.`);
  return at - startedAt;
}

function connectionsNow(database: PostgresDatabase): Promise<number> {
  return database.number("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'posthorn'");
}
