import type { Hit } from './hooks.ts';

/** One process of the server. Times are ms of the monotonic clock; the last life ended in peace: `killedAt` null. */
export interface Life {
  readonly spawnedAt: number;
  readonly killedAt: number | null;
}

export interface Evidence {
  readonly hooks: readonly string[];
  readonly lives: readonly Life[];
  /** Message id -> publish number of every 202. */
  readonly acknowledged: ReadonlyMap<string, number>;
  readonly keyed: ReadonlySet<number>;
  readonly hits: readonly Hit[];
  /** Attempts that the store holds, by `pairKey`. */
  readonly attempts: ReadonlyMap<string, number>;
}

export interface Report {
  readonly acknowledged: number;
  readonly hits: number;
  /** Acknowledged messages x hooks that never took them. Must be 0. */
  readonly lost: number;
  /** Messages that arrived although their publish was never answered: taken before the kill, as may be. */
  readonly unacknowledged: number;
  /** Of those, message x hook that never took them: all or nothing was promised. Must be 0. */
  readonly torn: number;
  /** Hits at a hook that had taken the message before. */
  readonly duplicates: number;
  /** Of those: a kill came in between, before the earlier one can have been recorded. */
  readonly explained: number;
  /** Must be 0. */
  readonly unexplained: number;
  /** How long before its kill the oldest of the explained was answered, in ms. */
  readonly oldestExplainedMs: number;
  /** Publish numbers under a key that became more than one message. Must be 0. */
  readonly keyTwice: number;
  /** Hits whose signature was wrong, or whose body was another message's. Must be 0. */
  readonly unverified: number;
  readonly mixedUp: number;
  readonly attemptsOnRecord: number;
  /** Hits that are not on record: under way at a kill, as may be; and those that nothing explains: must be 0. */
  readonly unrecorded: number;
  readonly unrecordedUnexplained: number;
  /** Attempts on record that never arrived: they failed before. */
  readonly attemptsWithoutHit: number;
}

/**
 * How long an outcome may wait to be recorded: the recorder's window is 10 ms, and the rest is room for a machine that
 * runs other things. A duplicate of something answered longer before the kill is a fault.
 */
const RECORDED_WITHIN_MS = 1_000;

export function pairKey(messageId: string, hook: string): string {
  return `${messageId} ${hook}`;
}

/** Holds what was promised against what happened. */
export function reconcile(evidence: Evidence): Report {
  const { acknowledged, hooks, hits, lives } = evidence;
  const pairs = new Map<string, Hit[]>();
  const received = new Set<string>();
  for (const hit of hits) {
    received.add(hit.messageId);
    const key = pairKey(hit.messageId, hit.hook);
    const known = pairs.get(key);
    if (known === undefined) pairs.set(key, [hit]);
    else known.push(hit);
  }
  const taken = (messageId: string, hook: string) =>
    pairs.get(pairKey(messageId, hook))?.some((hit) => hit.outcome === 'accepted') ?? false;
  const missing = (messageIds: Iterable<string>) => {
    let count = 0;
    for (const id of messageIds) count += hooks.filter((hook) => !taken(id, hook)).length;
    return count;
  };
  const unacknowledged = [...received].filter((id) => !acknowledged.has(id));
  const number = (hit: Hit) => acknowledged.get(hit.messageId) ?? hit.number;
  return {
    acknowledged: acknowledged.size,
    hits: hits.length,
    lost: missing(acknowledged.keys()),
    unacknowledged: unacknowledged.length,
    torn: missing(unacknowledged),
    ...judgeDuplicates(pairs, lives),
    keyTwice: countKeyTwice(evidence),
    unverified: hits.filter((hit) => !hit.verified).length,
    mixedUp: hits.filter((hit) => hit.number !== number(hit)).length,
    ...judgeAttempts(pairs, evidence),
  };
}

/** What is wrong, in words; empty when all is well. */
export function problemsOf(report: Report): string[] {
  const faults: [keyof Report, string][] = [
    ['lost', 'acknowledged deliveries were lost'],
    ['torn', 'deliveries are missing of messages that reached another hook'],
    ['unexplained', 'duplicates have no crash to explain them'],
    ['keyTwice', 'publishes became more than one message in spite of their idempotency key'],
    ['unverified', 'deliveries had a wrong signature'],
    ['mixedUp', 'deliveries had the body of another message'],
    ['unrecordedUnexplained', 'attempts are missing from the record, with no crash to explain them'],
  ];
  return faults.filter(([name]) => report[name] > 0).map(([name, words]) => `${report[name]} ${words}`);
}

function judgeDuplicates(pairs: ReadonlyMap<string, readonly Hit[]>, lives: readonly Life[]) {
  let duplicates = 0;
  let explained = 0;
  let oldestExplainedMs = 0;
  for (const hits of pairs.values()) {
    let earlier: Hit | null = null;
    for (const hit of hits) {
      if (earlier !== null) {
        duplicates++;
        const ageMs = ageAtKill(earlier, lives);
        if (ageMs !== null && ageMs <= RECORDED_WITHIN_MS && lifeOf(hit, lives) > lifeOf(earlier, lives)) {
          explained++;
          oldestExplainedMs = Math.max(oldestExplainedMs, ageMs);
        }
      }
      if (hit.outcome === 'accepted') earlier = hit;
    }
  }
  return { duplicates, explained, unexplained: duplicates - explained, oldestExplainedMs };
}

/** Each hit is an attempt on record, unless a kill came before it could be written. */
function judgeAttempts(pairs: ReadonlyMap<string, readonly Hit[]>, { attempts, lives }: Evidence) {
  let unrecorded = 0;
  let unrecordedUnexplained = 0;
  let attemptsWithoutHit = 0;
  let attemptsOnRecord = 0;
  for (const count of attempts.values()) attemptsOnRecord += count;
  for (const [key, count] of attempts) {
    attemptsWithoutHit += Math.max(0, count - (pairs.get(key)?.length ?? 0));
  }
  for (const [key, hits] of pairs) {
    const missing = Math.max(0, hits.length - (attempts.get(key) ?? 0));
    const ambiguous = hits.filter(
      (hit) => (ageAtKill(hit, lives) ?? Number.POSITIVE_INFINITY) <= RECORDED_WITHIN_MS,
    );
    unrecorded += missing;
    unrecordedUnexplained += Math.max(0, missing - ambiguous.length);
  }
  return { attemptsOnRecord, unrecorded, unrecordedUnexplained, attemptsWithoutHit };
}

function countKeyTwice({ acknowledged, keyed, hits }: Evidence): number {
  const messages = new Map<number, Set<string>>();
  const note = (number: number, messageId: string) => {
    if (!keyed.has(number)) return;
    const known = messages.get(number);
    if (known === undefined) messages.set(number, new Set([messageId]));
    else known.add(messageId);
  };
  for (const [messageId, number] of acknowledged) note(number, messageId);
  for (const hit of hits) note(hit.number, hit.messageId);
  return [...messages.values()].filter((ids) => ids.size > 1).length;
}

/** The index of the process that sent it: the last that was there when it arrived. */
function lifeOf(hit: Hit, lives: readonly Life[]): number {
  return lives.findLastIndex(({ spawnedAt }) => spawnedAt <= hit.arrivedAt);
}

/** How long before the kill of its process it was answered: 0 when it was not yet; null when that process was not killed. */
function ageAtKill(hit: Hit, lives: readonly Life[]): number | null {
  const killedAt = lives[lifeOf(hit, lives)]?.killedAt ?? null;
  if (killedAt === null) return null;
  return Math.max(0, killedAt - (hit.endedAt ?? killedAt));
}
