/** An IPv4 address as its four bytes. */
export type FourBytes = readonly [number, number, number, number];

const number = ([a, b, c, d]: FourBytes) => ((a * 256 + b) * 256 + c) * 256 + d;
const hex = (value: number) => value.toString(16);
const octal = (value: number) => value.toString(8);
const groups = ([a, b, c, d]: FourBytes) => `${hex(a * 256 + b)}:${hex(c * 256 + d)}`;
/** Teredo carries the client's address with all its bits turned (RFC 4380). */
const turned = ([a, b, c, d]: FourBytes): FourBytes => [255 - a, 255 - b, 255 - c, 255 - d];

/** Every way to write an IPv4 address as the host of a URL that anybody was found to use against a guard like ours. */
export const SPELLINGS: readonly (readonly [name: string, spell: (ip: FourBytes) => string])[] = [
  ['plain', (ip) => ip.join('.')],
  ['decimal', (ip) => String(number(ip))],
  ['octal', (ip) => `0${octal(number(ip))}`],
  ['octal in parts', (ip) => ip.map((byte) => `0${octal(byte)}`).join('.')],
  ['hex', (ip) => `0x${hex(number(ip))}`],
  ['hex in parts', (ip) => ip.map((byte) => `0X${hex(byte).toUpperCase()}`).join('.')],
  ['short, of two parts', ([a, b, c, d]) => `${a}.${(b * 256 + c) * 256 + d}`],
  ['short, of three parts', ([a, b, c, d]) => `${a}.${b}.${c * 256 + d}`],
  ['padded octal', (ip) => ip.map((byte) => `00000${octal(byte)}`).join('.')],
  ['padded hex', (ip) => ip.map((byte) => `0x0000${hex(byte)}`).join('.')],
  [
    'full-width',
    (ip) => ip.join('.').replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
  ],
  [
    'circled digits',
    (ip) => ip.join('.').replace(/[1-9]/g, (digit) => String.fromCodePoint(0x245f + Number(digit))),
  ],
  ['ideographic full stops', (ip) => ip.join('。')],
  ['percent', (ip) => [...ip.join('.')].map((char) => `%${hex(char.charCodeAt(0))}`).join('')],
  ['trailing dot', (ip) => `${ip.join('.')}.`],
  ['trailing dot after hex', (ip) => `0x${hex(number(ip))}.`],
  ['mixed', ([a, b, c, d]) => `0x${hex(a)}.0${octal(b)}.${c * 256 + d}`],
  [
    'mixed and percent',
    ([a, b, c, d]) => `%30x${hex(a)}.${b}.0${octal(c)}.${String.fromCodePoint(0xff10)}x${hex(d)}`,
  ],
  ['mapped', (ip) => `[::ffff:${ip.join('.')}]`],
  ['mapped, in groups', (ip) => `[0:0:0:0:0:FFFF:${groups(ip)}]`],
  ['mapped, padded', (ip) => `[0000:0000:0000:0000:0000:ffff:${ip.join('.')}]`],
  ['compatible', (ip) => `[::${ip.join('.')}]`],
  ['SIIT', (ip) => `[::ffff:0:${ip.join('.')}]`],
  ['NAT64', (ip) => `[64:ff9b::${ip.join('.')}]`],
  ['local NAT64', (ip) => `[64:ff9b:1::${ip.join('.')}]`],
  ['6to4', (ip) => `[2002:${groups(ip)}::1]`],
  ['Teredo client', (ip) => `[2001:0:808:808:0:ffff:${groups(turned(ip))}]`],
  ['Teredo server', (ip) => `[2001:0:${groups(ip)}:0:ffff:f7f7:f7f7]`],
  ['ISATAP', (ip) => `[fe80::5efe:${ip.join('.')}]`],
  ['ISATAP without a network', (ip) => `[::200:5efe:${ip.join('.')}]`],
];
