import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BATCH_BODY_BYTES, BODY_BYTES, PUBLISH_BODY_BYTES } from '../../src/limits.ts';
import { startWorld, type World } from '../helpers/world.ts';

const MSG = '/api/v1/app/1/msg';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

/** What a raw connection says, until the server ends it. */
async function exchange(send: (socket: Socket) => void): Promise<string> {
  const socket = connect(Number(new URL(world.url).port), '127.0.0.1');
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  const failed = new Promise<never>((_, reject) => socket.once('error', reject));
  await once(socket, 'connect');
  send(socket);
  await Promise.race([once(socket, 'end'), failed]);
  socket.destroy();
  return text;
}

function head(path: string, headers: Record<string, string | number>): string {
  const lines = Object.entries({ host: 'x', authorization: `Bearer ${world.operatorKey}`, ...headers });
  return `POST ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
}

describe('a body over the limit', () => {
  const message = (bytes: number) => {
    const empty = '{"eventType":"a","payload":{"x":""}}';
    return empty.replace('""', `"${'x'.repeat(bytes - empty.length)}"`);
  };

  it('is taken up to the last byte, and refused from the next on', async () => {
    expect((await world.operate('POST', MSG, message(PUBLISH_BODY_BYTES))).status).toBe(202);
    const answer = await world.operate('POST', MSG, message(PUBLISH_BODY_BYTES + 1));
    expect([answer.status, answer.json().code]).toEqual([413, 'payload_too_large']);
  });

  it('counts bytes, not characters', async () => {
    const body = `{"eventType":"a","payload":{"x":"${'ü'.repeat(PUBLISH_BODY_BYTES / 2)}"}}`;
    expect(body.length).toBeLessThan(PUBLISH_BODY_BYTES);
    expect((await world.operate('POST', MSG, body)).status).toBe(413);
  });

  it('has its own size for a batch, in which each payload has that of a message', async () => {
    const half = message(PUBLISH_BODY_BYTES - 100);
    const many = `{"messages":[${Array(7).fill(half)}]}`;
    expect((await world.operate('POST', `${MSG}/batch`, many)).status).toBe(202);
    const huge = `{"messages":[${message(PUBLISH_BODY_BYTES + 1_000)}]}`;
    expect((await world.operate('POST', `${MSG}/batch`, huge)).status).toBe(413);
    const over = `{"messages":[${Array(9).fill(half)}]}`;
    expect(over.length).toBeGreaterThan(BATCH_BODY_BYTES);
    expect((await world.operate('POST', `${MSG}/batch`, over)).status).toBe(413);
  });

  it('has its own size for every other call', async () => {
    const name = 'x'.repeat(BODY_BYTES);
    const answer = await world.operate('POST', '/api/v1/app', { name });
    expect([answer.status, answer.json().code]).toEqual([413, 'payload_too_large']);
  });

  it.each([
    [MSG, PUBLISH_BODY_BYTES],
    [`${MSG}/batch`, BATCH_BODY_BYTES],
    ['/api/v1/app', BODY_BYTES],
    ['/api/v1/app/1/endpoint', BODY_BYTES],
  ])('is refused by its declared length, before it is sent: %s', async (path, limit) => {
    const text = await exchange((socket) => {
      socket.write(head(path, { 'content-length': limit + 1 }));
      socket.once('data', () => socket.end());
    });
    expect(text).toMatch(/^HTTP\/1\.1 413 /);
    expect(text).toContain('"code":"payload_too_large"');
    expect(text.toLowerCase()).toContain('\r\nconnection: close\r\n');
  });

  it('ends the connection of a client that neither sends nor hangs up', async () => {
    const text = await exchange((socket) => socket.write(head(MSG, { 'content-length': 100_000_000 })));
    expect(text).toMatch(/^HTTP\/1\.1 413 /);
  });

  it.each([MSG, '/api/v1/app', '/web_hooks.json'])(
    'gets its 413 through to a client that only listens after it has sent all: %s',
    async (path) => {
      const answer = await exchange((socket) => {
        const length = 12 * 1024 * 1024;
        const token = path.startsWith('/web') ? world.company.token : world.operatorKey;
        socket.pause();
        socket.write(head(path, { 'content-length': length, authorization: `Bearer ${token}` }));
        socket.write(Buffer.alloc(length, 0x20), () => socket.resume());
      });
      expect(answer).toMatch(/^HTTP\/1\.1 413 /);
      expect(answer).toContain('The body may have at most');
    },
  );

  it('is refused without a declared length too', async () => {
    const chunk = `100000\r\n${' '.repeat(0x100000)}\r\n`;
    const answer = await exchange((socket) => {
      socket.write(head(MSG, { 'transfer-encoding': 'chunked' }));
      for (let sent = 0; sent < 3; sent++) socket.write(chunk);
      socket.write('0\r\n\r\n');
    });
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('is not asked for with 100 Continue', async () => {
    const refused = await exchange((socket) => {
      socket.write(head(MSG, { 'content-length': PUBLISH_BODY_BYTES + 1, expect: '100-continue' }));
      socket.once('data', () => socket.end());
    });
    expect(refused).toMatch(/^HTTP\/1\.1 413 /);
    const body = '{"eventType":"a","payload":{}}';
    const taken = await exchange((socket) => {
      socket.write(head(MSG, { 'content-length': body.length, expect: '100-continue', connection: 'close' }));
      socket.once('data', (answer) => {
        expect(String(answer)).toMatch(/^HTTP\/1\.1 100 /);
        socket.write(body);
      });
    });
    expect(taken).toMatch(/HTTP\/1\.1 202 /);
  });
});

describe('a request that is not HTTP, or too much of it', () => {
  it.each([
    ['garbage', 'GARBAGE\r\n\r\n', 400],
    ['headers over 16 KiB', `GET / HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(17_000)}\r\n\r\n`, 431],
    ['a URL over 16 KiB', `GET /${'x'.repeat(17_000)} HTTP/1.1\r\nhost: x\r\n\r\n`, 431],
    ['two lengths', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n', 400],
    [
      'length and chunks',
      'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
      400,
    ],
    ['no host', 'GET / HTTP/1.1\r\n\r\n', 400],
  ])('%s', async (_what, text, status) => {
    const answer = await exchange((socket) => socket.write(text));
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  });

  it('answers 404 to a path part of any length', async () => {
    for (const length of [101, 1_500, 8_000]) {
      const answer = await world.operate('GET', `/api/v1/app/${'x'.repeat(length)}`);
      expect([answer.status, answer.json().code]).toEqual([404, 'not_found']);
    }
  });
});

describe('a client that goes away', () => {
  it('in the middle of its body leaves nothing behind', async () => {
    const { data: before } = (await world.operate('GET', MSG)).json();
    for (const path of [MSG, `${MSG}/batch`, '/api/v1/app', '/web_hooks.json']) {
      const socket = connect(Number(new URL(world.url).port), '127.0.0.1');
      await once(socket, 'connect');
      socket.write(`${head(path, { 'content-length': 1_000 })}{"eventType":`);
      socket.resetAndDestroy();
      await once(socket, 'close');
    }
    expect((await world.operate('GET', MSG)).json().data).toEqual(before);
    expect(world.logged.filter((line) => line.includes('"level":50'))).toEqual([]);
  });
});
