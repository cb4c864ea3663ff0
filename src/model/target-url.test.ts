import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { URL_CHARACTERS } from '../limits.ts';
import { judgeAddress, type Networks, parseNetworks } from './address.ts';
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

/** Ways in which a URL can spell an IPv4 address. */
const SPELLINGS: readonly ((parts: [number, number, number, number]) => string)[] = [
  (p) => p.join('.'),
  (p) => `${p.join('.')}.`,
  ([a, b, c, d]) => String(((a * 256 + b) * 256 + c) * 256 + d),
  ([a, b, c, d]) => `0x${(((a * 256 + b) * 256 + c) * 256 + d).toString(16)}`,
  ([a, b, c, d]) => `0${(((a * 256 + b) * 256 + c) * 256 + d).toString(8)}`,
  (p) => p.map((part) => `0x${part.toString(16)}`).join('.'),
  (p) => p.map((part) => `0${part.toString(8)}`).join('.'),
  (p) => p.map((part) => `0x0000${part.toString(16)}`).join('.'),
  (p) => p.map((part) => `00000${part.toString(8)}`).join('.'),
  ([a, b, c, d]) => `${a}.${(b * 256 + c) * 256 + d}`,
  ([a, b, c, d]) => `${a}.${b}.${c * 256 + d}`,
  ([a, b, c, d]) => `0x${a.toString(16)}.0${b.toString(8)}.${c * 256 + d}`,
  (p) => [...p.join('.')].map((char) => `%${char.charCodeAt(0).toString(16)}`).join(''),
  (p) => p.join('.').replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
  (p) => p.join('.').replace(/[1-9]/g, (digit) => String.fromCodePoint(0x2460 + Number(digit) - 1)),
  (p) => p.join('。'),
  (p) => `[::ffff:${p.join('.')}]`,
  ([a, b, c, d]) => `[::ffff:${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}]`,
  (p) => `[0000:0000:0000:0000:0000:ffff:${p.join('.')}]`,
  (p) => `[64:ff9b::${p.join('.')}]`,
];

describe('spellings of an address', () => {
  const byte = fc.integer({ min: 0, max: 255 });

  it('are judged like the address itself, or refused', () => {
    fc.assert(
      fc.property(fc.tuple(byte, byte, byte, byte), fc.constantFrom(...SPELLINGS), (parts, spell) => {
        const url = `http://${spell(parts)}:8080/`;
        const plain = judgeAddress(parts.join('.'), []).allowed;
        if (!plain) expect([url, parseTargetUrl(url, { allow: [] }).ok]).toEqual([url, false]);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each(SPELLINGS.map((spell) => [spell([127, 0, 0, 1])]))('of loopback are refused: %s', (host) => {
    expect(parseTargetUrl(`https://${host}/`, { allow: [] }).ok).toBe(false);
  });

  it('of public addresses pass as plain ones', () => {
    expect(parseTargetUrl('http://0x08080808/x', { allow: [] })).toMatchObject({ href: 'http://8.8.8.8/x' });
  });
});
