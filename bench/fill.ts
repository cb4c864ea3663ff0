import { NODE_LEASE_MS } from '../src/limits.ts';
import { createIds, type Ids } from '../src/model/id.ts';
import { firstFence } from '../src/model/lease.ts';
import type { NewMessage } from '../src/model/message.ts';
import type { AttemptResult, Store } from '../src/store/store.ts';
import { systemClock } from '../src/system/clock.ts';
import { systemRandom } from '../src/system/random.ts';
import { pause } from './clock.ts';
import { firstAttempt, plainMessage } from './message.ts';
import { payloadText } from './payload.ts';
import { figure } from './table.ts';

/** What the oldest message alone has, so that looking for it leads through all the others. */
export const RARE = { eventType: 'ticket.trashed', tag: 'escalated', text: 'a needle in the haystack' };
/** Deliveries that failed, evenly over the store, the oldest message's among them. */
export const FAILED = 10;

/** A message in the store, and the attempt that was made of it. */
export interface StoredMessage {
  readonly id: string;
  readonly eventId: string;
  readonly attemptId: string;
}

export interface Filling {
  readonly store: Store;
  readonly applicationKey: number;
  /** Where every message went. */
  readonly endpointKey: number;
  /** Where the oldest message went too. */
  readonly quietEndpointKey: number;
  readonly count: number;
}

const BATCH_MESSAGES = 2_000;
const PROGRESS_EVERY = 100_000;
/** The time that the messages come from: less than the 28 days that an endpoint's stats can be asked of at once. */
const SPAN_MS = 20 * 86_400_000;
const AGE_OF_NEWEST_MS = 60_000;

const USUAL = { eventType: 'ticket.created', tag: 'billing' };

/**
 * Writes messages through the store's port, as accept and record do but in larger transactions: each with a delivery to
 * one hook and the attempt that settled it. Yields them oldest first, as far as they are written.
 */
export async function* fillStore(filling: Filling): AsyncGenerator<StoredMessage> {
  const { store, count } = filling;
  const { epoch } = await store.nodeJoin({ name: 'fill', leaseMs: NODE_LEASE_MS.usual });
  const fence = firstFence(epoch) + 1;
  const firstAt = Date.now() - SPAN_MS - AGE_OF_NEWEST_MS;
  let at = firstAt;
  const clock = { ...systemClock, now: () => at };
  const [messageIds, attemptIds] = [createIds(clock, systemRandom), createIds(clock, systemRandom)];
  for (let first = 0; first < count; first += BATCH_MESSAGES) {
    const numbers = Array.from({ length: Math.min(BATCH_MESSAGES, count - first) }, (_, n) => first + n);
    const messages = numbers.map((number) => {
      at = firstAt + (number / count) * SPAN_MS;
      return newMessage(filling, number, messageIds, Math.floor(at));
    });
    const messageKeys = await accept(filling, messages, fence);
    const results = numbers.flatMap((number, index) => {
      const message = messages[index] as NewMessage;
      at = message.createdAt;
      const key = messageKeys[index] as number;
      return attemptsOf(filling, { message, number, key }, attemptIds, fence);
    });
    await store.deliveryRecord({ results, now: Date.now() });
    const attempts = new Map(results.map(({ attempt }) => [attempt.messageKey, attempt.id]));
    for (const [index, { id, eventId }] of messages.entries()) {
      const attemptId = attempts.get(messageKeys[index] as number) as string;
      yield { id, eventId: eventId as string, attemptId };
    }
    const written = first + numbers.length;
    if (written % PROGRESS_EVERY === 0) console.error(`    filled ${figure(written)} of ${figure(count)}`);
    // Lets signals and the timer that gives up have their turn.
    await pause(0);
  }
}

function newMessage(filling: Filling, number: number, ids: Ids, createdAt: number): NewMessage {
  const oldest = number === 0;
  const { eventType, tag } = oldest ? RARE : USUAL;
  const payload = payloadText(number, createdAt);
  return {
    ...plainMessage({ id: ids.next('msg'), eventType, payload, createdAt }),
    eventId: `event-${number}`,
    tags: [tag],
    payload: oldest ? `${payload.slice(0, -1)},"note":"${RARE.text}"}` : payload,
    deliveries: destinations(filling, number).map((endpointKey) => ({
      endpointKey,
      state: 'sending',
      orderKey: null,
    })),
  };
}

function destinations({ endpointKey, quietEndpointKey }: Filling, number: number): number[] {
  return number === 0 ? [endpointKey, quietEndpointKey] : [endpointKey];
}

async function accept(
  { store, applicationKey }: Filling,
  messages: readonly NewMessage[],
  fence: number,
): Promise<readonly number[]> {
  const revision = (await store.applicationFindByKey({ applicationKey }))?.revision ?? 0;
  const publish = { applicationKey, revision, messages, idempotency: null };
  const [result] = await store.messageAccept({ publishes: [publish], fence, now: Date.now() });
  if (result?.kind !== 'accepted') throw new Error(`The store said ${result?.kind} to a batch.`);
  return result.messageKeys;
}

function attemptsOf(
  filling: Filling,
  { message, number, key: messageKey }: { message: NewMessage; number: number; key: number },
  ids: Ids,
  fence: number,
): AttemptResult[] {
  const failed = number % Math.ceil(filling.count / FAILED) === 0;
  const { applicationKey } = filling;
  return destinations(filling, number).map((endpointKey) => {
    const lease = { messageKey, endpointKey, fence, resendKey: null };
    return firstAttempt({ id: ids.next('atmpt'), applicationKey, lease, at: message.createdAt, failed });
  });
}
