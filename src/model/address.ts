import ipaddr from 'ipaddr.js';
import { RANGE_ROWS, type RangeRule } from './address-ranges.ts';

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

/** A row of the table of ranges, ready to judge with. */
interface AddressRange extends Network {
  readonly rule: RangeRule;
  readonly why: string;
}

const RANGES: readonly AddressRange[] = RANGE_ROWS.map(([text, rule, why]) => ({
  ...network(text),
  rule,
  why,
}));
const MAPPED = RANGES.find(({ rule }) => rule === 'mapped') as AddressRange;

const ALLOWED: AddressVerdict = { allowed: true };

/** Judges one literal address: strict dotted or IPv6 text. What can't be read, and zone ids, are refused. */
export function judgeAddress(address: string, allow: Networks): AddressVerdict {
  const bytes = addressBytes(address);
  if (bytes === null) return { allowed: false, range: '', why: 'form that is no IP address' };
  if (allow.some((network) => contains(network, bytes))) return ALLOWED;
  return judge(bytes);
}

/** What can't be found in the table, which can't be, is refused. */
function judge(bytes: readonly number[]): AddressVerdict {
  const range = RANGES.find((each) => contains(each, bytes));
  if (range?.rule === 'public') return ALLOWED;
  // The allow-list is not asked about the embedded address: behind a NAT64 gateway 127.0.0.1 is the gateway itself.
  if (range?.rule === 'translated') return judge(bytes.slice(12));
  return { allowed: false, range: range?.text ?? '', why: range?.why ?? 'form that is no IP address' };
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

function formatAddress(bytes: number[]): string {
  return bytes.length === 4 ? bytes.join('.') : ipaddr.fromByteArray(bytes).toString();
}

/** A network of the table. The mapped prefix is why this doesn't go through `parseNetwork`. */
function network(text: string): Network {
  const [address, bits] = ipaddr.parseCIDR(text);
  return { text, bytes: address.toByteArray(), bits };
}
