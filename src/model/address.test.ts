import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  allowsPrivateHosts,
  inNetworks,
  judgeAddress,
  type Networks,
  parseNetworks,
  REFUSED_RANGES,
  refusalSentence,
} from './address.ts';

function networks(...texts: string[]): Networks {
  const parsed = parseNetworks(texts);
  if (!parsed.ok) throw new Error(parsed.problems.join());
  return parsed.networks;
}
const loopback = networks('127.0.0.0/8', '::1/128');
const allowed = (address: string, allow: Networks = []) => judgeAddress(address, allow).allowed;
const dotted = fc
  .tuple(...[0, 1, 2, 3].map(() => fc.integer({ min: 0, max: 255 })))
  .map((four) => four.join('.'));
const groups = (count: number) =>
  fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: count, maxLength: count });
const hex = (parts: readonly number[]) => parts.map((part) => part.toString(16)).join(':');
const asGroups = (ip: string) => {
  const [a, b, c, d] = ip.split('.').map(Number) as [number, number, number, number];
  return hex([a * 256 + b, c * 256 + d]);
};

describe('judgeAddress', () => {
  it.each([
    ['0.0.0.0', '0.0.0.0/8'],
    ['10.255.255.255', '10.0.0.0/8'],
    ['100.64.0.1', '100.64.0.0/10'],
    ['127.0.0.1', '127.0.0.0/8'],
    ['169.254.169.254', '169.254.0.0/16'],
    ['172.31.255.255', '172.16.0.0/12'],
    ['192.0.0.170', '192.0.0.0/24'],
    ['192.168.1.1', '192.168.0.0/16'],
    ['198.19.255.255', '198.18.0.0/15'],
    ['168.63.129.16', '168.63.129.16/32'],
    ['224.0.0.1', '224.0.0.0/4'],
    ['255.255.255.255', '240.0.0.0/4'],
    ['::', '::/128'],
    ['::1', '::1/128'],
    ['::ffff:10.0.0.1', '10.0.0.0/8'],
    ['::ffff:a9fe:a9fe', '169.254.0.0/16'],
    ['::7f00:1', '::/96'],
    ['64:ff9b::127.0.0.1', '127.0.0.0/8'],
    ['64:ff9b:1::8.8.8.8', '64:ff9b:1::/48'],
    ['fd00:ec2::254', 'fc00::/7'],
    ['fd20:ce::254', 'fc00::/7'],
    ['fe80::1', 'fe80::/10'],
    ['fec0::1', 'fec0::/10'],
    ['ff02::1', 'ff00::/8'],
    ['2001:0:1::1', '2001::/23'],
    ['2001:db8::1', '2001:db8::/32'],
    ['2002:7f00:1::', '2002::/16'],
    ['3fff:fff::1', '3fff::/20'],
    // What ipaddr.js calls unicast.
    ['::5efe:7f00:1', '::/3'],
    ['1::1', '::/3'],
    ['4000::1', '4000::/3'],
  ])('refuses %s, as it is in %s', (address, range) => {
    expect(judgeAddress(address, [])).toMatchObject({ allowed: false, range });
  });

  it.each([
    '8.8.8.8',
    '1.1.1.1',
    '172.32.0.1',
    '100.128.0.1',
    '2606:4700::1111',
    '2001:4860::8888',
    '64:ff9b::8.8.8.8',
  ])('allows %s', (address) => {
    expect(allowed(address)).toBe(true);
  });

  it.each([
    '',
    'localhost',
    'fe80::1%eth0',
    '2606:4700::1%1',
    '127.1',
    '0x7f.0.0.1',
    '0177.0.0.1',
    '8.8.8.8.',
    '8.8.8',
    ' 8.8.8.8',
    '8.8.8.8\n',
    '8.8.8.08',
    '[2606:4700::1]',
    '::ffff:0x7f.0.0.1',
    '2606:4700',
    '2606::4700::1',
    '２606:4700::1',
  ])('refuses what is no address: "%s"', (text) => {
    expect(judgeAddress(text, networks('0.0.0.0/0', '::/0'))).toMatchObject({ allowed: false, range: '' });
  });

  it('judges every way to carry an IPv4 address in IPv6 no milder than the address itself', () => {
    fc.assert(
      fc.property(dotted, (ip) => {
        const plain = allowed(ip);
        const [high, low] = asGroups(ip).split(':');
        expect(allowed(`::ffff:${ip}`)).toBe(plain);
        expect(allowed(`::ffff:${asGroups(ip)}`)).toBe(plain);
        expect(allowed(`0:0:0:0:0:FFFF:${asGroups(ip)}`)).toBe(plain);
        expect(allowed(`64:ff9b::${ip}`)).toBe(plain);
        const never = [`::${ip}`, `::ffff:0:${ip}`, `2002:${high}:${low}::1`, `2001::${high}:${low}`];
        never.push(`::5efe:${ip}`, `64:ff9b:1::${ip}`, `fe80::5efe:${ip}`);
        for (const address of never) expect([address, allowed(address)]).toEqual([address, false]);
      }),
    );
  });

  it('allows of IPv6 only 2000::/3 and NAT64', () => {
    fc.assert(
      fc.property(groups(8), (parts) => {
        const inside = ((parts[0] as number) & 0xe000) === 0x2000;
        const nat64 = parts[0] === 0x64 && parts[1] === 0xff9b;
        if (!inside && !nat64) expect(allowed(hex(parts))).toBe(false);
      }),
    );
  });

  it('allows what the operator allows, however it is written', () => {
    expect(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'].every((ip) => allowed(ip, loopback))).toBe(
      true,
    );
    expect(['10.0.0.1', '::2', '::ffff:10.0.0.1'].some((ip) => allowed(ip, loopback))).toBe(false);
    expect(allowed('fd12::1', networks('fd12::/16'))).toBe(true);
  });

  it('does not let a NAT64 gateway be asked for the networks that are allowed here', () => {
    expect(allowed('64:ff9b::127.0.0.1', loopback)).toBe(false);
  });

  it('says why in a sentence', () => {
    const verdict = judgeAddress('10.1.2.3', []);
    expect(!verdict.allowed && refusalSentence('10.1.2.3', verdict)).toBe(
      '10.1.2.3 is in a private network (10.0.0.0/8), which this server does not send to.',
    );
    const unreadable = judgeAddress('fe80::1%eth0', []);
    expect(!unreadable.allowed && refusalSentence('fe80::1%eth0', unreadable)).toContain('is no IP address');
    for (const { text, why, source } of REFUSED_RANGES) {
      expect(text).toMatch(/\/\d+$/);
      expect(`${why} ${source}`).toMatch(/^[a-z6].*\S/i);
    }
  });
});

describe('parseNetworks', () => {
  it('reads CIDRs, and any network of them holds what it should', () => {
    expect(networks(' 127.0.0.0/8 ', '::1/128').map(({ text }) => text)).toEqual(['127.0.0.0/8', '::1/128']);
    fc.assert(
      fc.property(dotted, fc.integer({ min: 0, max: 32 }), dotted, (ip, bits, other) => {
        const number = (text: string) => text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
        const size = 2 ** (32 - bits);
        const base = Math.floor(number(ip) / size) * size;
        const text = [24, 16, 8, 0].map((shift) => Math.floor(base / 2 ** shift) % 256).join('.');
        const same = Math.floor(number(other) / size) * size === base;
        expect(inNetworks(other, networks(`${text}/${bits}`))).toBe(same);
      }),
    );
  });

  it.each([
    ['foo', '"foo" is not a network: write an address and a prefix length, such as 10.0.0.0/8'],
    ['example.com/8', '"example.com/8" is not a network'],
    ['10.1.1.1', 'for this one address write 10.1.1.1/32'],
    ['::1', 'for this one address write ::1/128'],
    ['10.0.0.0/33', 'it must be a whole number from 0 to 32'],
    ['10.0.0.0/08', 'it must be a whole number from 0 to 32'],
    ['10.0.0.0/', 'it must be a whole number from 0 to 32'],
    ['10.1.2.3/8', 'did you mean 10.0.0.0/8?'],
    ['fd12::1/8', 'did you mean fd00::/8?'],
    ['::ffff:10.0.0.0/104', 'write it as IPv4'],
  ])('refuses %s precisely', (text, problem) => {
    const parsed = parseNetworks(['10.0.0.0/8', text]);
    expect(parsed.ok).toBe(false);
    if (!parsed.ok) expect(parsed.problems).toEqual([expect.stringContaining(problem)]);
  });

  it('tells loopback from networks with other hosts', () => {
    expect(allowsPrivateHosts(loopback)).toBe(false);
    expect(allowsPrivateHosts(networks('127.0.0.0/16'))).toBe(false);
    expect(allowsPrivateHosts([...loopback, ...networks('10.0.0.0/8')])).toBe(true);
    expect(allowsPrivateHosts(networks('0.0.0.0/0'))).toBe(true);
  });
});
