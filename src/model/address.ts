import ipaddr from 'ipaddr.js';

/**
 * Which addresses may be dialled. Webhook targets are chosen by strangers, so all that is not the public internet is
 * refused unless the operator allows it. Pure: the names behind URLs are resolved in `deliver/`.
 */

/** A network the operator allows. Plain data, so that it can go to a thread. */
export interface Network {
  /** As written: `10.0.0.0/8`. */
  readonly text: string;
  /** 4 or 16 bytes. */
  readonly bytes: readonly number[];
  readonly bits: number;
}

export type Networks = readonly Network[];

export type AddressVerdict =
  | { readonly allowed: true }
  | {
      readonly allowed: false;
      /** The refused range that holds the address: `10.0.0.0/8`; empty when the address can't be read. */
      readonly range: string;
      /** What that range is, to follow "a": `private network`. */
      readonly why: string;
    };

interface RefusedRange extends Network {
  readonly why: string;
  readonly source: string;
}

type RangeRow = readonly [range: string, why: string, source: string];

const REFUSED_V4_ROWS: readonly RangeRow[] = [
  ['0.0.0.0/8', 'network that means this host', 'RFC 791'],
  ['10.0.0.0/8', 'private network', 'RFC 1918'],
  ['100.64.0.0/10', 'carrier-grade NAT network', 'RFC 6598'],
  ['127.0.0.0/8', 'loopback network', 'RFC 1122'],
  ['169.254.0.0/16', 'link-local network', 'RFC 3927'],
  ['172.16.0.0/12', 'private network', 'RFC 1918'],
  ['192.0.0.0/24', 'network for protocol assignments', 'RFC 6890'],
  ['192.0.2.0/24', 'documentation network', 'RFC 5737'],
  ['192.88.99.0/24', 'retired 6to4 relay network', 'RFC 7526'],
  ['192.168.0.0/16', 'private network', 'RFC 1918'],
  ['198.18.0.0/15', 'benchmarking network', 'RFC 2544'],
  ['198.51.100.0/24', 'documentation network', 'RFC 5737'],
  ['203.0.113.0/24', 'documentation network', 'RFC 5737'],
  ['224.0.0.0/4', 'multicast network', 'RFC 5771'],
  ['240.0.0.0/4', 'reserved network', 'RFC 1112'],
  ['168.63.129.16/32', 'cloud platform service', 'Azure virtual public IP'],
];

/**
 * Inside 2000::/3 these are refused; outside of it everything is (RFC 3587). The rows outside only give the reason a
 * name, so a range missing here is still refused.
 */
const REFUSED_V6_ROWS: readonly RangeRow[] = [
  ['2001::/23', 'network for protocol assignments (Teredo, benchmarking, ORCHID)', 'RFC 2928'],
  ['2001:db8::/32', 'documentation network', 'RFC 3849'],
  ['2002::/16', '6to4 network', 'RFC 3056'],
  ['3fff::/20', 'documentation network', 'RFC 9637'],
  ['::/128', 'network that means this host', 'RFC 4291'],
  ['::1/128', 'loopback network', 'RFC 4291'],
  ['::/96', 'retired IPv4-compatible network', 'RFC 4291'],
  ['64:ff9b:1::/48', 'local NAT64 network', 'RFC 8215'],
  ['100::/64', 'discard-only network', 'RFC 6666'],
  ['100:0:0:1::/64', 'dummy network', 'RFC 9780'],
  ['5f00::/16', 'segment routing network', 'RFC 9602'],
  ['fc00::/7', 'private network', 'RFC 4193'],
  ['fe80::/10', 'link-local network', 'RFC 4291'],
  ['fec0::/10', 'retired site-local network', 'RFC 3879'],
  ['ff00::/8', 'multicast network', 'RFC 4291'],
];

const REFUSED_V4 = REFUSED_V4_ROWS.map(refusedRange);
const REFUSED_V6 = REFUSED_V6_ROWS.map(refusedRange);
/** The refused ranges as text with their reasons and sources, for docs. */
export const REFUSED_RANGES = [...REFUSED_V4, ...REFUSED_V6].map(({ text, why, source }) => ({
  text,
  why,
  source,
}));

const PUBLIC_V6 = network('2000::/3');
/** Well-known NAT64 prefix (RFC 6052): its last four bytes are the IPv4 address that is really dialled. */
const NAT64 = network('64:ff9b::/96');
const MAPPED = network('::ffff:0:0/96');

const ALLOWED: AddressVerdict = { allowed: true };

/** Judges one literal address: strict dotted or IPv6 text. What can't be read, and zone ids, are refused. */
export function judgeAddress(address: string, allow: Networks): AddressVerdict {
  const bytes = addressBytes(address);
  if (bytes === null) return { allowed: false, range: '', why: 'form that is no IP address' };
  if (allow.some((network) => contains(network, bytes))) return ALLOWED;
  if (bytes.length === 4) return refusedBy(REFUSED_V4, bytes) ?? ALLOWED;
  // The allow-list is not asked about the embedded address: behind a NAT64 gateway 127.0.0.1 is the gateway itself.
  if (contains(NAT64, bytes)) return refusedBy(REFUSED_V4, bytes.slice(12)) ?? ALLOWED;
  const refused = refusedBy(REFUSED_V6, bytes);
  if (refused !== null) return refused;
  if (contains(PUBLIC_V6, bytes)) return ALLOWED;
  const eighth = formatAddress(bytes.map((byte, index) => byte & maskByte(3, index)));
  return { allowed: false, range: `${eighth}/3`, why: 'non-public network' };
}

/** A sentence for people about a refused address. */
export function refusalSentence(address: string, verdict: { range: string; why: string }): string {
  if (verdict.range === '') return `${address} is no IP address that this server sends to.`;
  return `${address} is in a ${verdict.why} (${verdict.range}), which this server does not send to.`;
}

/** Reads the operator's allow-list: networks as `address/prefix length`, never names. */
export function parseNetworks(
  texts: readonly string[],
): { ok: true; networks: Networks } | { ok: false; problems: string[] } {
  const networks: Network[] = [];
  const problems: string[] = [];
  for (const text of texts) {
    const parsed = parseNetwork(text.trim());
    if (typeof parsed === 'string') problems.push(parsed);
    else networks.push(parsed);
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, networks };
}

/** Whether an address lies in one of the networks. IPv4-mapped IPv6 counts as its IPv4. */
export function inNetworks(address: string, networks: Networks): boolean {
  const bytes = addressBytes(address);
  return bytes !== null && networks.some((network) => contains(network, bytes));
}

/** Whether the operator allows more than loopback, that is: hosts of a private network. */
export function allowsPrivateHosts(networks: Networks): boolean {
  return networks.some((each) => each.text !== '::1/128' && !(each.bytes[0] === 127 && each.bits >= 8));
}

function parseNetwork(text: string): Network | string {
  const slash = text.lastIndexOf('/');
  const address = slash < 0 ? text : text.slice(0, slash);
  const bytes = addressBytes(address);
  if (bytes === null)
    return `"${text}" is not a network: write an address and a prefix length, such as 10.0.0.0/8`;
  const most = bytes.length * 8;
  if (slash < 0) return `"${text}" has no prefix length: for this one address write ${text}/${most}`;
  const prefix = text.slice(slash + 1);
  if (address.includes(':') && bytes.length === 4)
    return `"${text}" is an IPv4-mapped address: write it as IPv4`;
  if (!/^(0|[1-9]\d{0,2})$/.test(prefix) || Number(prefix) > most) {
    return `"${text}" has the prefix length "${prefix}": it must be a whole number from 0 to ${most}`;
  }
  const bits = Number(prefix);
  const base = bytes.map((byte, index) => byte & maskByte(bits, index));
  if (base.some((byte, index) => byte !== bytes[index])) {
    return `"${text}" has bits set after its prefix: did you mean ${formatAddress(base)}/${bits}?`;
  }
  return { text: `${formatAddress(base)}/${bits}`, bytes: base, bits };
}

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;
const IPV6_CHARACTERS = /^[0-9a-f:]+$/i;

/** 4 or 16 bytes (4 for IPv4-mapped IPv6), or null. ipaddr.js alone would read 0x7f.1 and zone ids too. */
function addressBytes(address: string): number[] | null {
  if (IPV4.test(address)) return address.split('.').map(Number);
  // ipaddr.js would take ::1.2.3.4 for ::ffff:1.2.3.4, so it only gets to see hexadecimal groups.
  const groups = address.replace(/[^:]+$/, (tail) => (IPV4.test(tail) ? hexadecimalGroups(tail) : tail));
  if (!IPV6_CHARACTERS.test(groups) || !ipaddr.IPv6.isValid(groups)) return null;
  const bytes = ipaddr.IPv6.parse(groups).toByteArray();
  return contains(MAPPED, bytes) ? bytes.slice(12) : bytes;
}

function hexadecimalGroups(ipv4: string): string {
  const bytes = Buffer.from(ipv4.split('.').map(Number));
  return `${bytes.toString('hex', 0, 2)}:${bytes.toString('hex', 2)}`;
}

function contains(network: Network, bytes: readonly number[]): boolean {
  if (network.bytes.length !== bytes.length) return false;
  for (let index = 0; index * 8 < network.bits; index++) {
    const mask = maskByte(network.bits, index);
    if (((bytes[index] as number) & mask) !== network.bytes[index]) return false;
  }
  return true;
}

function maskByte(bits: number, index: number): number {
  const here = Math.min(8, Math.max(0, bits - index * 8));
  return (0xff << (8 - here)) & 0xff;
}

function refusedBy(ranges: readonly RefusedRange[], bytes: readonly number[]): AddressVerdict | null {
  const found = ranges.find((range) => contains(range, bytes));
  return found ? { allowed: false, range: found.text, why: found.why } : null;
}

function formatAddress(bytes: number[]): string {
  return bytes.length === 4 ? bytes.join('.') : ipaddr.fromByteArray(bytes).toString();
}

function refusedRange([text, why, source]: RangeRow): RefusedRange {
  return { ...network(text), why, source };
}

/** A network of the tables above. The mapped prefix is why this doesn't go through `parseNetwork`. */
function network(text: string): Network {
  const [address, bits] = ipaddr.parseCIDR(text);
  return { text, bytes: address.toByteArray(), bits };
}
