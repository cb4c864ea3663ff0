import { once } from 'node:events';
import { createServer } from 'node:https';
import { type AddressInfo, createServer as createSilent, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type Certificate, certificate } from '../../test/hell/certificate.ts';
import type { Exchange } from '../model/exchange.ts';
import { systemClock } from '../system/clock.ts';
import { createHttpSender } from './http-sender.ts';
import type { Resolver } from './resolver.ts';
import { createThreadSender } from './sender-thread.ts';

const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const DAY_MS = 86_400_000;

const authority = certificate({ host: 'Test Authority', ca: true });

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

async function receiver(served: Certificate, more: object = {}) {
  const names: (string | false | null)[] = [];
  const key = served.key.export({ type: 'pkcs8', format: 'pem' });
  const server = createServer({ key, cert: served.pem, ...more }, (_request, response) => response.end('ok'));
  server.on('secureConnection', (socket) => names.push(socket.servername));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return { port: (server.address() as AddressInfo).port, names };
}

/** Every name is on loopback. */
const resolver: Resolver = { resolve: async () => [{ address: '127.0.0.1', family: 4 }] };

async function post(
  href: string,
  make: typeof createHttpSender | typeof createThreadSender = createHttpSender,
  timeoutMs = 5_000,
) {
  const { promise, resolve } = Promise.withResolvers<Exchange>();
  const sender = make({
    allowNetworks: ['127.0.0.0/8'],
    signatureHeaders: 'standard',
    userAgent: 'Posthorn/test',
    clock: systemClock,
    ca: [authority.pem],
    resolver,
    onResults: ([result]) => resolve((result as { exchange: Exchange }).exchange),
  });
  cleanUps.push(() => sender.close());
  const target = { applicationKey: 1, href, headers: {}, secrets: [{ text: SECRET, until: null }] };
  sender.send([{ ref: 1, target, messageId: 'msg_1', payload: '{}', timeoutMs, test: false, queue: null }]);
  return promise;
}

describe('TLS', () => {
  it('is checked against the name, though the address was chosen before', async () => {
    const { port, names } = await receiver(certificate({ host: 'api.test', issuer: authority }));
    expect(await post(`https://api.test:${port}/`)).toMatchObject({ status: 200, body: 'ok', error: null });
    expect(names).toEqual(['api.test']);
  });

  it('works from a thread of its own', async () => {
    const { port } = await receiver(certificate({ host: 'localhost', issuer: authority }));
    expect(await post(`https://localhost:${port}/`, createThreadSender)).toMatchObject({
      status: 200,
      error: null,
    });
  });

  const past = Date.UTC(2020, 4, 3, 12);
  it.each<[string, Certificate, string]>([
    [
      'has expired',
      certificate({ host: 'api.test', issuer: authority, from: past - DAY_MS, to: past }),
      'The certificate of api.test expired on 3 May 2020.',
    ],
    [
      'is for later',
      certificate({
        host: 'api.test',
        issuer: authority,
        from: Date.now() + DAY_MS,
        to: Date.now() + 2 * DAY_MS,
      }),
      'The certificate of api.test is not valid yet.',
    ],
    [
      'is for another name',
      certificate({ host: 'other.test', issuer: authority }),
      'The certificate of api.test is for another host name.',
    ],
    [
      'is self-signed',
      certificate({ host: 'api.test' }),
      'The certificate of api.test is self-signed, so nothing vouches for it.',
    ],
    [
      'is of an unknown authority',
      certificate({ host: 'api.test', issuer: certificate({ host: 'Nobody', ca: true }) }),
      'The certificate of api.test was issued by an authority that this server does not know, or its intermediate certificate is not sent along.',
    ],
  ])('fails when the certificate %s, each time', async (_what, served, message) => {
    const { port } = await receiver(served);
    for (let n = 0; n < 2; n++) {
      expect(await post(`https://api.test:${port}/`)).toMatchObject({
        status: null,
        error: { code: 'tls_failed', message },
      });
    }
  });

  it('fails when a resumed session would skip the check of the name', async () => {
    const { port } = await receiver(certificate({ host: 'api.test', issuer: authority }), {
      maxVersion: 'TLSv1.2',
    });
    expect(await post(`https://api.test:${port}/`)).toMatchObject({ status: 200 });
    expect(await post(`https://other.test:${port}/`)).toMatchObject({ error: { code: 'tls_failed' } });
  });

  it('fails when the receiver offers only what is broken, or no TLS at all', async () => {
    const { port } = await receiver(certificate({ host: 'api.test', issuer: authority }), {
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT:@SECLEVEL=0',
    });
    expect(await post(`https://api.test:${port}/`)).toMatchObject({ error: { code: 'tls_failed' } });
    const { port: plain } = await plainReceiver();
    expect(await post(`https://api.test:${plain}/`)).toMatchObject({
      error: {
        code: 'tls_failed',
        message: `api.test:${plain} does not speak TLS. Is it http instead of https?`,
      },
    });
  });

  it('fails when the receiver takes only HTTP/2', async () => {
    const served = certificate({ host: 'api.test', issuer: authority });
    const { port } = await receiver(served, { ALPNProtocols: ['h2'] });
    expect(await post(`https://api.test:${port}/`)).toMatchObject({
      error: {
        code: 'tls_failed',
        message: `api.test:${port} does not take HTTP/1.1, which is what Posthorn speaks; HTTP/2 alone is not enough.`,
      },
    });
  });

  it('that is never set up runs into the deadline, which says so', async () => {
    const silent = createSilent((socket) => socket.on('error', () => undefined).resume());
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const [{ error }, [socket]] = await Promise.all([
      post(`https://api.test:${port}/`, createHttpSender, 200),
      once(silent, 'connection') as Promise<[Socket]>,
    ]);
    expect(error).toEqual({
      code: 'timed_out',
      message: `api.test:${port} was connected, but TLS was not set up within 200 ms.`,
    });
    if (!socket.closed) await once(socket, 'close');
    await new Promise((resolve) => silent.close(resolve));
  });
});

async function plainReceiver() {
  const { createServer: createPlain } = await import('node:http');
  const server = createPlain((_request, response) => response.end()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return { port: (server.address() as AddressInfo).port };
}
