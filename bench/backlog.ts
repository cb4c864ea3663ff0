import { monotonicMs, pause } from './clock.ts';
import { Connection } from './connection.ts';
import { waitingStore } from './filled-store.ts';
import { payloadText } from './payload.ts';
import { type Line, median, type Row, type Workbench } from './row.ts';
import { channelBody, createHook, publishHead, SINGLE_PATH, singleBody } from './server-api.ts';
import { freePort, ServerFolder, ServerProcess } from './server-process.ts';
import { mean } from './statistics.ts';
import { BACKLOG, bareLimit, batches, counts, delivered } from './throughput.ts';

const WAITING = { usual: 1_000_000, quick: 5_000 };
const ENDPOINTS = 100;
/** Shorter than a request may take, so that none has failed when the server is killed. */
const DEAF_MS = { usual: 10_000, quick: 500 };
/** The receiver gives up waiting for the drain: `Child` waits no longer for an answer. */
const DRAINED_WITHIN_MS = 170_000;
const MEMORY_MB = 300;
const FIRST_ANSWER_MS = 1_000;
/** A channel that no endpoint has. */
const NOWHERE = 'nowhere';

const memoryLines = ['memory while they wait, MB', 'memory at most while they are sent, MB'] as const;

export const backlog: Row = {
  id: 'h',
  title: 'a backlog of a million',
  meaning:
    `a store with a million deliveries that wait (5,000 with --quick), for ${ENDPOINTS} endpoints whose receiver accepts requests and does not answer for ` +
    `${DEAF_MS.usual / 1000} s; then SIGKILL, and a restart with the receiver answering: from the start of the process until it is ready, until the first publish is ` +
    'answered 202, until the first delivery; then until all have arrived',
  unit: '',
  beside: 'the same server with nothing waiting; for the rate, the bare limit',
  target: `memory <= ${MEMORY_MB} MB, first 202 <= 1 s`,
  meets,
  longestSeconds: 420,
  measure,
};

function meets(lines: readonly Line[]): boolean {
  const memory = lines.filter(({ name }) => memoryLines.some((each) => each === name));
  return (
    memory.length > 0 &&
    memory.every(({ value }) => value.median <= MEMORY_MB) &&
    median(lines, 'to the first 202, ms', 'value') <= FIRST_ANSWER_MS
  );
}

async function measure(bench: Workbench): ReturnType<Row['measure']> {
  const { receiver } = bench;
  const count = bench.quick ? WAITING.quick : WAITING.usual;
  const beside = await withNothingWaiting(bench);
  const folder = await waitingStore(count, ENDPOINTS, bench.receiverUrl);
  const limitBefore = await bareLimit(bench, beside.count);
  await receiver.ask('beDeaf', { on: true });
  const waiting = await start(folder);
  await pause(bench.quick ? DEAF_MS.quick : DEAF_MS.usual);
  const waitingBytes = waiting.server.peakMemoryBytes();
  await waiting.server.kill();
  await receiver.ask('beDeaf', { on: false });

  await receiver.ask('expect', { count });
  const { server, readyMs, answeredMs } = await start(folder);
  const { at, firstAt, hits } = await receiver.ask('reached', { timeoutMs: DRAINED_WITHIN_MS });
  if (at === null || firstAt === null)
    throw new Error(`Only ${hits} of ${count} arrived:\n${server.logEnd()}`);
  const sentBytes = server.peakMemoryBytes();
  await server.kill();
  folder.remove();
  const limit = mean(limitBefore, await bareLimit(bench, beside.count));
  const memory =
    waitingBytes === null || sentBytes === null || beside.idleBytes === null || beside.busyBytes === null
      ? []
      : [
          { name: memoryLines[0], value: waitingBytes / 1e6, beside: beside.idleBytes / 1e6 },
          { name: memoryLines[1], value: sentBytes / 1e6, beside: beside.busyBytes / 1e6 },
        ];
  return {
    figures: [
      ...memory,
      { name: 'to ready, ms', value: readyMs, beside: beside.readyMs },
      { name: 'to the first 202, ms', value: answeredMs, beside: beside.answeredMs },
      { name: 'to the first delivery, ms', value: firstAt - server.spawnedAt, beside: beside.firstMs },
      { name: 'deliveries/s', value: (count - 1) / ((at - firstAt) / 1000), beside: limit },
    ],
    notes: { 'received more than once': hits - count },
  };
}

/** A restart, and then as much work as the usual run of (a) is. */
async function withNothingWaiting(bench: Workbench) {
  const folder = new ServerFolder();
  const made = await start(folder);
  await createHook(made.server.url, `${bench.receiverUrl}/hook`);
  await made.server.kill();
  await bench.receiver.ask('expect', { count: 1 });
  const { server, readyMs, answeredMs } = await start(folder, null);
  const { firstAt } = await bench.receiver.ask('reached', { timeoutMs: 10_000 });
  const idleBytes = server.peakMemoryBytes();
  const publishing = batches(BACKLOG);
  const { count } = counts(bench, publishing);
  await delivered(bench, [server], publishing, count);
  const busyBytes = server.peakMemoryBytes();
  await server.kill();
  folder.remove();
  const firstMs = (firstAt ?? Number.NaN) - server.spawnedAt;
  return { count, readyMs, answeredMs, firstMs, idleBytes, busyBytes };
}

/** Starts a server and publishes one message to a channel; null: to every hook. */
async function start(folder: ServerFolder, channel: string | null = NOWHERE) {
  const server = new ServerProcess({ folder, port: await freePort() });
  const readyMs = await server.ready();
  const connection = await Connection.open(server.url);
  const payload = payloadText(0, monotonicMs());
  const body = channel === null ? singleBody(payload) : channelBody(payload, channel);
  const { status } = await connection.post(publishHead(SINGLE_PATH), body);
  const answeredMs = monotonicMs() - server.spawnedAt;
  connection.close();
  if (status !== 202) throw new Error(`The first publish was answered ${status}.`);
  return { server, readyMs, answeredMs };
}
