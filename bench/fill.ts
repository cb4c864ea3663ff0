import { NODE_LEASE_MS } from '../src/limits.ts';
import { createIds, type Ids } from '../src/model/id.ts';
import { firstFence } from '../src/model/lease.ts';
import type { NewDelivery, NewMessage } from '../src/model/message.ts';
import { openSqliteStore } from '../src/store/sqlite/open.ts';
import type { AttemptResult, Store } from '../src/store/store.ts';
import { systemClock } from '../src/system/clock.ts';
import { systemRandom } from '../src/system/random.ts';
import { firstAttempt, plainMessage } from './message.ts';
import { multiply } from './multiply.ts';
import { payloadText } from './payload.ts';
import type { ServerFolder } from './server-process.ts';

/** What the oldest message alone has, so that looking for it leads through all the others. */
export const RARE = { eventType: 'ticket.trashed', tag: 'escalated', text: 'a needle in the haystack' };
/** Deliveries that failed, evenly over the store, the oldest message's among them. */
export const FAILED = 10;

export interface Filling {
  readonly folder: ServerFolder;
  readonly count: number;
  /** Their `ep_…` ids. Each message goes to one of them, in turn. */
  readonly endpointIds: readonly string[];
  /**
   * Null: every delivery waits for its first attempt. Else each was settled by one attempt, and the oldest went here too, where
   * nothing went since.
   */
  readonly quietEndpointId: string | null;
}

/** These are written by the store itself; all others are copies of them. */
const HEAD_MESSAGES = 2_000;
/** The time that the messages come from: less than the 28 days that an endpoint's stats can be asked of at once. */
const SPAN_MS = 20 * 86_400_000;
const AGE_OF_NEWEST_MS = 60_000;
/** So many come in the same millisecond. (A new id for a new time takes several times as long as counting on.) */
const BURST_MESSAGES = 20;

const USUAL = { eventType: 'ticket.created', tag: 'billing' };

/**
 * Fills the store of a stopped server. The first messages are written through the store's port, as accept and record do;
 * they are copied in the file until there are as many as are wanted, which is ten times as fast. Resolves with the key of the oldest.
 */
export async function fillStore(filling: Filling): Promise<number> {
  const { count, folder } = filling;
  const firstAt = Date.now() - AGE_OF_NEWEST_MS - SPAN_MS;
  const timeOf = (number: number) => {
    return Math.floor(firstAt + ((number - (number % BURST_MESSAGES)) / count) * SPAN_MS);
  };
  const every = Math.ceil(count / FAILED);
  const store = await openSqliteStore({ folder: folder.dataFolder });
  let oldestKey: number;
  try {
    oldestKey = await writeHead(store, filling, timeOf, every);
  } finally {
    await store.close();
  }
  const failed = Array.from({ length: FAILED - 1 }, (_, index) => (index + 1) * every);
  await multiply({
    file: folder.dataFile,
    oldestKey,
    head: Math.min(HEAD_MESSAGES, count),
    count,
    timeOf,
    failed: filling.quietEndpointId === null ? [] : failed,
  });
  return oldestKey;
}

/** What every message of a store has in common. */
interface Head {
  readonly applicationKey: number;
  readonly endpointKeys: readonly number[];
  readonly quietEndpointKey: number | null;
  readonly fence: number;
  readonly isFailed: (number: number) => boolean;
  readonly ids: Ids;
}

async function writeHead(
  store: Store,
  filling: Filling,
  timeOf: (number: number) => number,
  failedEvery: number,
): Promise<number> {
  const { epoch } = await store.nodeJoin({ name: 'fill', leaseMs: NODE_LEASE_MS.usual });
  let at = 0;
  const ids = createIds({ ...systemClock, now: () => at }, systemRandom);
  const head: Head = {
    ...(await keysOf(store, filling)),
    fence: firstFence(epoch) + 1,
    isFailed: (number) => number % failedEvery === 0,
    ids,
  };
  const numbers = Array.from({ length: Math.min(HEAD_MESSAGES, filling.count) }, (_, number) => number);
  const messages = numbers.map((number) => {
    at = timeOf(number);
    return newMessage(head, number, at);
  });
  const messageKeys = await accept(store, head, messages);
  if (head.quietEndpointKey !== null) {
    const results = numbers.flatMap((number) => {
      const message = messages[number] as NewMessage;
      at = message.createdAt;
      return attemptsOf(head, { message, number, key: messageKeys[number] as number });
    });
    await store.deliveryRecord({ results, now: Date.now() });
  }
  return messageKeys[0] as number;
}

async function keysOf(store: Store, { endpointIds, quietEndpointId }: Filling) {
  const company = await store.applicationFindByNumber({ number: 1 });
  if (company === null) throw new Error('The server has made no company.');
  const endpoints = new Map(
    (await store.endpointList({ applicationKey: company.key })).map(({ id, key }) => [id, key]),
  );
  const keyOf = (endpointId: string) => {
    const key = endpoints.get(endpointId);
    if (key === undefined) throw new Error(`The store has no endpoint ${endpointId}.`);
    return key;
  };
  return {
    applicationKey: company.key,
    endpointKeys: endpointIds.map(keyOf),
    quietEndpointKey: quietEndpointId === null ? null : keyOf(quietEndpointId),
  };
}

function newMessage(head: Head, number: number, createdAt: number): NewMessage {
  const oldest = number === 0;
  const { eventType, tag } = oldest ? RARE : USUAL;
  const payload = payloadText(number, createdAt);
  const state: NewDelivery['state'] = head.quietEndpointKey === null ? 'pending' : 'sending';
  return {
    ...plainMessage({ id: head.ids.next('msg'), eventType, payload, createdAt }),
    eventId: `event-${number}`,
    tags: [tag],
    payload: oldest ? `${payload.slice(0, -1)},"note":"${RARE.text}"}` : payload,
    deliveries: destinations(head, number).map((endpointKey) => ({ endpointKey, state, orderKey: null })),
  };
}

function destinations({ endpointKeys, quietEndpointKey }: Head, number: number): number[] {
  const usual = endpointKeys[number % endpointKeys.length] as number;
  return number === 0 && quietEndpointKey !== null ? [usual, quietEndpointKey] : [usual];
}

async function accept(
  store: Store,
  { applicationKey, fence }: Head,
  messages: readonly NewMessage[],
): Promise<readonly number[]> {
  const revision = (await store.applicationFindByKey({ applicationKey }))?.revision ?? 0;
  const publish = { applicationKey, revision, messages, idempotency: null };
  const [result] = await store.messageAccept({ publishes: [publish], fence, now: Date.now() });
  if (result?.kind !== 'accepted') throw new Error(`The store said ${result?.kind} to a batch.`);
  return result.messageKeys;
}

function attemptsOf(
  head: Head,
  { message, number, key: messageKey }: { message: NewMessage; number: number; key: number },
): AttemptResult[] {
  const failed = head.isFailed(number);
  const { applicationKey, fence } = head;
  return destinations(head, number).map((endpointKey) => {
    const lease = { messageKey, endpointKey, fence, resendKey: null };
    const id = head.ids.next('atmpt');
    return firstAttempt({ id, applicationKey, lease, at: message.createdAt, failed });
  });
}
