import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv4 } from 'node:net';

/** What DNS says of a name when it is asked. */
export type DnsAnswer =
  | { readonly addresses: readonly string[] }
  | { readonly failure: 'no such name' | 'server failure' }
  | 'silence';

export interface NameServer {
  /** `127.0.0.1:port` */
  readonly address: string;
  /** How many names it was asked about. */
  readonly asked: number;
  /** What is said of a name, one answer after the other, the last one for ever. */
  set(name: string, answers: readonly DnsAnswer[]): void;
  close(): Promise<void>;
}

const TYPE = { A: 1, AAAA: 28 } as const;
const RCODE = { 'server failure': 2, 'no such name': 3 } as const;
const RESPONSE = 0x8180;

/** A DNS server on a loopback port (RFC 1035, as little of it as it takes). Nothing it says may be kept (TTL 0). */
export async function startNameServer(): Promise<NameServer> {
  const names = new Map<string, readonly DnsAnswer[]>();
  const timesAsked = new Map<string, number>();
  const namesAsked = new Set<string>();
  const socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    const { name, type, end } = questionOf(query);
    const answers = names.get(name) ?? [{ failure: 'no such name' }];
    const key = `${name} ${type}`;
    const before = timesAsked.get(key) ?? 0;
    timesAsked.set(key, before + 1);
    namesAsked.add(name);
    const answer = answers[Math.min(before, answers.length - 1)] as DnsAnswer;
    if (answer === 'silence') return;
    socket.send(packetOf(query.subarray(0, end), type, answer), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    get asked() {
      return namesAsked.size;
    },
    address: `127.0.0.1:${socket.address().port}`,
    set: (name, answers) => void names.set(name, answers),
    async close() {
      socket.close();
      await once(socket, 'close');
    },
  };
}

function questionOf(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

/** `asked`: the query, up to the end of its question. */
function packetOf(asked: Buffer, type: number, answer: Exclude<DnsAnswer, 'silence'>): Buffer {
  const packet = Buffer.from(asked);
  const records = 'addresses' in answer ? answer.addresses.filter((each) => typeOf(each) === type) : [];
  packet.writeUInt16BE(RESPONSE | ('failure' in answer ? RCODE[answer.failure] : 0), 2);
  packet.writeUInt16BE(records.length, 6);
  // Neither authorities nor, as the query may have, anything besides.
  packet.fill(0, 8, 12);
  return Buffer.concat([packet, ...records.map((each) => recordOf(each, type))]);
}

function recordOf(address: string, type: number): Buffer {
  const data = isIPv4(address) ? Buffer.from(address.split('.').map(Number)) : ipv6(address);
  const head = Buffer.alloc(12);
  // The name is that of the question, at offset 12; then type, class, TTL, length.
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

/** Of an address with one `::`. */
function ipv6(address: string): Buffer {
  const [head = '', tail = ''] = address.split('::');
  const words = (text: string) =>
    text === '' ? [] : text.split(':').map((each) => Number.parseInt(each, 16));
  const [before, after] = [words(head), words(tail)];
  const all = [...before, ...Array(8 - before.length - after.length).fill(0), ...after];
  return Buffer.from(all.flatMap((word: number) => [word >> 8, word & 0xff]));
}

function typeOf(address: string): number {
  return isIPv4(address) ? TYPE.A : TYPE.AAAA;
}
