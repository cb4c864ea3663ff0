import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  allowsPrivateHosts,
  inNetworks,
  judgeAddress,
  type Networks,
  parseNetworks,
  refusalSentence,
} from './address.ts';
import { RANGE_ROWS } from './address-ranges.ts';

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
    ['250.1.2.3', '240.0.0.0/4'],
    ['255.255.255.255', '255.255.255.255/32'],
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
    ['2001:0:1::1', '2001::/32'],
    ['2001:2::1', '2001::/23'],
    ['2001:db8::1', '2001:db8::/32'],
    ['2002:7f00:1::', '2002::/16'],
    ['3fff:fff::1', '3fff::/20'],
    // What ipaddr.js calls unicast.
    ['::5efe:7f00:1', '::/8'],
    ['1::1', '::/8'],
    ['100:1::1', '::/3'],
    ['8000::1', '8000::/1'],
    ['4000::1', '4000::/2'],
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
  });
});

/** A range as numbers: an oracle that shares no line with the code. */
interface Span {
  readonly text: string;
  readonly family: 4 | 6;
  readonly first: bigint;
  readonly last: bigint;
  readonly refused: boolean;
}

function spanOf(text: string, refused = true): Span {
  const [address, prefix] = text.split('/') as [string, string];
  const family = address.includes(':') ? 6 : 4;
  const bits = BigInt(family === 4 ? 32 : 128);
  const first = family === 4 ? numberOf4(address) : numberOf6(address);
  return { text, family, first, last: first + (1n << (bits - BigInt(prefix))) - 1n, refused };
}
function numberOf4(text: string): bigint {
  return text.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
}
function numberOf6(text: string): bigint {
  const [head = '', tail = ''] = text.split('::');
  const left = head.split(':').filter(Boolean);
  const right = tail.split(':').filter(Boolean);
  const zeros = Array<string>(text.includes('::') ? 8 - left.length - right.length : 0).fill('0');
  return [...left, ...zeros, ...right].reduce((sum, part) => sum * 65_536n + BigInt(`0x${part}`), 0n);
}
function textOf(value: bigint, family: 4 | 6): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join('.');
  return Array.from({ length: 8 }, (_, index) =>
    ((value >> BigInt(112 - 16 * index)) & 0xffffn).toString(16),
  ).join(':');
}

const SPANS = RANGE_ROWS.map(([text, rule]) => spanOf(text, rule === 'refused'));
const ruleOf = new Map(RANGE_ROWS.map(([text, rule]) => [text, rule]));
const MAPPED = numberOf6('::ffff:0:0');
const NAT64 = numberOf6('64:ff9b::');

/** The smallest range that holds the number: whatever the order of the table. */
function narrowest(value: bigint, family: 4 | 6): Span {
  const holding = SPANS.filter((each) => each.family === family && each.first <= value && value <= each.last);
  return holding.sort((a, b) => (a.last - a.first < b.last - b.first ? -1 : 1))[0] as Span;
}
function expectedOf(value: bigint, family: 4 | 6): { allowed: boolean; range?: string } {
  const span = narrowest(value, family);
  const rule = ruleOf.get(span.text);
  if (rule === 'mapped') return expectedOf(value - MAPPED, 4);
  if (rule === 'translated') return expectedOf(value - NAT64, 4);
  return rule === 'public' ? { allowed: true } : { allowed: false, range: span.text };
}

describe('the table of ranges', () => {
  it.each(RANGE_ROWS)('%s (%s, %s, %s): its ends, and what is beside them', (text) => {
    const { family, first, last } = spanOf(text);
    const top = (1n << (family === 4 ? 32n : 128n)) - 1n;
    const inside = [first, first + (last - first) / 2n, last];
    const beside = [first - 1n, last + 1n].filter((value) => value >= 0n && value <= top);
    for (const value of [...inside, ...beside]) {
      expect([textOf(value, family), judgeAddress(textOf(value, family), [])]).toEqual([
        textOf(value, family),
        expect.objectContaining(expectedOf(value, family)),
      ]);
    }
    // The row is not dead: some address is judged by it. (Mapped ones are read as IPv4 before.)
    const judged = [...inside, ...SPANS.map((each) => each.last + 1n), ...SPANS.map((each) => each.first)];
    const held = judged.filter((value) => value >= first && value <= last);
    expect(held.some((value) => narrowest(value, family).text === text)).toBe(true);
  });

  it('judges every address by the narrowest range that holds it', () => {
    const near = fc.constantFrom(...SPANS).chain(({ family, first, last }) => {
      const top = (1n << (family === 4 ? 32n : 128n)) - 1n;
      const least = first > 2n ? first - 2n : 0n;
      const value = fc.bigInt({ min: least, max: last + 2n > top ? top : last + 2n });
      return fc.tuple(value, fc.constant(family));
    });
    fc.assert(
      fc.property(near, ([value, family]) => {
        expect(judgeAddress(textOf(value, family), [])).toMatchObject(expectedOf(value, family));
      }),
      { numRuns: 5_000 },
    );
  });

  it('has rows that are written one way, once each, and name their source', () => {
    expect(new Set(RANGE_ROWS.map(([text]) => text)).size).toBe(RANGE_ROWS.length);
    for (const [text, , name, source] of RANGE_ROWS) {
      const { first, last, family } = spanOf(text);
      expect([text, first % (last - first + 1n)]).toEqual([text, 0n]);
      if (family === 6)
        expect(new URL(`http://[${text.split('/')[0]}]/`).hostname).toContain(text.split('/')[0]);
      expect(name).toMatch(/^[a-z6NT]\S+( \S+)*$/);
      expect(source).toMatch(/^(RFC \d{3,4}|Microsoft Azure)$/);
    }
  });

  /** IANA's registries of special-purpose addresses (RFC 6890): what is not "globally reachable", or is deprecated. */
  it.each([
    ...['0.0.0.0/8', '0.0.0.0/32', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16'],
    ...['172.16.0.0/12', '192.0.0.0/24', '192.0.0.0/29', '192.0.0.8/32', '192.0.0.170/32', '192.0.0.171/32'],
    ...['192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24'],
    ...['203.0.113.0/24', '240.0.0.0/4', '255.255.255.255/32'],
    ...['::1/128', '::/128', '64:ff9b:1::/48', '100::/64', '100:0:0:1::/64', '2001::/23', '2001::/32'],
    ...['2001:2::/48', '2001:10::/28', '2001:db8::/32', '2002::/16', '3fff::/20', '5f00::/16', 'fc00::/7'],
    'fe80::/10',
    // Not in those registries, but as little for webhooks: multicast, site-local, compatible, translated, Azure's, AWS', GCP's.
    ...['224.0.0.0/4', 'ff00::/8', 'fec0::/10', '::/96', '::ffff:0:0:0/96', '168.63.129.16/32'],
    ...[
      'fd00:ec2::254/128',
      'fd20:ce::254/128',
      '169.254.169.254/32',
      '100.100.100.200/32',
      '192.0.0.192/32',
    ],
  ])('refuses every part of %s', (text) => {
    const { family, first, last } = spanOf(text);
    // Either both ends lie in one refused row, or nothing public begins within.
    for (const value of [first, (first + last) / 2n, last])
      expect(allowed(textOf(value, family))).toBe(false);
    const within = SPANS.filter((each) => each.family === family && each.first > first && each.last <= last);
    expect(within.filter(({ refused }) => !refused).map((each) => each.text)).toEqual([]);
  });

  it('refuses nothing beside those: their neighbours, and what IANA lists as special but globally reachable', () => {
    const neighbours = [
      ...['1.0.0.0', '9.255.255.255', '11.0.0.0', '100.63.255.255', '100.128.0.0', '126.255.255.255'],
      ...['128.0.0.0', '168.63.129.15', '168.63.129.17', '169.253.255.255', '169.255.0.0', '172.15.255.255'],
      ...['172.32.0.0', '191.255.255.255', '192.0.1.0', '192.0.1.255', '192.0.3.0', '192.88.98.255'],
      ...['192.88.100.0', '192.167.255.255', '192.169.0.0', '198.17.255.255', '198.20.0.0', '198.51.99.255'],
      ...['198.51.101.0', '203.0.112.255', '203.0.114.0', '223.255.255.255'],
      ...[
        '2000::',
        '2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
        '2001:200::',
        '2001:db7:ffff::1',
        '2001:db9::',
      ],
      ...['2001:ffff::1', '2003::', '3ffe:ffff::1', '3fff:1000::', '3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
      ...['192.31.196.1', '192.52.193.1', '192.175.48.1', '2620:4f:8000::1', '64:ff9b::808:808'],
    ];
    expect(neighbours.filter((each) => !allowed(each))).toEqual([]);
  });

  it('allows all of 2000::/3 that it does not name', () => {
    const named = SPANS.filter(({ family, refused }) => family === 6 && refused);
    const inside = spanOf('2000::/3');
    fc.assert(
      fc.property(fc.bigInt({ min: inside.first, max: inside.last }), (value) => {
        const isNamed = named.some(({ first, last }) => first <= value && value <= last);
        expect([textOf(value, 6), allowed(textOf(value, 6))]).toEqual([textOf(value, 6), !isNamed]);
      }),
      { numRuns: 2_000 },
    );
    expect(
      named.filter(({ first, last }) => first >= inside.first && last <= inside.last).map(({ text }) => text),
    ).toEqual(['2001::/32', '2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']);
  });
});

describe('the networks that an operator allows (POSTHORN_ALLOW_NETWORKS)', () => {
  it.each(['10.0.0.0/8', '127.0.0.0/8', '192.168.7.0/24', '168.63.129.16/32', 'fd12::/16', '::1/128'])(
    '%s allows itself and nothing else',
    (text) => {
      const allow = networks(text);
      const own = spanOf(text);
      for (const span of [...SPANS, own]) {
        for (const value of [span.first, span.last, span.first - 1n, span.last + 1n]) {
          if (value < 0n || value >= 1n << (span.family === 4 ? 32n : 128n)) continue;
          const isOwn = span.family === own.family && own.first <= value && value <= own.last;
          const isMappedOwn =
            span.family === 6 &&
            own.family === 4 &&
            own.first <= value - MAPPED &&
            value - MAPPED <= own.last;
          const address = textOf(value, span.family);
          const wanted = isOwn || isMappedOwn || expectedOf(value, span.family).allowed;
          expect([address, allowed(address, allow)]).toEqual([address, wanted]);
        }
      }
    },
  );

  it('allow an IPv4 address in its mapped form too, which is the same address, and in no other', () => {
    const allow = networks('10.0.0.0/8');
    const byte = fc.integer({ min: 0, max: 255 });
    fc.assert(
      fc.property(fc.tuple(byte, byte, byte), (rest) => {
        const ip = `10.${rest.join('.')}`;
        const same = [ip, `::ffff:${ip}`, `::FFFF:${asGroups(ip)}`, `0:0:0:0:0:ffff:${ip}`];
        const [high, low] = asGroups(ip).split(':');
        const others = [`::${ip}`, `::ffff:0:${ip}`, `64:ff9b::${ip}`, `64:ff9b:1::${ip}`, `::5efe:${ip}`];
        others.push(`2002:${high}:${low}::1`, `2001:0:${high}:${low}::1`, `fe80::5efe:${ip}`);
        expect(same.filter((each) => !allowed(each, allow))).toEqual([]);
        expect(others.filter((each) => allowed(each, allow))).toEqual([]);
      }),
    );
  });

  it('may be everything, if that is what is written, each family for itself', () => {
    for (const ip of ['127.0.0.1', '10.0.0.1', '169.254.169.254', '::ffff:127.0.0.1']) {
      expect([ip, allowed(ip, networks('0.0.0.0/0'))]).toEqual([ip, true]);
      expect([ip, allowed(ip, networks('::/0'))]).toEqual([ip, false]);
    }
    expect(allowed('::1', networks('0.0.0.0/0'))).toBe(false);
    expect(allowed('::1', networks('::/0'))).toBe(true);
    expect(allowed('fe80::1%eth0', networks('::/0'))).toBe(false);
  });

  it('may not hide what was meant: IPv6 ranges around the mapped form do not reach IPv4', () => {
    for (const text of ['::/64', '::/80', '::/8']) {
      expect(allowed('::1', networks(text))).toBe(true);
      expect(allowed('::ffff:10.0.0.1', networks(text))).toBe(false);
      expect(allowed('10.0.0.1', networks(text))).toBe(false);
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
