import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FourBytes, SPELLINGS } from '../../test/egress/spellings.ts';
import { URL_CHARACTERS } from '../limits.ts';
import { judgeAddress, type Networks, parseNetworks } from './address.ts';
import { RANGE_ROWS } from './address-ranges.ts';
import { parseTargetUrl } from './target-url.ts';

function networks(...texts: string[]): Networks {
  const parsed = parseNetworks(texts);
  if (!parsed.ok) throw new Error(parsed.problems.join());
  return parsed.networks;
}
const loopback = networks('127.0.0.0/8', '::1/128');
const problems = (raw: unknown, allow: Networks = []) => {
  const parsed = parseTargetUrl(raw, { allow });
  return parsed.ok ? [] : parsed.problems;
};

describe('parseTargetUrl', () => {
  it('gives the URL as it came and as it is dialled', () => {
    expect(parseTargetUrl('HTTPS://Hooks.Example.com:443/a b?c=ä#frag', { allow: [] })).toEqual({
      ok: true,
      url: 'HTTPS://Hooks.Example.com:443/a b?c=ä#frag',
      href: 'https://hooks.example.com/a%20b?c=%C3%A4',
    });
  });

  it.each([
    [undefined, "can't be blank"],
    [null, "can't be blank"],
    ['', "can't be blank"],
    [' \u3000 ', "can't be blank"],
    [7, 'must be a string'],
    [{}, 'must be a string'],
    [`https://a.com/${'x'.repeat(URL_CHARACTERS)}`, `is too long (at most ${URL_CHARACTERS} characters)`],
    ['https://exa\tmple.com', 'must not contain control characters'],
    ['https://example.com/\r\nX: y', 'must not contain control characters'],
    ['https://example.com/\u0085', 'must not contain control characters'],
    ['https://example.com/\u007f', 'must not contain control characters'],
    [' https://example.com', 'must not begin or end with white space'],
    ['https://example.com\u00a0', 'must not begin or end with white space'],
    ['http://example.com:65536', 'has a port above 65535'],
    ['https://example.com:99999/hook?a=b', 'has a port above 65535'],
    ['http://example.com:99999999999999999999#c', 'has a port above 65535'],
    ['http://[2606:4700::1111]:70000/', 'has a port above 65535'],
    ['http://exa mple.com:99999', 'must be an absolute http or https URL'],
    ['example.com', 'must be an absolute http or https URL'],
    ['/hook', 'must be an absolute http or https URL'],
    ['//example.com', 'must be an absolute http or https URL'],
    ['http:/example.com', 'must be an absolute http or https URL'],
    ['http:example.com', 'must be an absolute http or https URL'],
    ['http:\\\\example.com', 'must be an absolute http or https URL'],
    ['http://example.com\\@10.0.0.1', 'must be an absolute http or https URL'],
    ['http:///example.com', 'must be an absolute http or https URL'],
    ['http://', 'must be an absolute http or https URL'],
    ['http://exa mple.com', 'must be an absolute http or https URL'],
    ['http://example.com:99999', 'has a port above 65535'],
    ['http://1.2.3.4.5', 'must be an absolute http or https URL'],
    ['ftp://example.com', 'must be an absolute http or https URL'],
    ['unix:///var/run/docker.sock', 'must be an absolute http or https URL'],
    ['javascript:alert(1)', 'must be an absolute http or https URL'],
    ['https://user:pass@example.com', 'must not carry credentials (user:password@)'],
    ['https://user@example.com', 'must not carry credentials (user:password@)'],
    ['https://example.com:0/', 'must not use port 0'],
    ['https://10.0.0.1/', 'points to 10.0.0.0/8 (private network), which this server does not send to'],
    [
      'https://[::ffff:10.0.0.1]/',
      'points to 10.0.0.0/8 (private network), which this server does not send to',
    ],
    ['https://localhost/', 'points to this server itself (localhost), which it does not send to'],
    ['https://a.LocalHost./', 'points to this server itself (localhost), which it does not send to'],
    ['https://intranet/', 'must have a full host name, such as hooks.example.com'],
    ['https://a..example.com/', 'has a host name that DNS does not allow'],
    [`https://${'a'.repeat(64)}.com/`, 'has a host name that DNS does not allow'],
    ['https://x.svc.cluster.local/', 'points to a private name (.local), which this server does not send to'],
    ['https://x.internal/', 'points to a private name (.internal), which this server does not send to'],
    [
      'https://metadata.google.internal/',
      'points to metadata.google.internal, which this server does not send to',
    ],
    ['https://abc.onion/', 'points to onion, which this server does not send to'],
  ])('refuses %j: %s', (raw, problem) => {
    expect(problems(raw)).toEqual([problem]);
  });

  it('names every problem at once', () => {
    expect(problems('http://u:p@127.0.0.1:0/')).toHaveLength(3);
  });

  it('lets localhost through when loopback is allowed, and nothing else with it', () => {
    for (const url of [
      'http://localhost:3000',
      'http://a.localhost',
      'http://127.0.0.1',
      'http://[::1]:80',
    ]) {
      expect([url, problems(url, loopback)]).toEqual([url, []]);
    }
    for (const url of ['http://receiver', 'http://a.local', 'http://10.0.0.1', 'http://[fd00::1]']) {
      expect([url, problems(url, loopback).length]).toEqual([url, 1]);
    }
  });

  it('lets the names of private networks through when one is allowed', () => {
    const allow = networks('10.0.0.0/8');
    for (const url of ['http://receiver:80', 'http://a.svc.cluster.local', 'http://x.internal']) {
      expect([url, problems(url, allow)]).toEqual([url, []]);
    }
    expect(problems('http://metadata.google.internal', allow)).toHaveLength(1);
    expect(problems('http://localhost', allow)).toHaveLength(1);
  });
});

const byte = fc.integer({ min: 0, max: 255 });
const fourBytes = fc.tuple(byte, byte, byte, byte);
/** Addresses of every refused range, as often from the small ones as from the large. */
const blocked = fc
  .constantFrom(...RANGE_ROWS.filter(([text, rule]) => rule === 'refused' && text.includes('.')))
  .chain(([text]) => {
    const [address, prefix] = text.split('/') as [string, string];
    const first = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
    return fc.integer({ min: first, max: first + 2 ** (32 - Number(prefix)) - 1 });
  })
  .map((value): FourBytes => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]);

describe('spellings of an address', () => {
  it.each(SPELLINGS)('of a blocked one are refused, and said to be an address: %s', (_name, spell) => {
    fc.assert(
      fc.property(blocked, fc.constantFrom('', ':80', ':8080'), (ip, port) => {
        const url = `http://${spell(ip)}${port}/hook`;
        expect([url, problems(url)]).toEqual([url, [expect.stringMatching(/^points to \S+ \(.+\), which/)]]);
        expect([ip, judgeAddress(ip.join('.'), []).allowed]).toEqual([ip, false]);
      }),
    );
  });

  it.each(SPELLINGS)('of any one are judged no milder than the address itself: %s', (_name, spell) => {
    fc.assert(
      fc.property(fourBytes, (ip) => {
        const parsed = parseTargetUrl(`http://${spell(ip)}/`, { allow: [] });
        if (!judgeAddress(ip.join('.'), []).allowed) expect(parsed.ok).toBe(false);
        // What passes is dialled as what was judged: a plain address, or an IPv6 one that reaches the same.
        else if (parsed.ok) {
          const { hostname } = new URL(parsed.href);
          const mapped = new URL(`http://[::ffff:${ip.join('.')}]`).hostname;
          const translated = new URL(`http://[64:ff9b::${ip.join('.')}]`).hostname;
          expect([ip.join('.'), mapped, translated]).toContain(hostname);
        }
      }),
    );
  });

  it('mean the same here as to the parser of the C library, or are refused', () => {
    const part = fc.oneof(
      fc.integer({ min: 0, max: 0xffff_ffff }).map((value) => `0x${value.toString(16)}`),
      fc.integer({ min: 0, max: 0xffff_ffff }).map((value) => `0${value.toString(8)}`),
      fc.integer({ min: 0, max: 0xffff_ffff }).map(String),
      byte.map(String),
      byte.map((value) => `0${value.toString(8)}`),
      fc.constantFrom('0', '127', '10', '0x', '08', '00', '1e3', '+1', '-1', ''),
    );
    let both = 0;
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), (parts) => {
        const host = parts.join('.');
        const meant = inetAton(host);
        const parsed = parseTargetUrl(`http://${host}/`, { allow: networks('0.0.0.0/0') });
        if (meant === null || !parsed.ok) return;
        both++;
        expect([host, new URL(parsed.href).hostname]).toEqual([host, meant]);
      }),
      { numRuns: 5_000 },
    );
    expect(both).toBeGreaterThan(200);
  });

  it('of public addresses pass as plain ones', () => {
    expect(parseTargetUrl('http://0x08080808/x', { allow: [] })).toMatchObject({ href: 'http://8.8.8.8/x' });
    expect(parseTargetUrl('http://８.８.８.８:81/', { allow: [] })).toMatchObject({
      href: 'http://8.8.8.8:81/',
    });
  });
});

/** inet_aton(3): what `getaddrinfo` and thus curl, Python or a browser's host would make of a number-like name. */
function inetAton(text: string): string | null {
  const parts = text.split('.');
  if (parts.length > 4 || !parts.every((part) => /^(0x[0-9a-f]+|0[0-7]*|[1-9]\d*)$/i.test(part))) return null;
  const values = parts.map((part) => Number(/^0\d/.test(part) ? `0o${part}` : part));
  const last = values.pop() as number;
  if (values.some((value) => value > 255) || last >= 256 ** (4 - values.length)) return null;
  const value = values.reduce((sum, each, index) => sum + each * 256 ** (3 - index), last);
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}

describe('names', () => {
  /** Ways to write the letters of a name that DNS, or the parser before it, takes for the same name. */
  const DISGUISES: readonly ((name: string) => string)[] = [
    (name) => name,
    (name) => name.toUpperCase(),
    (name) => `${name}.`,
    (name) => name.replace(/[a-z]/g, (letter) => String.fromCodePoint(letter.charCodeAt(0) + 0xfee0)),
    (name) => name.replace(/[a-z]/g, (letter) => String.fromCodePoint(letter.charCodeAt(0) - 97 + 0x24d0)),
    (name) => [...name].map((char) => `%${char.charCodeAt(0).toString(16)}`).join(''),
    (name) => name.replaceAll('.', '。'),
    (name) => `${name[0]}\u00ad${name.slice(1)}`,
    (name) => `${name[0]}\u200b${name.slice(1)}`,
    (name) => name.replace('s', 'ſ').replace('k', '\u212a'),
  ];

  it.each([
    ...['localhost', 'a.localhost', 'a.b.localhost', 'localhost.localdomain', 'ip6-localhost', 'metadata'],
    ...['intranet', 'kubernetes', 'printer.local', 'db.internal', 'host.docker.internal', 'nas.home.arpa'],
    ...['x.lan', 'x.corp', 'x.home', 'x.private', 'x.intranet', 'x.svc', 'a.b.svc.cluster.local'],
    ...['metadata.google.internal', 'instance-data.ec2.internal', 'facebookcorewwwi.onion'],
  ])('that can only mean something inside are refused, however written: %s', (name) => {
    for (const disguise of DISGUISES) {
      const url = `https://${disguise(name)}/`;
      expect([url, problems(url)]).toEqual([url, [expect.stringMatching(/^(points to|must have a full)/)]]);
    }
  });

  it.each([
    'hooks.example.com',
    'localhost.example.com',
    'mylocalhost.com',
    'local.example',
    'internal.io',
    'svc.dev',
  ])('that only look like those pass: %s', (name) => {
    expect(problems(`https://${name}/`)).toEqual([]);
  });

  it('never open more than the courtesy: an allowed network lets names through, not addresses', () => {
    const allow = networks('10.0.0.0/8');
    for (const host of [
      '127.0.0.1',
      '192.168.0.1',
      '169.254.169.254',
      '[::1]',
      '[fd00::1]',
      '[::ffff:127.0.0.1]',
    ]) {
      expect([host, problems(`http://${host}/`, allow)]).toEqual([
        host,
        [expect.stringContaining('points to')],
      ]);
    }
    expect(problems('http://[::ffff:10.0.0.1]/', allow)).toEqual([]);
    expect(problems('http://0xa.1/', allow)).toEqual([]);
  });
});
