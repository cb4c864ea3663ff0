import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Exchange } from '../model/exchange.ts';
import { systemClock } from '../system/clock.ts';
import { createHttpSender } from './http-sender.ts';
import type { Resolver } from './resolver.ts';
import { createThreadSender } from './sender-thread.ts';

const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const DAY_MS = 86_400_000;

// The few bytes of DER that a certificate takes (RFC 5280), so that no test needs openssl.
function der(tag: number, ...contents: Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
const sequence = (...contents: Buffer[]) => der(0x30, ...contents);
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'));
const time = (at: number) =>
  der(0x18, Buffer.from(`${new Date(at).toISOString().replace(/[-:T]|\.\d+/g, '')}`, 'latin1'));
const name = (text: string) => sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(text)))));
const extension = (id: string, content: Buffer) => sequence(oid(id), der(0x04, content));

interface Certificate {
  readonly pem: string;
  readonly key: KeyObject;
  readonly name: string;
}

function certificate(options: { host: string; from?: number; to?: number; issuer?: Certificate; ca?: true }) {
  const { host, from = Date.now() - DAY_MS, to = Date.now() + DAY_MS, issuer, ca } = options;
  const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = sequence(oid('2a8648ce3d040302'));
  const extensions = ca
    ? extension('551d13', sequence(der(0x01, Buffer.from([0xff]))))
    : extension('551d11', sequence(der(0x82, Buffer.from(host))));
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1, ...Buffer.from(host).subarray(0, 8)])),
    algorithm,
    name(issuer?.name ?? host),
    sequence(time(from), time(to)),
    name(host),
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(extensions)),
  );
  const signature = sign('sha256', body, issuer?.key ?? key);
  const whole = sequence(body, algorithm, der(0x03, Buffer.from([0]), signature));
  const pem = `-----BEGIN CERTIFICATE-----\n${whole.toString('base64')}\n-----END CERTIFICATE-----\n`;
  return { pem, key, name: host };
}

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
  sender.send([{ ref: 1, target, messageId: 'msg_1', payload: '{}', timeoutMs: 5_000, test: false }]);
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
