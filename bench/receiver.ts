// The receiver, in a process of its own: takes every POST, answers 200, counts, and notes how long bodies took to arrive.
// It reads HTTP by hand, because it shares the machine with the server under test and shall cost it as little as it can; one
// that real receivers are like is there too.

import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { answerParent } from './child.ts';
import { monotonicMs } from './clock.ts';
import { numberOf, sentAtOf } from './payload.ts';

const OK = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
const FAILED = Buffer.from('HTTP/1.1 500 Internal Server Error\r\ncontent-length: 2\r\n\r\nno');
const HEAD_END = Buffer.from('\r\n\r\n');

let hits = 0;
let expected = Number.POSITIVE_INFINITY;
let firstAt: number | null = null;
let reachedAt: number | null = null;
let reached: (() => void) | null = null;
let latencies: number[] | null = null;
/** A 1 for each number that arrived. */
let numbers: Uint8Array | null = null;
let deaf = false;

const handlers = {
  /** Starts receiving. Returns the base URL; every path takes hooks. */
  listen: () => listen((socket) => receive(socket, null)),

  /** The same with Node's HTTP server, as ordinary receivers are; counted together with the other. */
  listenOrdinary: async () => {
    const server = createHttpServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        response.end('ok');
        take(Buffer.concat(chunks));
      });
    });
    // An idle connection that is closed by this side would look to the sender like a failure of its own.
    server.keepAliveTimeout = 0;
    return urlOf(server.listen(0, '127.0.0.1'));
  },

  /** From now on takes requests and neither counts nor answers them, or again as usual. */
  beDeaf: ({ on }: { on: boolean }) => {
    deaf = on;
  },

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
    firstAt = null;
    reachedAt = null;
  },

  /** When the expected count was reached, or null when it was not within the time; when the first came; and the count. */
  reached: async ({ timeoutMs }: { timeoutMs: number }) => {
    if (reachedAt === null) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        reached = resolve;
        timer = setTimeout(resolve, timeoutMs);
      });
      clearTimeout(timer);
    }
    return { at: reachedAt, firstAt, hits };
  },

  /** CPU time that this process has used. */
  cpuMs: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },

  /** Begins to note which numbers arrive. */
  remember: () => {
    numbers = new Uint8Array(1 << 20);
  },

  /** How many of these did not arrive: pairs of a first number and how many. */
  missing: ({ ranges }: { ranges: readonly (readonly [first: number, count: number])[] }) => {
    let missing = 0;
    for (const [first, count] of ranges) {
      for (let number = first; number < first + count; number++) missing += numbers?.[number] === 1 ? 0 : 1;
    }
    return missing;
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

function listen(take: (socket: Socket) => void): Promise<string> {
  return urlOf(createServer({ noDelay: true }, take).listen(0, '127.0.0.1'));
}

async function urlOf(server: Server): Promise<string> {
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
    if (deaf) continue;
    socket.write(OK);
    take(bytes.subarray(headEnd + 4, end));
  }
}

function take(body: Buffer): void {
  if (latencies !== null) latencies.push(monotonicMs() - sentAtOf(body));
  if (numbers !== null) remember(numberOf(body));
  firstAt ??= monotonicMs();
  if (++hits === expected) {
    reachedAt = monotonicMs();
    reached?.();
  }
}

function remember(number: number): void {
  let noted = numbers as Uint8Array;
  if (number >= noted.length) {
    const larger = new Uint8Array(Math.max(number + 1, noted.length * 2));
    larger.set(noted);
    noted = larger;
    numbers = larger;
  }
  noted[number] = 1;
}
