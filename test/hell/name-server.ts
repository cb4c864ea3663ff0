import { isIPv4 } from 'node:net';
import {
  type NameServer as DnsServer,
  type Reply,
  startNameServer as startDns,
} from '../helpers/name-server.ts';

/** What DNS says of a name when it is asked. */
export type DnsAnswer =
  | { readonly addresses: readonly string[] }
  | { readonly failure: 'no such name' | 'server failure' }
  | 'silence';

export interface NameServer extends Pick<DnsServer, 'address' | 'close'> {
  /** How many names it was asked about. */
  readonly asked: number;
  /** What is said of a name, one answer after the other, the last one for ever. */
  set(name: string, answers: readonly DnsAnswer[]): void;
}

const CODES = { 'server failure': 'SERVFAIL', 'no such name': 'NXDOMAIN' } as const;

/** A name server whose answers follow a script. Nothing it says may be kept (TTL 0). */
export async function startNameServer(): Promise<NameServer> {
  const names = new Map<string, readonly DnsAnswer[]>();
  const timesAsked = new Map<string, number>();
  const namesAsked = new Set<string>();
  const { address, close } = await startDns((type, name) => {
    const answers = names.get(name) ?? [{ failure: 'no such name' }];
    const key = `${type} ${name}`;
    const before = timesAsked.get(key) ?? 0;
    timesAsked.set(key, before + 1);
    namesAsked.add(name);
    return replyTo(type, name, answers[Math.min(before, answers.length - 1)] as DnsAnswer);
  });
  return {
    address,
    close,
    get asked() {
      return namesAsked.size;
    },
    set: (name, answers) => void names.set(name, answers),
  };
}

function replyTo(type: 'A' | 'AAAA', name: string, answer: DnsAnswer): Reply {
  if (answer === 'silence') return answer;
  if ('failure' in answer) return CODES[answer.failure];
  const ofType = answer.addresses.filter((each) => isIPv4(each) === (type === 'A'));
  return ofType.map((value) => ({ name, value }));
}
