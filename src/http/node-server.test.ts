import { once } from 'node:events';
import type { RequestListener, Server, ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { HTTP_CONNECTIONS, PIPELINED_REQUESTS } from '../limits.ts';
import { systemClock as clock } from '../system/clock.ts';
import { createNodeServer, type NodeServerOptions } from './node-server.ts';

const publish = () => undefined;
const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`;
/** More than the operating system takes for a client that reads nothing. */
const LONG = 'x'.repeat(16 * 1024 * 1024);

let server: Server;
const clients: Socket[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function start(others: RequestListener, options: Partial<NodeServerOptions> = {}): Promise<void> {
  server = createNodeServer({ publish, others, clock, ...options }).listen(0, '127.0.0.1');
  await once(server, 'listening');
}

function open(): { socket: Socket; text: () => string } {
  const { port } = server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  clients.push(socket);
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.on('error', () => undefined);
  return { socket, text: () => text };
}

describe('connections', () => {
  it('that are too many are closed, and new ones taken once others have ended', async () => {
    await start((_request, response) => response.end('ok'), { maxConnections: 2 });
    const ask = async () => {
      const { socket, text } = open();
      socket.write(get('/'));
      await Promise.race([once(socket, 'data'), once(socket, 'close')]);
      return { socket, text: text() };
    };
    const first = await ask();
    const second = await ask();
    const third = await ask();
    expect([first, second, third].map(({ text }) => text.split('\r\n')[0])).toEqual([
      'HTTP/1.1 200 OK',
      'HTTP/1.1 200 OK',
      '',
    ]);
    first.socket.end();
    await once(first.socket, 'close');
    expect((await ask()).text).toContain('200 OK');
  });

  it('have a limit when nobody sets one', async () => {
    await start(() => undefined);
    expect(server.maxConnections).toBe(HTTP_CONNECTIONS);
  });
});

describe('the requests of one connection', () => {
  it('are taken one at a time and in their order, also those that ask before they send', async () => {
    const taken: string[] = [];
    const responses: ServerResponse[] = [];
    await start((request, response) => {
      taken.push(request.url ?? '');
      responses.push(response);
    });
    const { socket, text } = open();
    const asking = 'PUT /3 HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n';
    socket.write(get('/1') + get('/2') + asking);
    for (const path of ['/1', '/2', '/3']) {
      await vi.waitFor(() => expect(taken.at(-1)).toBe(path));
      if (path !== '/3') expect(text()).not.toContain('100 Continue');
      // Another connection is answered meanwhile: whatever could have been taken with this one would be by now.
      const other = open();
      other.socket.write(get('/other'));
      await vi.waitFor(() => expect(taken.at(-1)).toBe('/other'));
      responses.pop()?.end();
      await once(other.socket, 'data');
      expect(taken.filter((each) => each !== '/other').at(-1)).toBe(path);
      responses.pop()?.end(`answer ${path}`);
    }
    await vi.waitFor(() => expect(text()).toMatch(/answer \/1.*answer \/2.*100 Continue.*answer \/3/s));
  });

  it('wait while the client does not read', async () => {
    let taken = 0;
    await start((_request, response) => {
      taken++;
      response.end(LONG);
    });
    const { socket } = open();
    socket.pause();
    socket.write(get('/').repeat(4));
    await vi.waitFor(() => expect(taken).toBe(1));
    const other = open();
    other.socket.write(get('/'));
    await vi.waitFor(() => expect(other.text().length).toBeGreaterThan(LONG.length));
    expect(taken).toBe(2);
    socket.resume();
    await vi.waitFor(() => expect(taken).toBe(5), 10_000);
  });

  it('end with the connection when too many wait', async () => {
    let taken = 0;
    await start(() => {
      taken++;
    });
    const enough = open();
    enough.socket.write(get('/').repeat(1 + PIPELINED_REQUESTS));
    await vi.waitFor(() => expect(taken).toBe(1));
    const tooMany = open();
    tooMany.socket.write(get('/').repeat(2 + PIPELINED_REQUESTS));
    await once(tooMany.socket, 'close');
    expect([taken, enough.socket.closed]).toEqual([2, false]);
  });

  it('are not taken after an answer that ends the connection', async () => {
    const taken: string[] = [];
    await start((request, response) => {
      taken.push(request.url ?? '');
      response.setHeader('connection', 'close').end();
    });
    const { socket } = open();
    socket.write(get('/1') + get('/2'));
    await once(socket, 'close');
    expect(taken).toEqual(['/1']);
  });
});

describe('a connection without traffic', () => {
  it('ends when an answer is not read', async () => {
    let ended: Promise<unknown> | undefined;
    await start(
      (request, response) => {
        ended = once(request.socket, 'close');
        response.end(LONG);
      },
      { unreadTimeoutMs: 50 },
    );
    const { socket } = open();
    socket.pause();
    socket.write(get('/'));
    await vi.waitFor(() => expect(ended).toBeDefined());
    await ended;
  });

  it('lives on while it waits for an answer, and to ask again', async () => {
    const looks: number[] = [];
    await start(
      (request, response) => {
        const look = () => (looks.push(1) < 3 ? undefined : response.end('late'));
        request.socket.on('timeout', look);
        if (looks.length >= 3) response.end('again');
      },
      { unreadTimeoutMs: 20 },
    );
    const { socket, text } = open();
    socket.write(get('/'));
    await vi.waitFor(() => expect(text()).toContain('late'));
    socket.write(get('/'));
    await vi.waitFor(() => expect(text()).toContain('again'));
  });
});
