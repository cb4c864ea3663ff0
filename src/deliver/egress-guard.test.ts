import type { LookupAddress, lookup } from 'node:dns';
import { once } from 'node:events';
import { type AddressInfo, createServer, type LookupFunction, type Socket } from 'node:net';
import fc from 'fast-check';
import { buildConnector } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { judgeAddress, type Networks, parseNetworks } from '../model/address.ts';
import { createEgressGuard, guardedLookup } from './egress-guard.ts';
import { ExchangeFailure } from './exchange-failure.ts';
import type { Resolver } from './resolver.ts';

function networks(...texts: string[]): Networks {
  const parsed = parseNetworks(texts);
  if (!parsed.ok) throw new Error(parsed.problems.join());
  return parsed.networks;
}
const loopback = networks('127.0.0.0/8', '::1/128');

/** Answers each question with the next of `answers`, the last one for ever. */
function resolving(...answers: string[][]): Resolver {
  return {
    async resolve() {
      const addresses = (answers.length > 1 ? answers.shift() : answers[0]) as string[];
      return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    },
  };
}

type Looked = { addresses: LookupAddress[] } | { refused: string };

function look(resolver: Resolver, allow: Networks, options: Parameters<LookupFunction>[1]): Promise<Looked> {
  return new Promise((resolve) => {
    guardedLookup(resolver, allow)('hooks.example.com', options, (error, found, family) => {
      if (error !== null) resolve({ refused: (error as unknown as ExchangeFailure).code });
      else if (typeof found === 'string')
        resolve({ addresses: [{ address: found, family: family as number }] });
      else resolve({ addresses: found });
    });
  });
}

describe('the lookup of a connection', () => {
  it('gives all addresses or one, of the family that is asked for', async () => {
    const resolver = resolving(['8.8.8.8', '2606:4700::1111', '1.1.1.1']);
    const four = { address: '8.8.8.8', family: 4 };
    const six = { address: '2606:4700::1111', family: 6 };
    const other = { address: '1.1.1.1', family: 4 };
    expect(await look(resolver, [], { all: true })).toEqual({ addresses: [four, six, other] });
    expect(await look(resolver, [], { all: true, family: 6 })).toEqual({ addresses: [six] });
    expect(await look(resolver, [], { all: true, family: 'IPv4' })).toEqual({ addresses: [four, other] });
    expect(await look(resolver, [], {})).toEqual({ addresses: [four] });
    expect(await look(resolver, [], { all: false, family: 6 })).toEqual({ addresses: [six] });
    expect(await look(resolving(['8.8.8.8']), [], { family: 6 })).toEqual({ refused: 'dns_failed' });
  });

  it('judges anew each time, so that a name cannot change its mind (DNS rebinding)', async () => {
    const resolver = resolving(['8.8.8.8'], ['127.0.0.1'], ['8.8.8.8']);
    expect(await look(resolver, [], { all: true })).toEqual({
      addresses: [{ address: '8.8.8.8', family: 4 }],
    });
    expect(await look(resolver, [], { all: true })).toEqual({ refused: 'address_refused' });
    expect(await look(resolver, [], { all: true })).toHaveProperty('addresses');
  });

  it('dials only vetted addresses, whatever DNS answers and however it is asked', async () => {
    const part = fc.integer({ min: 0, max: 255 });
    const address = fc.oneof(
      fc.tuple(part, part, part, part).map((parts) => parts.join('.')),
      fc.constantFrom(
        '127.0.0.1',
        '::1',
        '8.8.8.8',
        '2606:4700::1',
        '::ffff:10.0.0.1',
        'fe80::1%eth0',
        'no address',
      ),
    );
    const options = fc.record({ all: fc.boolean(), family: fc.constantFrom(0, 4, 6) });
    await fc.assert(
      fc.asyncProperty(fc.array(address, { maxLength: 5 }), options, async (answer, asked) => {
        const looked = await look(resolving(answer), [], asked);
        const fine = answer.every((each) => judgeAddress(each, []).allowed);
        if (!fine) expect(looked).toEqual({ refused: 'address_refused' });
        if ('addresses' in looked) {
          expect(looked.addresses.every((each) => answer.includes(each.address))).toBe(true);
        }
      }),
    );
  });

  it('passes on what the resolver says about a missing name', async () => {
    const failure = new ExchangeFailure('dns_failed', 'gone');
    const resolver: Resolver = { resolve: () => Promise.reject(failure) };
    expect(await look(resolver, [], { all: true })).toEqual({ refused: 'dns_failed' });
    expect(await look(resolving([]), [], { all: true })).toEqual({ refused: 'dns_failed' });
  });

  it('has the signature that node:net expects', () => {
    const typed: typeof lookup | LookupFunction = guardedLookup(resolving(['8.8.8.8']), []);
    expect(typed).toBeTypeOf('function');
  });
});

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

async function listening(): Promise<{ port: string; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return { port: String((server.address() as AddressInfo).port), sockets };
}

/** A guard whose dialling can be counted; what is dialled for real is on loopback only. */
function guard(resolver: Resolver, allow: Networks) {
  const built: object[] = [];
  const dialled: object[] = [];
  const build = ((options: buildConnector.BuildOptions) => {
    built.push(options);
    const connect = buildConnector(options) as unknown as (...all: unknown[]) => unknown;
    return (asked: object, callback: unknown) => {
      dialled.push(asked);
      return connect(asked, callback);
    };
  }) as unknown as typeof buildConnector;
  const connect = createEgressGuard({ allow, resolver, build });
  const dial = (hostname: string, port: string, more = {}) =>
    new Promise<Socket | ExchangeFailure>((resolve) => {
      const options = { hostname, host: hostname, protocol: 'http:', port, ...more };
      connect(options, (...[error, socket]) => resolve(error === null ? socket : (error as ExchangeFailure)));
    });
  return { dial, dialled, built };
}

describe('the connector', () => {
  it('refuses a literal address before anything is dialled', async () => {
    const { dial, dialled } = guard(resolving(['8.8.8.8']), loopback);
    for (const hostname of [
      '10.0.0.1',
      '169.254.169.254',
      '::',
      'fd00:ec2::254',
      '::ffff:192.168.0.1',
      'fe80::1%lo',
    ]) {
      expect(await dial(hostname, '80')).toMatchObject({ code: 'address_refused' });
    }
    expect(dialled).toEqual([]);
  });

  it('refuses a name as soon as one of its addresses is private', async () => {
    const { port, sockets } = await listening();
    const { dial } = guard(resolving(['127.0.0.1', '10.0.0.1'], ['127.0.0.1']), loopback);
    expect(await dial('hooks.example.com', port)).toMatchObject({
      code: 'address_refused',
      message:
        'hooks.example.com points inside: 10.0.0.1 is in a private network (10.0.0.0/8), which this server does not send to.',
    });
    expect(sockets).toHaveLength(0);
    expect(await dial('hooks.example.com', port)).toHaveProperty('remoteAddress', '127.0.0.1');
  });

  it('refuses a name that was fine a moment ago', async () => {
    const { port, sockets } = await listening();
    const { dial } = guard(resolving(['127.0.0.2'], ['127.0.0.1']), networks('127.0.0.2/32'));
    expect(await dial('hooks.example.com', port)).toMatchObject({ code: 'connection_refused' });
    expect(await dial('hooks.example.com', port)).toMatchObject({ code: 'address_refused' });
    expect(sockets).toHaveLength(0);
  });

  it('never dials a unix socket', async () => {
    const { port } = await listening();
    const { dial, dialled, built } = guard(resolving(['127.0.0.1']), loopback);
    await dial('hooks.example.com', port, { socketPath: '/var/run/docker.sock', path: '/x' });
    expect(JSON.stringify([dialled, built])).not.toMatch(/docker|socketPath|"path"/);
  });

  it('goes on to the next vetted address when the first is dead', async () => {
    const { port } = await listening();
    const { dial } = guard(resolving(['::1', '127.0.0.1']), loopback);
    expect(await dial('hooks.example.com', port)).toHaveProperty('remoteAddress', '127.0.0.1');
  });

  it('takes for localhost the loopback address that is allowed', async () => {
    const { port } = await listening();
    const { dial } = guard(resolving(['127.0.0.1', '::1']), networks('127.0.0.0/8'));
    expect(await dial('localhost', port)).toHaveProperty('remoteAddress', '127.0.0.1');
    expect(await guard(resolving(['127.0.0.1', '::1']), []).dial('localhost', port)).toMatchObject({
      code: 'address_refused',
    });
  });
});
