import { createSocket, type RemoteInfo } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { isIPv4 } from 'node:net';

/** One record: its owner, and an address or the name that it is an alias for. */
export interface Answer {
  readonly name: string;
  readonly value: string;
  /** Seconds; 0 when left out. */
  readonly ttl?: number;
}

/** What is said to a question: records, an error of DNS, or nothing at all. */
export type Reply = readonly Answer[] | 'NXDOMAIN' | 'SERVFAIL' | 'silence';

export interface NameServer {
  /** The questions that came: `A hooks.example.com`. */
  readonly asked: readonly string[];
  /** `127.0.0.1:port` */
  readonly address: string;
  /** c-ares, as Posthorn asks it, with this server for its only one. */
  readonly resolver: Resolver;
  close(): Promise<void>;
}

const TYPES = { A: 1, CNAME: 5, AAAA: 28 } as const;
const CODES = { NXDOMAIN: 3, SERVFAIL: 2 } as const;

/** A name server on loopback whose answers are the test's. */
export async function startNameServer(
  reply: (type: 'A' | 'AAAA', name: string) => Reply,
): Promise<NameServer> {
  const socket = createSocket('udp4');
  const asked: string[] = [];
  socket.on('message', (query: Buffer, from: RemoteInfo) => {
    const { name, type, end } = questionOf(query);
    const family = type === TYPES.A ? 'A' : 'AAAA';
    asked.push(`${family} ${name}`);
    const said = reply(family, name);
    if (said !== 'silence') socket.send(answerTo(query, end, said), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const resolver = new Resolver({ timeout: 300, tries: 1 });
  const address = `127.0.0.1:${socket.address().port}`;
  resolver.setServers([address]);
  return {
    address,
    asked,
    resolver,
    async close() {
      resolver.cancel();
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

/** Header, question as it came, answers (RFC 1035, 4.1). */
function answerTo(query: Buffer, questionEnd: number, said: Exclude<Reply, 'silence'>): Buffer {
  const answers = typeof said === 'string' ? [] : said;
  const header = Buffer.alloc(12);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8180 | (typeof said === 'string' ? CODES[said] : 0), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(answers.length, 6);
  return Buffer.concat([header, query.subarray(12, questionEnd), ...answers.map(record)]);
}

function record({ name, value, ttl = 0 }: Answer): Buffer {
  const isAddress6 = value.includes(':');
  const type = isAddress6 ? TYPES.AAAA : isIPv4(value) ? TYPES.A : TYPES.CNAME;
  const data = isAddress6
    ? bytes6(value)
    : isIPv4(value)
      ? Buffer.from(value.split('.').map(Number))
      : nameBytes(value);
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(ttl, 4);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([nameBytes(name), fixed, data]);
}

function nameBytes(name: string): Buffer {
  const labels = name
    .split('.')
    .map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`, 'latin1'));
  return Buffer.concat([...labels, Buffer.from([0])]);
}

/** The sixteen bytes, by way of the URL parser, which spells every address in groups. */
function bytes6(text: string): Buffer {
  const [head = '', tail = ''] = new URL(`http://[${text}]/`).hostname.slice(1, -1).split('::');
  const left = head.split(':').filter(Boolean);
  const right = tail.split(':').filter(Boolean);
  const zeros = Array<string>(8 - left.length - right.length).fill('0');
  return Buffer.from([...left, ...zeros, ...right].map((group) => group.padStart(4, '0')).join(''), 'hex');
}
