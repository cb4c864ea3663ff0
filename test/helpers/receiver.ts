import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as a receiver got it. */
export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Receiver {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  readonly received: readonly Received[];
  /** Resolves when that many requests have come. */
  has(count: number): Promise<void>;
  close(): Promise<void>;
}

/** A receiver of webhooks on a free port. Answers 200 "ok" unless told otherwise. */
export async function startReceiver(
  respond: (response: ServerResponse, received: Received, count: number) => void = (response) =>
    response.end('ok'),
): Promise<Receiver> {
  const received: Received[] = [];
  let changed: () => void = () => {};
  let change = new Promise<void>((resolve) => {
    changed = resolve;
  });
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const one = { path: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString() };
    received.push(one);
    changed();
    change = new Promise((resolve) => {
      changed = resolve;
    });
    respond(response, one, received.length);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    async has(count) {
      while (received.length < count) await change;
    },
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
