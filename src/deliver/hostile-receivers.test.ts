import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { RESPONSE_READ_BYTES, RESPONSE_STORED_BYTES } from '../limits.ts';
import { type Exchange, type Sender, succeeded } from '../model/exchange.ts';
import { systemClock } from '../system/clock.ts';
import { createHttpSender } from './http-sender.ts';
import { createThreadSender } from './sender-thread.ts';

const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const SHORT_MS = 250;

const cleanUps: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

/** A receiver that does with each connection what it is told to. */
async function receiver(
  handle: (socket: Socket) => void,
): Promise<{ href: string; closed: Promise<Socket> }> {
  const sockets = new Set<Socket>();
  const closing = Promise.withResolvers<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => closing.resolve(socket));
    handle(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return { href: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, closed: closing.promise };
}

/** Answers the first bytes of each request. */
const answering = (answer: string | Buffer, then?: (socket: Socket) => void) =>
  receiver((socket) => socket.once('data', () => socket.write(answer, () => then?.(socket))));

/** Says `start`, then `drop` again and again, for as long as the other side stays. */
const dripping = (start: string, drop: string) =>
  receiver((socket) =>
    socket.once('data', () => {
      socket.write(start);
      const drip = setInterval(() => socket.write(drop), 10);
      socket.on('close', () => clearInterval(drip));
    }),
  );

const SENDERS = [
  ['this thread', createHttpSender],
  ['a thread of its own', createThreadSender],
] as const;

describe.each(SENDERS)('a hostile receiver, met from %s', (_name, make) => {
  let sender: Sender;
  let lastRef = 0;
  const ended = new Map<number, (exchange: Exchange) => void>();

  beforeAll(() => {
    sender = make({
      allowNetworks: ['127.0.0.0/8', '::1/128'],
      signatureHeaders: 'standard',
      userAgent: 'Posthorn/test',
      clock: systemClock,
      onResults: (results) => {
        for (const { ref, exchange } of results) {
          // A second result for the same job finds nobody, and throws.
          (ended.get(ref) as (exchange: Exchange) => void)(exchange as Exchange);
          ended.delete(ref);
        }
      },
    });
  });
  afterAll(() => sender.close());

  function post(href: string, timeoutMs = 5_000): Promise<Exchange> {
    const target = { applicationKey: 1, href, headers: {}, secrets: [{ text: SECRET, until: null }] };
    const ref = ++lastRef;
    return new Promise((resolve) => {
      ended.set(ref, resolve);
      sender.send([{ ref, target, messageId: 'msg_1', payload: '{}', timeoutMs, test: false, queue: null }]);
    });
  }

  const EVER = [
    ['never answers', () => receiver((socket) => socket.resume())],
    ['drips its headers', () => dripping('HTTP/1.1 200 OK\r\nx: ', 'y')],
    ['floods with 1xx', () => dripping('', 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n')],
  ] as const;
  it.each(EVER)('that %s runs into the deadline', async (_what, open) => {
    const { href, closed } = await open();
    const exchange = await post(href, SHORT_MS);
    expect(exchange).toMatchObject({
      status: null,
      body: '',
      error: { code: 'timed_out', message: 'No answer within 250 ms. Answer first, then do the work.' },
    });
    expect(exchange.durationMs).toBeGreaterThanOrEqual(SHORT_MS - 5);
    // The connection is not left to it.
    await closed;
  });

  it.each([200, 500])(
    'that drips its body after %i runs into the deadline, with the status kept',
    async (status) => {
      const { href, closed } = await dripping(
        `HTTP/1.1 ${status} X\r\ncontent-length: 99999\r\n\r\nstart`,
        '.',
      );
      const exchange = await post(href, SHORT_MS);
      expect(exchange).toMatchObject({
        status,
        error: { code: 'timed_out', message: 'The answer began, but did not end within 250 ms.' },
      });
      expect(exchange.body).toMatch(/^start\.*$/);
      expect(succeeded(exchange)).toBe(status === 200);
      await closed;
    },
  );

  it('that never stops answering is cut off, which is no failure', async () => {
    const chunk = Buffer.alloc(16_384, 'x');
    const { href, closed } = await answering('HTTP/1.1 200 OK\r\n\r\n', function pour(socket) {
      socket.write(chunk, (error) => error || pour(socket));
    });
    const exchange = await post(href);
    expect(exchange).toMatchObject({ status: 200, error: null });
    expect(exchange.body).toBe('x'.repeat(RESPONSE_STORED_BYTES));
    const { bytesWritten } = await closed;
    // What was on its way in the kernel's buffers comes on top.
    expect(bytesWritten).toBeGreaterThan(RESPONSE_READ_BYTES);
    expect(bytesWritten).toBeLessThan(64 * 1024 * 1024);
  });

  const FLOODS = [
    ['its 1xx answers', '', 'HTTP/1.1 103 Early Hints\r\n\r\n', null],
    [
      'the extension of a chunk',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;x=',
      'yyyyyyyy',
      200,
    ],
  ] as const;
  it.each(FLOODS)(
    'that never stops with %s is cut off by what came in all',
    async (_what, start, more, status) => {
      const chunk = more.repeat(4_096);
      const { href, closed } = await answering(`${start}${chunk}`, function pour(socket) {
        socket.write(chunk, (error) => error || setImmediate(pour, socket));
      });
      const exchange = await post(href);
      const failure = {
        code: 'protocol_error',
        message: `${new URL(href).host} sent 256 KiB, and no answer in them.`,
      };
      expect(exchange).toMatchObject({ status, body: '', error: status === null ? failure : null });
      expect((await closed).bytesWritten).toBeLessThan(64 * 1024 * 1024);
    },
  );

  it('is measured anew with each answer of a connection', async () => {
    const body = 'x'.repeat(60_000);
    let connections = 0;
    const { href } = await receiver((socket) => {
      connections++;
      socket.on('data', () => socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n${body}`));
    });
    for (let n = 0; n < 10; n++) expect(await post(href)).toMatchObject({ status: 200, error: null });
    expect(connections).toBe(1);
  });

  it('that sends a gzip bomb has it stay compressed', async () => {
    const bomb = gzipSync(Buffer.alloc(20_000_000));
    const head = `HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`;
    const { href } = await answering(Buffer.concat([Buffer.from(head), bomb]));
    const exchange = await post(href);
    expect(exchange).toMatchObject({ status: 200, error: null });
    expect(Buffer.byteLength(exchange.body)).toBeLessThanOrEqual(RESPONSE_STORED_BYTES);
    expect(exchange.body).not.toContain('\0');
  });

  const CLOSING = [
    ['resets', (socket: Socket) => socket.resetAndDestroy()],
    ['closes', (socket: Socket) => socket.end()],
  ] as const;
  it.each(CLOSING)('that %s the connection at once', async (_what, close) => {
    const { href } = await receiver((socket) => socket.once('data', () => close(socket)));
    const authority = new URL(href).host;
    expect(await post(href)).toMatchObject({
      status: null,
      error: { code: 'connection_closed', message: `${authority} closed the connection before it answered.` },
    });
  });

  it.each(CLOSING)('that %s the connection in its body has the status count', async (_what, close) => {
    const start = 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf';
    // A reset overtakes what was written before it unless that has been read.
    const { href } = await answering(start, (socket) => setTimeout(() => close(socket), 30));
    const exchange = await post(href);
    const message = `${new URL(href).host} closed the connection in the middle of its answer.`;
    expect(exchange).toMatchObject({
      status: 200,
      body: 'half',
      error: { code: 'connection_closed', message },
    });
    expect(succeeded(exchange)).toBe(true);
  });

  it.each([
    ['is no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['has no status line (HTTP/0.9)', '<html>hello</html>'],
    ['has a status below 100', 'HTTP/1.1 099 Odd\r\ncontent-length: 0\r\n\r\n'],
    ['has too large headers', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`],
    ['has two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!'],
    [
      'has a length and chunks',
      'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\nhello',
    ],
    ['has a header without a name', 'HTTP/1.1 200 OK\r\n: x\r\n\r\n'],
    ['switches the protocol', 'HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'],
  ])('whose answer %s has broken the protocol', async (_what, answer) => {
    const { href } = await answering(answer);
    expect(await post(href)).toMatchObject({ status: null, error: { code: 'protocol_error' } });
  });

  const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
  const FINAL = `HTTP/1.1 200 OK\r\ncontent-length: ${CONTINUE.length}\r\n\r\n${CONTINUE}`;
  it.each([
    ['once', [CONTINUE + FINAL]],
    [
      'again and again',
      [CONTINUE, CONTINUE.repeat(3), `${CONTINUE}HTTP/1.1 103 Hints\r\n\r\n${CONTINUE}${FINAL}`],
    ],
    ['with headers', [`HTTP/1.1 100 Continue\r\nserver: x\r\nconnection: keep-alive\r\n\r\n${FINAL}`]],
  ])('that says 100 (Continue) %s, which nobody asked for, is waited for', async (_what, parts) => {
    let connections = 0;
    const { href } = await receiver((socket) => {
      connections++;
      socket.setNoDelay();
      socket.on('data', async () => {
        for (const part of parts) {
          socket.write(part);
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      });
    });
    // In the body it stays as it is.
    const expected = { status: 200, body: CONTINUE, error: null };
    for (let n = 0; n < 2; n++) expect(await post(href)).toMatchObject(expected);
    expect(connections).toBe(1);
  });

  it('whose status is above 599 has failed, with that status', async () => {
    const { href } = await answering('HTTP/1.1 999 Go Away\r\ncontent-length: 2\r\n\r\nno');
    const exchange = await post(href);
    expect(exchange).toMatchObject({ status: 999, body: 'no', error: null });
    expect(succeeded(exchange)).toBe(false);
  });

  it('whose redirect leads elsewhere is not followed', async () => {
    const visited: string[] = [];
    const trap = await receiver(() => visited.push('trap'));
    const answer = `HTTP/1.1 307 Moved\r\nlocation: ${trap.href}\r\ncontent-length: 0\r\n\r\n`;
    const { href } = await answering(answer);
    const exchange = await post(href);
    expect(exchange).toMatchObject({ status: 307, error: null });
    expect(succeeded(exchange)).toBe(false);
    expect(visited).toEqual([]);
  });

  it('that hangs once costs only the idle connections, which may hang as well', async () => {
    const reply = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';
    const sockets: Socket[] = [];
    const waiting: (() => void)[] = [];
    let hang = false;
    const { href } = await receiver((socket) => {
      sockets.push(socket);
      socket.on('data', () => {
        if (hang) return;
        waiting.push(() => socket.write(reply));
        // The first two are answered together, so that there are two connections.
        if (waiting.length === 2 || sockets.length > 2) for (const answer of waiting.splice(0)) answer();
      });
    });
    await Promise.all([post(href), post(href)]);
    expect(sockets).toHaveLength(2);
    hang = true;
    const closed = sockets.map((socket) => once(socket, 'close'));
    expect(await post(href, SHORT_MS)).toMatchObject({ error: { code: 'timed_out' } });
    hang = false;
    expect(await post(href)).toMatchObject({ status: 200 });
    expect(sockets).toHaveLength(3);
    await Promise.all(closed);
  });
});
