import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { BODY_BYTES, HTTP_CONNECTIONS } from '../limits.ts';
import type { Clock } from '../model/clock.ts';
import { OneAtATime } from './one-at-a-time.ts';
import { type Publisher, publishLimit } from './publish/publish.ts';
import { type PublishTarget, publishTarget } from './publish/publish-target.ts';

/** Node's own are 60 s and 300 s, looked at every 30 s: enough for a slow client to hold many connections. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const CHECKING_INTERVAL_MS = 1_000;
/** Longer than the 60 s after which common load balancers drop an idle connection, so that they do it first. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
/** An answer of which the client has read nothing more for so long, or twice as long, is given up with its connection. */
const UNREAD_TIMEOUT_MS = 30_000;
/** Request line and headers together. The URL has no limit of its own: this one bounds it. */
const HEADER_BYTES = 16 * 1024;

const CLOSE_LOOK_MS = 20;
/** What is still under way then is broken off. */
const CLOSE_DEADLINE_MS = 30_000;

export interface NodeServerOptions {
  /** Takes the publishes. */
  publish: Publisher;
  /** Takes everything else. */
  others: RequestListener;
  clock: Clock;
  /** A connection past it is closed as it comes. */
  maxConnections?: number | undefined;
  unreadTimeoutMs?: number;
}

/** A node:http server that answers the requests of one connection one at a time. */
export function createNodeServer({
  publish,
  others,
  clock,
  maxConnections = HTTP_CONNECTIONS,
  unreadTimeoutMs = UNREAD_TIMEOUT_MS,
}: NodeServerOptions): Server {
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const target = targetOf(request);
    if (target === null) others(request, response);
    else publish(request, response, target);
  };
  const connections = new OneAtATime(clock);
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: CHECKING_INTERVAL_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      maxHeaderSize: HEADER_BYTES,
      // Each answer is one small write; waiting for more to send would only delay it.
      noDelay: true,
    },
    connections.inTurn(answer),
  );
  server.maxConnections = maxConnections;
  // A client that asks before it sends is not told to go on with a body that will be refused.
  const continued = (request: IncomingMessage, response: ServerResponse) => {
    const target = targetOf(request);
    const limit = target === null ? BODY_BYTES : publishLimit(target);
    if (!(Number(request.headers['content-length']) > limit)) response.writeContinue();
    answer(request, response);
  };
  server.on('checkContinue', connections.inTurn(continued));
  // Called for idle connections too. One that waits for its answer lives on, however long the call takes here.
  server.setTimeout(unreadTimeoutMs, (socket) => {
    if (connections.isAnswering(socket) && socket.writableLength === 0) socket.setTimeout(unreadTimeoutMs);
    else socket.destroy();
  });
  return server;
}

/** A client that was given an address with a slash at its end asks for `//api/v1/…`: it means this server all the same. */
function targetOf(request: IncomingMessage): PublishTarget | null {
  if (request.url?.startsWith('//')) request.url = request.url.replace(/^\/+/, '/');
  return request.method === 'POST' ? publishTarget(request.url ?? '') : null;
}

export async function listenOn(server: Server, at: { host: string; port: number }): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: at.host, port: at.port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const { address, port, family } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

/**
 * Stops accepting and resolves when every connection has ended. Idle ones are closed at once, those with a request
 * under way after its answer. Looks again and again, because a connection can become idle just after a look.
 */
export function closeServer(server: Server, connections: ReadonlySet<Socket>, clock: Clock): Promise<void> {
  if (!server.listening) return Promise.resolve();
  return new Promise((resolve) => {
    let timer = clock.timer(0, look);
    let looks = 0;
    server.close(() => {
      timer.cancel();
      resolve();
    });
    function look(): void {
      server.closeIdleConnections();
      // For Node.js a connection that has sent nothing yet is not idle.
      for (const socket of connections) if (socket.bytesRead === 0) socket.destroy();
      if (++looks * CLOSE_LOOK_MS > CLOSE_DEADLINE_MS) server.closeAllConnections();
      timer = clock.timer(CLOSE_LOOK_MS, look);
    }
  });
}

/** The connections of a server, as they come and go. */
export function trackConnections(server: Server): ReadonlySet<Socket> {
  const connections = new Set<Socket>();
  server.on('connection', (socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  return connections;
}
