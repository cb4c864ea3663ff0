// The receiver, in a process of its own: takes every POST, answers 200, counts, and notes how long bodies took to arrive.
// It reads HTTP by hand, because it shares the machine with the server under test and shall cost it as little as it can.

import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { answerParent } from './child.ts';
import { monotonicMs } from './clock.ts';
import { sentAtOf } from './payload.ts';

const OK = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
const FAILED = Buffer.from('HTTP/1.1 500 Internal Server Error\r\ncontent-length: 2\r\n\r\nno');
const HEAD_END = Buffer.from('\r\n\r\n');

let hits = 0;
let expected = Number.POSITIVE_INFINITY;
let reachedAt: number | null = null;
let reached: (() => void) | null = null;
let latencies: number[] | null = null;

const handlers = {
  /** Starts receiving. Returns the base URL; every path takes hooks. */
  listen: () => listen((socket) => receive(socket, null)),

  /** A port that accepts connections, reads, and never answers. */
  hang: () =>
    listen((socket) => {
      socket.resume();
      socket.on('error', () => socket.destroy());
    }),

  /** A port that answers 500. */
  fail: () => listen((socket) => receive(socket, (answer) => answer(FAILED))),

  /** A port that answers 200 after some time. */
  delay: ({ ms }: { ms: number }) =>
    listen((socket) => receive(socket, (answer) => setTimeout(answer, ms, OK))),

  /** Counts from 0 again, towards `count`. */
  expect: ({ count }: { count: number }) => {
    hits = 0;
    expected = count;
    reachedAt = null;
  },

  /** When the expected count was reached, or null when it was not within the time; and the count. */
  reached: async ({ timeoutMs }: { timeoutMs: number }) => {
    if (reachedAt === null) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        reached = resolve;
        timer = setTimeout(resolve, timeoutMs);
      });
      clearTimeout(timer);
    }
    return { at: reachedAt, hits };
  },

  /** Begins to note, for each body, the time since its `sentAt`. */
  record: () => {
    latencies = [];
  },

  /** What was noted, in ms. Ends the noting. */
  recorded: () => {
    const noted = Float64Array.from(latencies ?? []);
    latencies = null;
    return noted;
  },
};

export type Receiver = typeof handlers;

answerParent(handlers);

async function listen(take: (socket: Socket) => void): Promise<string> {
  const server = createServer({ noDelay: true }, take).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Answers in its own way, and is not counted. */
type Answering = (answer: (bytes: Buffer) => void) => void;

function receive(socket: Socket, answering: Answering | null): void {
  let rest: Buffer | null = null;
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    const bytes = rest === null ? chunk : Buffer.concat([rest, chunk]);
    const used = takeRequests(socket, bytes, answering);
    rest = used === bytes.length ? null : bytes.subarray(used);
  });
}

/** Takes the whole requests in `bytes`. Returns how many bytes they were. */
function takeRequests(socket: Socket, bytes: Buffer, answering: Answering | null): number {
  let start = 0;
  for (;;) {
    const headEnd = bytes.indexOf(HEAD_END, start);
    if (headEnd < 0) return start;
    const head = bytes.toString('latin1', start, headEnd);
    if (head.startsWith('GET')) {
      const text = String(hits);
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\n\r\n${text}`);
      start = headEnd + 4;
      continue;
    }
    const end = headEnd + 4 + Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    if (bytes.length < end) return start;
    start = end;
    if (answering !== null) {
      answering((answer) => socket.writable && socket.write(answer));
      continue;
    }
    socket.write(OK);
    if (latencies !== null) latencies.push(monotonicMs() - sentAtOf(bytes.subarray(headEnd + 4, end)));
    if (++hits === expected) {
      reachedAt = monotonicMs();
      reached?.();
    }
  }
}
