import type { NewMessage } from '../../model/message.ts';
import { stateCode } from '../rows/delivery-states.ts';
import { acceptedTallies } from '../rows/tally-batch.ts';
import type { Publish, PublishResult, Store } from '../store.ts';
import { bulkInsert } from './bulk-insert.ts';
import { type Connection, transaction } from './connection.ts';
import { idempotency } from './idempotency.ts';
import { type IsFirst, newcomers } from './lines.ts';
import { lastMessageKey } from './message-keys.ts';
import { MESSAGE_COLUMNS } from './messages.ts';
import { tallying } from './tallies.ts';

type AcceptParams = Parameters<Store['messageAccept']>[0];

const DELIVERY_COLUMNS = [
  'message_key',
  'endpoint_key',
  'state',
  'attempt_count',
  'next_attempt_at',
  'fence',
  'reason',
  'order_key',
];

const SELDOM_OF_MESSAGE = [
  'event_id',
  'channels',
  'tags',
  'deliver_at',
  'expires_at',
  'ordering_key',
  'payload_until',
];

/** The hot path: one transaction, few statements, and no read unless an event id or an idempotency key asks for one. */
export function publishes(connection: Connection) {
  const insertMessages = bulkInsert(connection, 'message', MESSAGE_COLUMNS, SELDOM_OF_MESSAGE);
  const insertDeliveries = bulkInsert(connection, 'delivery', DELIVERY_COLUMNS, ['reason', 'order_key']);
  const insertExpiry = bulkInsert(connection, 'expiry', ['expires_at', 'message_key']);
  const begin = newcomers(connection);
  const keys = idempotency(connection);
  const takenEventId = eventIds(connection);
  const tally = tallying(connection);
  let nextKey = lastMessageKey(connection) + 1;

  const accept = ({ publishes: calls, fence, now }: AcceptParams): PublishResult[] => {
    const messages: unknown[] = [];
    const deliveries: unknown[] = [];
    const expiries: unknown[] = [];
    const applicationKeys: number[] = [];
    const isFirst = begin();
    const batchEventIds = new Set<string>();
    const results = calls.map((publish): PublishResult => {
      const earlier = publish.idempotency === null ? null : keys.earlier(publish.idempotency);
      if (earlier !== null) return earlier;
      const eventId = takenEventId(publish, batchEventIds);
      if (eventId !== null) return { kind: 'event_id_taken', eventId };
      const messageKeys = publish.messages.map((message) => {
        const key = nextKey++;
        applicationKeys.push(publish.applicationKey);
        addMessage(messages, key, publish.applicationKey, message);
        if (message.expiresAt !== null) expiries.push(message.expiresAt, key);
        addDeliveries(deliveries, key, message, { fence, now, isFirst });
        return key;
      });
      keys.keep(publish, now);
      return { kind: 'accepted', messageKeys };
    });
    insertMessages(messages);
    insertDeliveries(deliveries);
    insertExpiry(expiries);
    tally(acceptedTallies(applicationKeys), now);
    return results;
  };

  return {
    messageAccept(params: AcceptParams): PublishResult[] {
      const firstKey = nextKey;
      try {
        return transaction(connection, () => accept(params));
      } catch (error) {
        nextKey = firstKey;
        throw error;
      }
    },
    idempotencyFind: keys.earlier,
    idempotencyPurge: keys.purge,
  };
}

/** Finds the first event id of a publish that is taken: in the store, by the batch, or by the publish itself. */
function eventIds(connection: Connection) {
  const find = connection.prepare('SELECT 1 FROM message WHERE application_key = ? AND event_id = ?');
  return ({ applicationKey, messages }: Publish, batch: Set<string>): string | null => {
    const own = new Set<string>();
    for (const { eventId } of messages) {
      if (eventId === null) continue;
      const name = `${applicationKey} ${eventId}`;
      if (own.has(name) || batch.has(name) || find.get(applicationKey, eventId) !== undefined) return eventId;
      own.add(name);
    }
    for (const name of own) batch.add(name);
    return null;
  };
}

/** In the order of MESSAGE_COLUMNS. */
function addMessage(values: unknown[], key: number, applicationKey: number, message: NewMessage): void {
  values.push(
    key,
    applicationKey,
    message.id,
    message.eventId,
    message.eventType,
    list(message.channels),
    list(message.tags),
    message.deliverAt,
    message.expiresAt,
    message.orderingKey,
    message.payloadUntil,
    message.createdAt,
    message.payload,
  );
}

/** In the order of DELIVERY_COLUMNS. One that is ordered has a time only when it is the first of its line. */
function addDeliveries(
  values: unknown[],
  messageKey: number,
  message: NewMessage,
  { fence, now, isFirst }: { fence: number; now: number; isFirst: IsFirst },
): void {
  const dueAt = message.deliverAt ?? now;
  for (const delivery of message.deliveries) {
    const { endpointKey, state, orderKey } = delivery;
    if (state === 'sending' && orderKey !== null)
      throw new Error('An ordered delivery cannot be leased at once.');
    const waits = orderKey !== null && !isFirst(endpointKey, orderKey);
    values.push(
      messageKey,
      endpointKey,
      stateCode(state),
      0,
      state === 'held' || waits ? null : dueAt,
      state === 'sending' ? fence : 0,
      state === 'held' ? delivery.reason : null,
      orderKey,
    );
  }
}

function list(values: readonly string[] | null): string | null {
  return values === null ? null : JSON.stringify(values);
}
