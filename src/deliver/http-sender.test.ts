import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, Socket } from 'node:net';
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { buildConnector } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import { RESPONSE_STORED_BYTES } from '../limits.ts';
import type { Exchange, Sender, SendJob, SendResult } from '../model/exchange.ts';
import { systemClock } from '../system/clock.ts';
import { createHttpSender, type HttpSenderOptions } from './http-sender.ts';
import { createThreadSender } from './sender-thread.ts';

const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const SETTINGS = {
  allowNetworks: ['127.0.0.0/8', '::1/128'],
  signatureHeaders: 'standard',
  userAgent: 'Posthorn/test',
  clock: systemClock,
} as const;

const cleanUps: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

interface Got {
  readonly headers: IncomingMessage['headers'];
  readonly rawHeaders: string[];
  readonly body: Buffer;
  readonly url: string | undefined;
  readonly method: string | undefined;
}

/** A receiver that keeps what it got. */
async function receiver(answer: RequestListener = (_request, response) => response.end('ok')) {
  const got: Got[] = [];
  let connections = 0;
  const server: Server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const { headers, rawHeaders, url, method } = request;
      got.push({ headers, rawHeaders, url, method, body: Buffer.concat(parts) });
      answer(request, response);
    });
  }).listen(0, '127.0.0.1');
  server.on('connection', () => connections++);
  await once(server, 'listening');
  cleanUps.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return { server, got, port, href: `http://127.0.0.1:${port}/hook`, connections: () => connections };
}

/** A sender and the results that it gave, each job's once. */
function world(make: (options: HttpSenderOptions) => Sender, extra: Partial<HttpSenderOptions> = {}) {
  const ended = new Map<number, (exchange: Exchange) => void>();
  const batches: number[] = [];
  let lastRef = 0;
  const onResults = (results: readonly SendResult[]) => {
    batches.push(results.length);
    for (const { ref, exchange } of results) {
      (ended.get(ref) as (exchange: Exchange) => void)(exchange as Exchange);
      ended.delete(ref);
    }
  };
  const sender = make({ ...SETTINGS, ...extra, onResults });
  const postAll = (jobs: readonly JobPart[]) => {
    const results: Promise<Exchange>[] = [];
    const full = jobs.map(
      ({
        headers = {},
        href,
        secrets = [{ text: SECRET, until: null }],
        applicationKey = 1,
        ...rest
      }): SendJob => {
        const ref = ++lastRef;
        results.push(new Promise((resolve) => ended.set(ref, resolve)));
        const target = { applicationKey, href, headers, secrets };
        return {
          ref,
          target,
          messageId: 'msg_1',
          payload: '{}',
          timeoutMs: 5_000,
          test: false,
          queue: null,
          ...rest,
        };
      },
    );
    sender.send(full);
    return Promise.all(results);
  };
  const post = async (job: JobPart) => (await postAll([job]))[0] as Exchange;
  return { sender, postAll, post, batches, waiting: ended };
}
type JobPart = Partial<Omit<SendJob, 'target'> & SendJob['target']> & { href: string };

/** Receivers that count the connections open to all of them. */
async function countedReceivers(length: number) {
  const open = new Set<Socket>();
  const count = { most: 0 };
  // Counted at its first request, for which the sender comes back a turn later: then the end of the connection that
  // made room for it has been heard of too.
  const answer: RequestListener = ({ socket }, response) => {
    if (!open.has(socket)) {
      open.add(socket);
      for (const event of ['end', 'close']) socket.once(event, () => open.delete(socket));
    }
    count.most = Math.max(count.most, open.size);
    setImmediate(() => response.end('ok'));
  };
  return { count, receivers: await Promise.all(Array.from({ length }, () => receiver(answer))) };
}

const SENDERS = [
  ['this thread', createHttpSender],
  ['a thread of its own', createThreadSender],
] as const;

describe.each(SENDERS)('a request from %s', (_name, make) => {
  let shared: ReturnType<typeof world>;
  beforeAll(() => {
    shared = world(make);
  });
  afterAll(() => shared.sender.close());

  it('is a signed POST of JSON', async () => {
    const { href, got } = await receiver((_request, response) => {
      response.writeHead(201, { 'retry-after': '7' }).end('Grüße');
    });
    const before = Date.now();
    const exchange = await shared.post({ href: `${href}?a=b%20c`, messageId: 'msg_7', payload: '{"a":1}' });
    expect(exchange).toMatchObject({ status: 201, body: 'Grüße', retryAfter: '7', error: null });
    expect(exchange.startedAt).toBeGreaterThanOrEqual(before);
    expect(Number.isInteger(exchange.durationMs)).toBe(true);
    const [request] = got as [Got];
    expect(request).toMatchObject({ method: 'POST', url: '/hook?a=b%20c' });
    expect(request.body.toString()).toBe('{"a":1}');
    const verified = new Webhook(SECRET).verify(request.body, request.headers as Record<string, string>);
    expect(verified).toEqual({ a: 1 });
    const { 'webhook-signature': signature, 'webhook-timestamp': timestamp, ...headers } = request.headers;
    expect(signature).toMatch(/^v1,/);
    expect(Math.abs(Number(timestamp) - before / 1000)).toBeLessThan(5);
    expect(headers).toEqual({
      host: new URL(href).host,
      connection: 'keep-alive',
      'content-type': 'application/json',
      'content-length': '7',
      'user-agent': 'Posthorn/test',
      'webhook-id': 'msg_7',
    });
  });

  it('carries the payload byte for byte', async () => {
    const { href, got } = await receiver();
    const payloads = [
      '{"ü":"日本語 👩‍👩‍👧 \\ud83d\\ude00 \\u0000"}',
      '{"n":1e400,"n":1.0,"big":12345678901234567890}',
      '{ "spaced" :\r\n\t[ ] }',
      '',
      `{"long":"${'ä'.repeat(300_000)}"}`,
    ];
    for (const payload of payloads) await shared.post({ href, payload });
    expect(got.map(({ body }) => body.toString())).toEqual(payloads);
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), async (payload) => {
        await shared.post({ href, payload });
        expect(got.at(-1)?.body).toEqual(Buffer.from(payload));
      }),
      { numRuns: 50 },
    );
  });

  it('has the own headers of the endpoint last, and a mark when it is a test', async () => {
    const { href, got } = await receiver();
    await shared.post({
      href,
      headers: { 'X-Token': 'a b\tc', Authorization: 'Bearer é' },
      test: true,
      queue: null,
    });
    const names = got[0]?.rawHeaders.filter((_, index) => index % 2 === 0);
    expect(names?.slice(-3)).toEqual(['X-Token', 'Authorization', 'content-length']);
    expect(got[0]?.headers).toMatchObject({
      'x-token': 'a b\tc',
      authorization: 'Bearer é',
      'posthorn-test': 'true',
    });
  });

  it('drops own headers that would change what is sent', async () => {
    const { href, got } = await receiver();
    const evil = {
      Host: 'evil.example',
      'Content-Length': '1',
      'Content-Type': 'text/plain',
      'Transfer-Encoding': 'chunked',
      Connection: 'close',
      'Webhook-Id': 'msg_evil',
      'WEBHOOK-SIGNATURE': 'v1,evil',
      'svix-id': 'evil',
      'User-Agent': 'evil',
      'Accept-Encoding': 'gzip',
      'Proxy-Authorization': 'evil',
      'Posthorn-Test': 'evil',
      TE: 'trailers',
      Trailer: 'x',
      Expect: '100-continue',
      Upgrade: 'h2c',
      ['__proto__']: 'evil',
    };
    await shared.post({ href, headers: evil });
    expect(got[0]?.headers).toMatchObject({ host: new URL(href).host, 'webhook-id': 'msg_1' });
    expect(got[0]?.rawHeaders.join('\n')).not.toMatch(/evil|gzip|chunked|trailers/);
  });

  it.each<[string, Record<string, string>]>([
    ['a line break', { 'x-a': 'b\r\nx-injected: 1' }],
    ['a bare line feed', { 'x-a': 'b\nc' }],
    ['NUL', { 'x-a': 'b\0c' }],
    ['what latin1 has not', { 'x-a': '日本' }],
    ['a line break in its name', { 'x-a: b\r\nx-c': 'd' }],
    ['a space in its name', { 'x a': 'b' }],
    ['no name', { '': 'b' }],
    ['no text', { 'x-a': 7 as unknown as string }],
  ])('is not sent with a header that has %s', async (_what, headers) => {
    const { href, connections } = await receiver();
    expect(await shared.post({ href, headers })).toMatchObject({
      status: null,
      durationMs: 0,
      error: { code: 'request_invalid', message: expect.stringContaining('header') },
    });
    expect(connections()).toBe(0);
  });

  it.each(['', 'nonsense', 'ftp://127.0.0.1/', 'http://user:pass@127.0.0.1/', 'unix:/tmp/x'])(
    'is not sent to "%s"',
    async (href) => {
      expect(await shared.post({ href })).toMatchObject({ status: null, error: { code: 'request_invalid' } });
    },
  );

  it('with a message id that no header can carry ends, like one with a broken secret', async () => {
    const { href } = await receiver();
    const [id, secret, fine] = await shared.postAll([
      { href, messageId: 'a\r\nb: c' },
      { href, secrets: [{ text: 'not a secret', until: null }] },
      { href },
    ]);
    expect(id?.error?.code).toBe('request_invalid');
    expect(secret?.error?.code).toBe('internal_error');
    expect(fine?.status).toBe(200);
  });

  it('has an answer kept up to the limit, cut between characters', async () => {
    const { href } = await receiver((_request, response) =>
      response.end('€'.repeat(RESPONSE_STORED_BYTES / 2)),
    );
    const { body, error } = await shared.post({ href });
    expect(error).toBeNull();
    expect(body).toBe('€'.repeat(Math.floor(RESPONSE_STORED_BYTES / 3)));
  });

  it.each([204, 304, 400, 410, 500])('ends with the status %i', async (status) => {
    const { href } = await receiver((_request, response) => response.writeHead(status).end());
    expect(await shared.post({ href })).toMatchObject({ status, body: '', error: null });
  });

  it('to a closed port, a private or an unknown address says so', async () => {
    const { server, port } = await receiver();
    await new Promise((resolve) => server.close(resolve));
    const exchanges = await shared.postAll([
      { href: `http://127.0.0.1:${port}/` },
      { href: 'http://10.1.2.3/' },
      { href: 'https://[fd00::1]:8443/' },
      { href: 'http://0x0a010203/' },
    ]);
    expect(exchanges.map(({ error }) => error)).toEqual([
      { code: 'connection_refused', message: `127.0.0.1:${port} refused the connection.` },
      {
        code: 'address_refused',
        message: '10.1.2.3 is in a private network (10.0.0.0/8), which this server does not send to.',
      },
      {
        code: 'address_refused',
        message: 'fd00::1 is in a private network (fc00::/7), which this server does not send to.',
      },
      {
        code: 'address_refused',
        message: '10.1.2.3 is in a private network (10.0.0.0/8), which this server does not send to.',
      },
    ]);
  });

  it('reaches localhost by its name', async () => {
    const { port, got } = await receiver();
    expect(await shared.post({ href: `http://localhost:${port}/` })).toMatchObject({ status: 200 });
    expect(got[0]?.headers.host).toBe(`localhost:${port}`);
  });

  it('uses the connection of the one before', async () => {
    const { href, connections } = await receiver();
    for (let n = 0; n < 50; n++) expect((await shared.post({ href })).status).toBe(200);
    expect(connections()).toBe(1);
  });

  it('never shares a connection with another application', async () => {
    const { href, connections } = await receiver();
    for (const applicationKey of [1, 2, 1, 2]) await shared.post({ href, applicationKey });
    expect(connections()).toBe(2);
  });

  it('dials again when the receiver has closed the idle connection', async () => {
    const { href, server, connections } = await receiver();
    const connection = once(server, 'connection') as Promise<[Socket]>;
    expect((await shared.post({ href })).status).toBe(200);
    const [socket] = await connection;
    // The receiver closes its half; that the sender closes the other shows that it has noticed.
    socket.end();
    await once(socket, 'close');
    expect((await shared.post({ href })).status).toBe(200);
    expect(connections()).toBe(2);
  });

  it('waits for a free connection when hundreds come at once', async () => {
    const { href, connections, got } = await receiver();
    const { sender, postAll, batches } = world(make, { socketsMost: 8 });
    cleanUps.push(() => sender.close());
    const exchanges = await postAll(Array.from({ length: 500 }, (_, n) => ({ href, messageId: `msg_${n}` })));
    expect(exchanges.every(({ status }) => status === 200)).toBe(true);
    expect(new Set(got.map(({ headers }) => headers['webhook-id'])).size).toBe(500);
    expect(connections()).toBeLessThanOrEqual(8);
    expect(batches.length).toBeLessThan(500);
  });

  it('shares few sockets with all others, however many receivers there are', async () => {
    const { count, receivers } = await countedReceivers(12);
    const { sender, postAll } = world(make, { socketsMost: 4 });
    cleanUps.push(() => sender.close());
    const jobs = Array.from({ length: 240 }, (_, n) => ({
      href: receivers[(n * 7) % 12]?.href as string,
      applicationKey: 1 + (n % 2),
      messageId: `msg_${n}`,
    }));
    const exchanges = await postAll(jobs);
    expect(exchanges.filter(({ status, error }) => status !== 200 || error !== null)).toEqual([]);
    const ids = receivers.flatMap(({ got }) => got.map(({ headers }) => headers['webhook-id']));
    expect(new Set(ids).size).toBe(240);
    expect(ids).toHaveLength(240);
    expect(count.most).toBe(4);
  });

  it('takes the socket that was idle the longest, when all are kept by others', async () => {
    const { count, receivers } = await countedReceivers(12);
    const { sender, post } = world(make, { socketsMost: 4 });
    cleanUps.push(() => sender.close());
    for (const { href } of receivers) expect((await post({ href })).status).toBe(200);
    expect(count.most).toBe(4);
    // The last four are still connected, and the first was not.
    for (const { href } of receivers.slice(-4)) await post({ href });
    expect(receivers.map(({ connections }) => connections())).toEqual(Array(12).fill(1));
    await post({ href: receivers[0]?.href as string });
    expect(receivers[0]?.connections()).toBe(2);
    expect(count.most).toBe(4);
  });

  it.each([
    ['svix', ['svix-id', 'svix-signature', 'svix-timestamp']],
    [
      'both',
      ['svix-id', 'svix-signature', 'svix-timestamp', 'webhook-id', 'webhook-signature', 'webhook-timestamp'],
    ],
  ] as const)('is signed in %s headers when asked to', async (signatureHeaders, names) => {
    const { href, got } = await receiver();
    const { sender, post } = world(make, { signatureHeaders });
    cleanUps.push(() => sender.close());
    await post({ href });
    const headers = got[0]?.headers ?? {};
    expect(
      Object.keys(headers)
        .filter((name) => /^(svix|webhook)-/.test(name))
        .sort(),
    ).toEqual(names);
    expect(new Set(names.map((name) => headers[name])).size).toBe(3);
  });

  it('ends with its sender, each job once, and later ones at once', async () => {
    const { href, server } = await receiver(() => undefined);
    const { sender, postAll, waiting } = world(make, { socketsMost: 4 });
    const arrived = once(server, 'request');
    const running = postAll(Array.from({ length: 20 }, () => ({ href })));
    await arrived;
    await sender.close();
    expect(waiting.size).toBe(0);
    for (const { error } of await running) expect(error?.code).toBe('connection_closed');
    const [late] = await postAll([{ href }]);
    expect(late?.error?.message).toBe('Posthorn was stopped before the answer came.');
    await sender.close();
  });
});

describe('a sender that has all its sockets in use', () => {
  it('never dials one more', async () => {
    const dialled: Socket[] = [];
    let most = 0;
    const build: typeof buildConnector = (options) => {
      const connect = buildConnector(options) as unknown as (...args: unknown[]) => Socket;
      return ((...args: unknown[]) => {
        const socket = connect(...args);
        dialled.push(socket);
        most = Math.max(most, dialled.filter(({ destroyed }) => !destroyed).length);
        return socket;
      }) as unknown as ReturnType<typeof buildConnector>;
    };
    // One closes its connection after the answer, and one breaks it: those places, too, are free again.
    const receivers = await Promise.all(
      Array.from({ length: 12 }, (_, n) =>
        receiver(({ socket }, response) => {
          if (n === 11) socket.resetAndDestroy();
          else response.setHeader('connection', n === 5 ? 'close' : 'keep-alive').end('ok');
        }),
      ),
    );
    const { sender, postAll, waiting } = world(createHttpSender, { build, socketsMost: 4 });
    cleanUps.push(() => sender.close());
    const exchanges = await postAll(
      Array.from({ length: 240 }, (_, n) => ({ href: receivers[n % 12]?.href as string })),
    );
    expect(exchanges.map(({ status }) => status)).toEqual(
      exchanges.map((_, n) => (n % 12 === 11 ? null : 200)),
    );
    expect(waiting.size).toBe(0);
    expect(most).toBe(4);
  });

  it('lets a request wait without its time limit running', async () => {
    const soon = (fire: () => void) => void setImmediate(fire);
    const clock = Object.assign(new ManualClock(), { soon });
    const asked = Promise.withResolvers<ServerResponse>();
    const slow = await receiver((_request, response) => asked.resolve(response));
    const other = await receiver();
    const { sender, postAll } = world(createHttpSender, { clock, socketsMost: 1 });
    cleanUps.push(() => sender.close());
    const both = postAll([
      { href: slow.href, timeoutMs: 60_000 },
      { href: other.href, timeoutMs: 100 },
    ]);
    const first = await asked.promise;
    await clock.advance(10_000);
    first.end('ok');
    const [one, two] = await both;
    expect(one).toMatchObject({ status: 200, durationMs: 10_000 });
    expect(two).toMatchObject({ status: 200, durationMs: 0, error: null });
  });
});

describe('a connection that does not come about', () => {
  it('is given up at the deadline, and its socket freed', async () => {
    const dialled: Socket[] = [];
    // Dials nobody: a receiver whose network drops every packet.
    const build = (() => () => {
      const socket = new Socket();
      dialled.push(socket);
      return socket;
    }) as unknown as NonNullable<HttpSenderOptions['build']>;
    const { sender, post } = world(createHttpSender, { build });
    const { error, durationMs } = await post({ href: 'http://127.0.0.1:9/', timeoutMs: 100 });
    expect(error).toEqual({ code: 'timed_out', message: 'No connection to 127.0.0.1:9 within 100 ms.' });
    expect(durationMs).toBeGreaterThanOrEqual(95);
    await sender.close();
    expect(dialled.map(({ destroyed }) => destroyed)).toEqual([true]);
  });
});
