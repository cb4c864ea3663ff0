// The load generator, in a process of its own: publishes in batches, one by one, or at a steady rate.

import { answerParent } from './child.ts';
import { monotonicMs, pause } from './clock.ts';
import { Connection } from './connection.ts';
import { payloadText } from './payload.ts';
import { BATCH_PATH, batchBody, channelBody, publishHead, SINGLE_PATH, singleBody } from './server-api.ts';
import { steadily } from './steady.ts';

const BATCH_MESSAGES = 500;
const BATCH_BYTES = 1024 * 1024;
const BATCH_CONNECTIONS = 4;
const SINGLE_CONNECTIONS = 32;
/** How long a publisher that is told to come back later (429, 503) waits: far less than `Retry-After` asks, to keep the pressure up. */
const AGAIN_MS = 20;

const single = publishHead(SINGLE_PATH);
const batch = publishHead(BATCH_PATH);

let number = 0;
let turnedAway = 0;

interface Batch {
  /** Each gets its share of the connections. */
  readonly servers: readonly string[];
  readonly receiver: string;
  readonly count: number;
  readonly backlog: number | null;
  /** Deliveries that each message leads to; a call leads to as many as it does with one. Left out: 1. */
  readonly fanOut?: number;
  /** Of each body; left out: as it is, about 1 KB. */
  readonly bytes?: number;
}

interface Published {
  /** When the first publish went out, on the monotonic clock. */
  readonly startedAt: number;
  /** How often the server said 429 or 503. */
  readonly turnedAway: number;
}

const handlers = {
  /**
   * Publishes `count` messages in batches. With a `backlog`, never more than that many deliveries ahead of what the receiver
   * has; without, as fast as the server takes them.
   */
  batch: async (params: Batch) => {
    const { servers, receiver, count, backlog, fanOut = 1, bytes = 0 } = params;
    const most = Math.min(BATCH_MESSAGES / fanOut, bytes === 0 ? BATCH_MESSAGES : BATCH_BYTES / bytes);
    const ofOneCall = Math.max(1, Math.floor(most));
    const gauge = backlog === null ? null : await Connection.open(receiver);
    let left = count;
    let received = 0;
    const result = await onConnections(
      servers,
      BATCH_CONNECTIONS,
      async (connection) => {
        while (left > 0) {
          if (gauge !== null && backlog !== null && (count - left) * fanOut - received >= backlog) {
            await pause(1);
            continue;
          }
          const size = Math.min(left, ofOneCall);
          left -= size;
          const sentAt = monotonicMs();
          const payloads = Array.from({ length: size }, () => payloadText(++number, sentAt, bytes));
          await publish(connection, batch, batchBody(payloads));
        }
      },
      async () => {
        while (gauge !== null && left > 0) {
          received = Number((await gauge.get('/hits')).body);
          await pause(2);
        }
      },
    );
    gauge?.close();
    return result;
  },

  /** Publishes `count` messages, each in a call of its own, over connections that send the next when the last is answered. */
  single: ({ servers, count }: { servers: readonly string[]; count: number }) => {
    let left = count;
    return onConnections(servers, SINGLE_CONNECTIONS, async (connection) => {
      while (left-- > 0) await publish(connection, single, singleBody(payloadText(++number, monotonicMs())));
    });
  },

  /** Publishes at a steady rate whatever the server does. Returns the ms from each hand-over to its 202. */
  steady: async ({ server, perSecond, seconds }: { server: string; perSecond: number; seconds: number }) => {
    const connections = await openAll([server], SINGLE_CONNECTIONS);
    const latencies = await steadily({
      lanes: connections,
      perSecond,
      seconds,
      send: (connection, sentAt) => publish(connection, single, singleBody(payloadText(++number, sentAt))),
    });
    for (const connection of connections) connection.close();
    return latencies;
  },

  /** The same, each message to one of `channels` channels, `c0`, `c1`… in turn. */
  channels: async (params: { server: string; perSecond: number; seconds: number; channels: number }) => {
    const { server, perSecond, seconds, channels } = params;
    const connections = await openAll([server], SINGLE_CONNECTIONS);
    const startedAt = monotonicMs();
    let next = 0;
    await steadily({
      lanes: connections,
      perSecond,
      seconds,
      send: (connection, sentAt) =>
        publish(connection, single, channelBody(payloadText(++number, sentAt), `c${next++ % channels}`)),
    });
    for (const connection of connections) connection.close();
    return { startedAt };
  },

  /**
   * Publishes batches (or single messages) for some seconds on many connections, each sending the next as soon as it has any
   * answer: no waiting, whatever the server asks for.
   */
  flood: async (params: { server: string; connections: number; batch: number; seconds: number }) => {
    const { server, connections: count, batch: size, seconds } = params;
    const connections = await openAll([server], count);
    const flood = { acknowledged: [] as [number, number][], answers: {} as Record<string, number> };
    let [offered, longestMs, withoutRetryAfter] = [0, 0, 0];
    const startedAt = monotonicMs();
    const run = async (connection: Connection) => {
      while (monotonicMs() - startedAt < seconds * 1000) {
        const sentAt = monotonicMs();
        const first = number + 1;
        const payloads = Array.from({ length: size }, () => payloadText(++number, sentAt));
        offered += size;
        const one = size === 1 ? singleBody(payloads[0] as string) : null;
        const { status, retryAfter } = await connection.post(
          one === null ? batch : single,
          one ?? batchBody(payloads),
        );
        longestMs = Math.max(longestMs, monotonicMs() - sentAt);
        flood.answers[status] = (flood.answers[status] ?? 0) + 1;
        if (status === 202) flood.acknowledged.push([first, size]);
        else if (!retryAfter) withoutRetryAfter++;
      }
    };
    await Promise.all(connections.map(run));
    const ms = monotonicMs() - startedAt;
    for (const connection of connections) connection.close();
    return { ...flood, offered, longestMs, withoutRetryAfter, ms };
  },
};

export type Load = typeof handlers;

answerParent(handlers);

/** Runs `work` on each of several connections, and `beside` along with them. */
async function onConnections(
  servers: readonly string[],
  count: number,
  work: (connection: Connection) => Promise<void>,
  beside: () => Promise<void> = async () => {},
): Promise<Published> {
  const connections = await openAll(servers, count);
  turnedAway = 0;
  const startedAt = monotonicMs();
  await Promise.all([...connections.map(work), beside()]);
  for (const connection of connections) connection.close();
  return { startedAt, turnedAway };
}

/** So many in all, to one server after the other. */
function openAll(servers: readonly string[], count: number): Promise<Connection[]> {
  return Promise.all(
    Array.from({ length: count }, (_, index) => Connection.open(servers[index % servers.length] as string)),
  );
}

/** Resolves when the server has taken it; asks again for as long as the server is too busy. */
async function publish(connection: Connection, head: string, body: string): Promise<void> {
  for (;;) {
    const answer = await connection.post(head, body);
    if (answer.status === 202) return;
    if (answer.status !== 429 && answer.status !== 503) {
      throw new Error(`A publish was answered ${answer.status}: ${answer.body}`);
    }
    turnedAway++;
    await pause(AGAIN_MS);
  }
}
