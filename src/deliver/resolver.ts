import { Resolver as CaresResolver } from 'node:dns/promises';
import { LRUCache } from 'lru-cache';
import type { Clock, Timer } from '../model/clock.ts';
import { durationText, ExchangeFailure } from './exchange-failure.ts';
import { createHostsFile, type HostsFile, type ResolvedAddress } from './hosts-file.ts';

/** Names to addresses. Judging those is the egress guard's part. */
export interface Resolver {
  /** At least one address; rejects with an `ExchangeFailure` (`dns_failed`). */
  resolve(name: string): Promise<readonly ResolvedAddress[]>;
}

interface RecordWithTtl {
  readonly address: string;
  /** Seconds. */
  readonly ttl: number;
}

/** The two questions asked of DNS. */
export interface DnsQueries {
  resolve4(name: string, options: { ttl: true }): Promise<RecordWithTtl[]>;
  resolve6(name: string, options: { ttl: true }): Promise<RecordWithTtl[]>;
}

export interface ResolverOptions {
  readonly clock: Clock;
  readonly dns?: DnsQueries;
  readonly hosts?: HostsFile;
  /** Names asked for at the same time; more wait. */
  readonly concurrentNames?: number;
  readonly timeoutMs?: number;
}

type Answer = { readonly addresses: readonly ResolvedAddress[] } | { readonly failure: ExchangeFailure };
type Found = { readonly records: readonly RecordWithTtl[] } | { readonly error: string };

const NAMES_KEPT = 10_000;
const CONCURRENT_NAMES = 512;
const TIMEOUT_MS = 5_000;
const TTL_LEAST_MS = 1_000;
const TTL_MOST_MS = 5 * 60_000;
/** How long a missing name, and how long a DNS server's failure, is remembered. */
const NO_SUCH_NAME_KEPT_MS = 5_000;
const FAILURE_KEPT_MS = 1_000;
/** When one family has answered, a name server that is silent about the other must not hold up the delivery. */
const OTHER_FAMILY_MS = 300;

const LOCALHOST: Answer = {
  addresses: [
    { address: '127.0.0.1', family: 4 },
    { address: '::1', family: 6 },
  ],
};

/**
 * Asks DNS through c-ares: `dns.lookup` has four threads for the whole process, so that a few hanging names would
 * stop every delivery. Answers are kept as long as their TTL says, within bounds.
 */
export function createResolver(options: ResolverOptions): Resolver {
  const { clock, concurrentNames = CONCURRENT_NAMES, timeoutMs = TIMEOUT_MS } = options;
  const dns = options.dns ?? new CaresResolver({ timeout: 1_500, tries: 2 });
  const hosts = options.hosts ?? createHostsFile({ clock });
  const kept = new LRUCache<string, { answer: Answer; until: number }>({ max: NAMES_KEPT });
  const asked = new Map<string, Promise<Answer>>();
  const waiting: (() => void)[] = [];
  let running = 0;

  function enter(start: () => Promise<unknown>): void {
    if (running >= concurrentNames) {
      waiting.push(() => enter(start));
      return;
    }
    running++;
    const leave = () => {
      running--;
      waiting.shift()?.();
    };
    start().then(leave, leave);
  }

  /** Concurrent asks for one name share one query. */
  function ask(name: string): Promise<Answer> {
    const underWay = asked.get(name);
    if (underWay !== undefined) return underWay;
    const asking = query({ name, clock, dns, timeoutMs, enter }).then(({ answer, keepMs }) => {
      kept.set(name, { answer, until: clock.monotonic() + keepMs });
      asked.delete(name);
      return answer;
    });
    asked.set(name, asking);
    return asking;
  }

  async function find(name: string): Promise<Answer> {
    if (isLocalhost(name)) return LOCALHOST;
    const known = await hosts.addresses(name);
    if (known !== null) return { addresses: known };
    const cached = kept.get(name);
    return cached !== undefined && clock.monotonic() < cached.until ? cached.answer : ask(name);
  }

  return {
    async resolve(name) {
      const got = await find(name.toLowerCase().replace(/\.$/, ''));
      if ('failure' in got) throw got.failure;
      return got.addresses;
    },
  };
}

/** `localhost` and what is under it never go to DNS (RFC 6761). */
export function isLocalhost(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost');
}

interface Query {
  readonly name: string;
  readonly clock: Clock;
  readonly dns: DnsQueries;
  readonly timeoutMs: number;
  readonly enter: (start: () => Promise<unknown>) => void;
}

/** Asks for both families. Never rejects: failures are answers too, kept for a while like the others. */
function query({ name, clock, dns, timeoutMs, enter }: Query): Promise<{ answer: Answer; keepMs: number }> {
  return new Promise((resolve) => {
    let ended = false;
    let grace: Timer | null = null;
    const found: { four?: Found; six?: Found } = {};
    const end = (outcome: { answer: Answer; keepMs: number }) => {
      if (ended) return;
      ended = true;
      deadline.cancel();
      grace?.cancel();
      resolve(outcome);
    };
    const deadline = clock.timer(timeoutMs, () => {
      const message = `DNS gave no answer for ${name} within ${durationText(timeoutMs)}.`;
      end({ answer: { failure: new ExchangeFailure('dns_failed', message) }, keepMs: FAILURE_KEPT_MS });
    });
    const heard = (family: 'four' | 'six', result: Found) => {
      found[family] = result;
      if (ended) return;
      if (found.four !== undefined && found.six !== undefined) end(combine(name, found.four, found.six));
      else if (hasRecords(result)) {
        const none: Found = { records: [] };
        grace = clock.timer(OTHER_FAMILY_MS, () => end(combine(name, found.four ?? none, found.six ?? none)));
      }
    };
    enter(() => {
      if (ended) return Promise.resolve();
      return Promise.all([
        records(() => dns.resolve4(name, { ttl: true })).then((result) => heard('four', result)),
        records(() => dns.resolve6(name, { ttl: true })).then((result) => heard('six', result)),
      ]);
    });
  });
}

async function records(ask: () => Promise<RecordWithTtl[]>): Promise<Found> {
  try {
    return { records: await ask() };
  } catch (error) {
    return { error: error instanceof Error && 'code' in error ? String(error.code) : 'unknown' };
  }
}

function hasRecords(found: Found): boolean {
  return 'records' in found && found.records.length > 0;
}

function combine(name: string, four: Found, six: Found): { answer: Answer; keepMs: number } {
  const addresses: ResolvedAddress[] = [];
  let ttlMs = TTL_MOST_MS;
  for (const [family, found] of [
    [4, four],
    [6, six],
  ] as const) {
    if (!('records' in found)) continue;
    for (const { address, ttl } of found.records) {
      addresses.push({ address, family });
      ttlMs = Math.min(ttlMs, ttl * 1000);
    }
  }
  if (addresses.length > 0) return { answer: { addresses }, keepMs: Math.max(ttlMs, TTL_LEAST_MS) };
  const errors = [four, six].map((found) => ('error' in found ? found.error : 'ENODATA'));
  const broken = errors.find((error) => error !== 'ENOTFOUND' && error !== 'ENODATA');
  const message = failureSentence(name, broken, errors.includes('ENOTFOUND'));
  const keepMs = broken === undefined ? NO_SUCH_NAME_KEPT_MS : FAILURE_KEPT_MS;
  return { answer: { failure: new ExchangeFailure('dns_failed', message) }, keepMs };
}

function failureSentence(name: string, broken: string | undefined, missing: boolean): string {
  if (missing) return `The name ${name} doesn't resolve.`;
  if (broken === undefined) return `The name ${name} has no address.`;
  if (broken === 'EBADNAME') return `The name ${name} is not one that DNS allows.`;
  return `DNS can't say where ${name} is (${broken}).`;
}
