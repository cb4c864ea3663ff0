import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseHosts } from '../../src/deliver/hosts-file.ts';
import { createHttpSender } from '../../src/deliver/http-sender.ts';
import { createResolver, type DnsQueries } from '../../src/deliver/resolver.ts';
import { judgeAddress, type Networks, parseNetworks } from '../../src/model/address.ts';
import type { Exchange, Sender } from '../../src/model/exchange.ts';
import { systemClock } from '../../src/system/clock.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { type NameServer, type Reply, startNameServer } from '../helpers/name-server.ts';
import { type DialWatch, watchDials } from './dials.ts';
import { SPELLINGS } from './spellings.ts';

/** Whatever a URL says and DNS answers, only addresses that were judged and found public are dialled. */

const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;

let watch: DialWatch;
beforeAll(async () => {
  watch = await watchDials();
});
afterAll(() => watch.stop());

const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

function networks(texts: readonly string[]): Networks {
  const parsed = parseNetworks(texts);
  if (!parsed.ok) throw new Error(parsed.problems.join());
  return parsed.networks;
}

/** A sender with Posthorn's own resolver, on a clock by which answers grow old when the test says so. */
function world(dns: DnsQueries, allowNetworks: readonly string[] = [], hostsFile = '') {
  const clock = new ManualClock();
  const hosts = { addresses: async (name: string) => parseHosts(hostsFile).get(name) ?? null };
  const resolver = createResolver({ clock, dns, hosts });
  const ended = new Map<number, (exchange: Exchange) => void>();
  const sender: Sender = createHttpSender({
    allowNetworks,
    signatureHeaders: 'standard',
    userAgent: 'Posthorn/test',
    clock: systemClock,
    resolver,
    onBug: (error) => {
      throw error;
    },
    onResults: (results) => {
      for (const { ref, exchange } of results) ended.get(ref)?.(exchange as Exchange);
    },
  });
  cleanUps.push(() => sender.close());
  let lastRef = 0;
  const post = (href: string) =>
    new Promise<Exchange>((resolve) => {
      const ref = ++lastRef;
      ended.set(ref, resolve);
      const target = { applicationKey: 1, href, headers: {}, secrets: [{ text: SECRET, until: null }] };
      sender.send([
        { ref, target, messageId: 'msg_1', payload: '{}', timeoutMs: 5_000, test: false, queue: null },
      ]);
    });
  /** What came of it, and what was dialled for it. */
  const tried = async (href: string) => {
    watch.taken();
    const { error, status } = await post(href);
    return { code: error?.code ?? null, status, dialled: watch.taken() };
  };
  return { clock, tried };
}

describe('under any sequence of answers', () => {
  const byte = fc.integer({ min: 0, max: 255 });
  const address = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('8.8.8.8', '1.1.1.1', '2606:4700::1111', '2a00:1450::5') },
    { weight: 1, arbitrary: fc.tuple(byte, byte, byte, byte).map((parts) => parts.join('.')) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        ...['127.0.0.1', '10.0.0.1', '169.254.169.254', '0.0.0.0', '168.63.129.16', '::1', '::', 'fd00::1'],
        ...['::ffff:10.0.0.1', '::ffff:a9fe:a9fe', '64:ff9b::7f00:1', '64:ff9b::808:808', '2002:a00:1::1'],
        ...['fe80::1%eth0', 'no address', '127.1', '0x7f000001', ''],
      ),
    },
  );
  const answers = fc.oneof(
    fc.array(fc.record({ address, ttl: fc.integer({ min: 0, max: 90 }) }), { maxLength: 4 }),
    fc.constantFrom('ENOTFOUND', 'ENODATA', 'ESERVFAIL', 'ETIMEOUT'),
  );
  type Answers = { address: string; ttl: number }[] | string;
  const steps = fc.array(
    fc.record({ four: answers, six: answers, waitMs: fc.constantFrom(0, 999, 5_000, 301_000) }),
    { minLength: 1, maxLength: 4 },
  );

  it.each([[[]], [['10.0.0.0/8', 'fd00::/8']]])(
    'what is dialled was vetted in the look-up for that very connection (allowed: %j)',
    async (allow) => {
      let now: { four: Answers; six: Answers } = { four: [], six: [] };
      let asked = { four: now.four, six: now.six };
      const answer = (family: 'four' | 'six') => async () => {
        asked = { ...asked, [family]: now[family] };
        const said = now[family];
        if (typeof said === 'string') throw Object.assign(new Error(said), { code: said });
        return said;
      };
      const { clock, tried } = world({ resolve4: answer('four'), resolve6: answer('six') }, allow);
      const allowed = networks(allow);
      let names = 0;
      let dials = 0;
      let refusals = 0;
      await fc.assert(
        fc.asyncProperty(steps, fc.constantFrom('http', 'https'), async (sequence, scheme) => {
          const name = `n${++names}.example.com`;
          for (const { waitMs, ...said } of sequence) {
            now = said;
            await clock.advance(waitMs);
            const { code, dialled } = await tried(`${scheme}://${name}:8443/hook`);
            // What was answered last for this name: now, or when the answer that is still kept came.
            const known = [asked.four, asked.six].flatMap((each) => (typeof each === 'string' ? [] : each));
            const vetted = known.map((each) => each.address);
            const bad = vetted.filter((each) => !judgeAddress(each, allowed).allowed);
            expect({ known, outside: dialled.filter((each) => !vetted.includes(each)) }).toEqual({
              known,
              outside: [],
            });
            if (bad.length > 0) expect([bad, dialled, code]).toEqual([bad, [], 'address_refused']);
            else if (vetted.length === 0) expect([dialled, code]).toEqual([[], 'dns_failed']);
            else {
              expect(code).toBe('connection_refused');
              expect(new Set(dialled)).toEqual(new Set(vetted));
            }
            if (bad.length > 0) refusals++;
            dials += dialled.length;
          }
        }),
        { numRuns: 300 },
      );
      expect(dials).toBeGreaterThan(100);
      expect(refusals).toBeGreaterThan(100);
    },
  );

  it("the machine's own table of names is judged like DNS", async () => {
    const none = async () => [];
    const table =
      '10.0.0.7 db.example.com\n8.8.8.8 fine.example.com\n8.8.8.8 both.example.com\n::1 both.example.com\n';
    const { tried } = world({ resolve4: none, resolve6: none }, [], table);
    expect(await tried('http://db.example.com/')).toMatchObject({ code: 'address_refused', dialled: [] });
    expect(await tried('http://both.example.com/')).toMatchObject({ code: 'address_refused', dialled: [] });
    expect(await tried('http://fine.example.com/')).toMatchObject({ dialled: ['8.8.8.8'] });
  });

  it('a few addresses of each family are tried, however many DNS names', async () => {
    const many = (make: (index: number) => string) =>
      Array.from({ length: 200 }, (_, index) => ({ address: make(index), ttl: 60 }));
    const { tried } = world({
      resolve4: async () => many((index) => `8.8.4.${index}`),
      resolve6: async () => many((index) => `2606:4700::${index}`),
    });
    const { dialled } = await tried('http://many.example.com/');
    expect(dialled).toHaveLength(16);
    expect(dialled.filter((each) => each.includes(':'))).toHaveLength(8);
  });
});

describe('with a name server that means ill', () => {
  const zone = new Map<string, Reply>();
  let server: NameServer;
  beforeAll(async () => {
    server = await startNameServer((type, name) => zone.get(`${type} ${name}`) ?? []);
  });
  afterAll(() => server.close());
  beforeEach(() => zone.clear());
  const start = (allow: readonly string[] = []) => world(server.resolver, allow);
  const alias = (name: string, value: string) => ({ name, value });
  /** The same answer for both families, as an alias is given for both. */
  const both = (name: string, reply: Reply) => {
    zone.set(`A ${name}`, reply);
    zone.set(`AAAA ${name}`, reply);
  };

  it('an alias is judged by where it ends, however long the chain', async () => {
    const { tried } = start();
    const chain = [alias('a.example.com', 'b.example.net'), alias('b.example.net', 'c.example.org')];
    for (const [inside, family] of [
      ['10.0.0.1', 'A'],
      ['169.254.169.254', 'A'],
      ['fd00:ec2::254', 'AAAA'],
      ['::ffff:127.0.0.1', 'AAAA'],
      ['64:ff9b::7f00:1', 'AAAA'],
      ['::127.0.0.1', 'AAAA'],
    ] as const) {
      zone.clear();
      zone.set(`${family} a.example.com`, [...chain, alias('c.example.org', inside)]);
      const fresh = start();
      expect([inside, await fresh.tried('http://a.example.com/')]).toEqual([
        inside,
        { code: 'address_refused', status: null, dialled: [] },
      ]);
    }
    zone.clear();
    zone.set('A a.example.com', [...chain, alias('c.example.org', '8.8.8.8')]);
    expect(await tried('http://a.example.com/')).toEqual({
      code: 'connection_refused',
      status: null,
      dialled: ['8.8.8.8'],
    });
  });

  it('an alias to localhost or to a loop of aliases leads nowhere', async () => {
    const { tried } = start(['127.0.0.0/8']);
    both('self.example.com', [alias('self.example.com', 'localhost')]);
    expect(await tried('http://self.example.com/')).toMatchObject({ code: 'dns_failed', dialled: [] });
    both('loop.example.com', [
      alias('loop.example.com', 'b.example.com'),
      alias('b.example.com', 'loop.example.com'),
    ]);
    expect(await tried('http://loop.example.com/')).toMatchObject({ code: 'dns_failed', dialled: [] });
  });

  it('good and bad addresses together are bad, in either family and any order', async () => {
    const owner = 'mixed.example.com';
    for (const four of [['8.8.8.8'], ['8.8.8.8', '10.0.0.1'], ['10.0.0.1', '8.8.8.8'], []]) {
      for (const six of [['2606:4700::1'], ['2606:4700::1', 'fe80::1'], ['::1'], []]) {
        zone.set(
          `A ${owner}`,
          four.map((each) => alias(owner, each)),
        );
        zone.set(
          `AAAA ${owner}`,
          six.map((each) => alias(owner, each)),
        );
        const { code, dialled } = await start().tried(`http://${owner}/`);
        const all = [...four, ...six];
        const isBad = all.some((each) => !judgeAddress(each, []).allowed);
        const wanted = isBad ? 'address_refused' : all.length === 0 ? 'dns_failed' : 'connection_refused';
        expect([all, code]).toEqual([all, wanted]);
        expect([all, dialled.length]).toEqual([all, wanted === 'connection_refused' ? all.length : 0]);
      }
    }
  });

  it('a name that turns (rebinding) is judged at each connection, also between its first try and the next', async () => {
    const { clock, tried } = start();
    const owner = 'turning.example.com';
    for (const [address, code] of [
      ['8.8.8.8', 'connection_refused'],
      ['127.0.0.1', 'address_refused'],
      ['1.1.1.1', 'connection_refused'],
      ['192.168.1.1', 'address_refused'],
    ] as const) {
      zone.set(`A ${owner}`, [alias(owner, address)]);
      const dialled = code === 'connection_refused' ? [address] : [];
      expect(await tried(`http://${owner}/`)).toEqual({ code, status: null, dialled });
      // One answer serves what is judged and what is dialled: nothing is asked in between.
      expect(server.asked.filter((each) => each === `A ${owner}`).length).toBeGreaterThan(0);
      await clock.advance(1_000);
    }
    expect(server.asked.filter((each) => each === `A ${owner}`)).toHaveLength(4);
  });

  it('errors, silence and nothing at all are failures of DNS, and the other family still counts', async () => {
    const owner = 'broken.example.com';
    for (const reply of ['NXDOMAIN', 'SERVFAIL', []] as const) {
      both(owner, reply);
      expect(await start().tried(`http://${owner}/`)).toMatchObject({ code: 'dns_failed', dialled: [] });
    }
    for (const reply of ['SERVFAIL', 'silence', []] as const) {
      zone.set(`AAAA ${owner}`, reply);
      zone.set(`A ${owner}`, [alias(owner, '10.0.0.1')]);
      expect(await start().tried(`http://${owner}/`)).toMatchObject({ code: 'address_refused', dialled: [] });
      zone.set(`A ${owner}`, [alias(owner, '8.8.8.8')]);
      expect(await start().tried(`http://${owner}/`)).toMatchObject({ dialled: ['8.8.8.8'] });
    }
  });

  it('what it answers about other names is not dialled unvetted', async () => {
    const owner = 'asked.example.com';
    zone.set(`A ${owner}`, [alias('elsewhere.example.com', '127.0.0.1'), alias(owner, '8.8.8.8')]);
    const { dialled } = await start().tried(`http://${owner}/`);
    expect(['8.8.8.8', undefined]).toContain(dialled[0]);
    expect(dialled).not.toContain('127.0.0.1');
  });
});

describe('a URL that was never checked when it was saved', () => {
  const dns: DnsQueries = {
    resolve4: async () => [{ address: '127.0.0.1', ttl: 60 }],
    resolve6: async () => [{ address: '::1', ttl: 60 }],
  };
  it.each(SPELLINGS)('is refused when it is sent to: %s', async (_name, spell) => {
    const { tried } = world(dns);
    for (const ip of [
      [127, 0, 0, 1],
      [10, 1, 2, 3],
      [169, 254, 169, 254],
      [0, 0, 0, 0],
    ] as const) {
      for (const scheme of ['http', 'https']) {
        const href = `${scheme}://${spell(ip)}/`;
        expect([href, await tried(href)]).toEqual([
          href,
          { code: 'address_refused', status: null, dialled: [] },
        ]);
      }
    }
  });

  it.each([
    ['http://user:password@hooks.example.com/', 'request_invalid'],
    ['http://user@127.0.0.1/', 'request_invalid'],
    ['http://:password@hooks.example.com/', 'request_invalid'],
    ['http://8.8.8.8@10.0.0.1/', 'request_invalid'],
    ['http://localhost/', 'address_refused'],
    ['http://a.localhost./', 'address_refused'],
    ['http://internal-by-dns.example.com/', 'address_refused'],
    ['ftp://hooks.example.com/', 'request_invalid'],
    ['file:///etc/passwd', 'request_invalid'],
    ['unix:///var/run/docker.sock', 'request_invalid'],
    ['http+unix://%2Fvar%2Frun%2Fdocker.sock/', 'request_invalid'],
    ['gopher://127.0.0.1:11211/_stats', 'request_invalid'],
    ['ws://hooks.example.com/', 'request_invalid'],
    ['data:text/plain,x', 'request_invalid'],
    ['http://[fe80::1%25eth0]/', 'request_invalid'],
    ['not a URL', 'request_invalid'],
  ])('%s is not dialled: %s', async (href, code) => {
    expect(await world(dns).tried(href)).toEqual({ code, status: null, dialled: [] });
  });
});
