import type { Statement } from 'better-sqlite3';
import type { Message, NewMessage } from '../../model/message.ts';
import type { Publish, PublishResult } from '../store.ts';
import { bulkInsert } from './bulk-insert.ts';
import { type Connection, transaction } from './connection.ts';
import { stateCode } from './deliveries.ts';

interface Row {
  message_key: number;
  application_key: number;
  id: string;
  event_id: string | null;
  event_type: string;
  channels: string | null;
  tags: string | null;
  created_at: number;
  payload: string | null;
}

type AcceptParams = { publishes: readonly Publish[]; fence: number; now: number };

const COLUMNS = 'message_key, application_key, id, event_id, event_type, channels, tags, created_at';

export function messages(connection: Connection) {
  const last = connection.prepare(
    `SELECT max(coalesce((SELECT max(message_key) FROM message), 0), coalesce((SELECT max(message_key) FROM delivery), 0)) AS key`,
  );
  const byId = connection.prepare('SELECT * FROM message WHERE application_key = ? AND id = ?');
  const byEventId = connection.prepare('SELECT * FROM message WHERE application_key = ? AND event_id = ?');
  const list = (columns: string, direction: 'ASC' | 'DESC') =>
    connection.prepare(
      `SELECT ${columns} FROM message WHERE application_key = ? AND id < coalesce(?, '~') AND id > coalesce(?, '')
       ORDER BY id ${direction} LIMIT ?`,
    );
  const lists = {
    newest: { with: list('*', 'DESC'), without: list(`${COLUMNS}, NULL AS payload`, 'DESC') },
    oldest: { with: list('*', 'ASC'), without: list(`${COLUMNS}, NULL AS payload`, 'ASC') },
  };
  const accept = accepting(connection, (last.get() as { key: number }).key, byEventId);

  return {
    messageAccept: accept,
    messageFind({ applicationKey, ref }: { applicationKey: number; ref: string }): Message | null {
      const row = byId.get(applicationKey, ref) ?? byEventId.get(applicationKey, ref);
      return row === undefined ? null : message(row as Row);
    },
    messageList(params: {
      applicationKey: number;
      limit: number;
      before: string | null;
      after: string | null;
      withPayload: boolean;
    }): Message[] {
      // With only a lower bound, the page next to it is wanted, still newest first.
      const upwards = params.after !== null && params.before === null;
      const statement = lists[upwards ? 'oldest' : 'newest'][params.withPayload ? 'with' : 'without'];
      const rows = statement.all(params.applicationKey, params.before, params.after, params.limit) as Row[];
      return (upwards ? rows.reverse() : rows).map(message);
    },
  };
}

/** The hot path: one transaction, few statements, and no read unless an event id or an idempotency key asks for one. */
function accepting(connection: Connection, lastKey: number, byEventId: Statement) {
  const insertMessages = bulkInsert(connection, 'message', [...COLUMNS.split(', '), 'payload']);
  const insertDeliveries = bulkInsert(connection, 'delivery', [
    'message_key',
    'endpoint_key',
    'state',
    'attempt_count',
    'next_attempt_at',
    'fence',
  ]);
  const insertIdempotency = connection.prepare(
    'INSERT INTO idempotency (key_hash, body_hash, message_ids, created_at) VALUES (?, ?, ?, ?)',
  );
  const findIdempotency = connection.prepare(
    'SELECT body_hash, message_ids FROM idempotency WHERE key_hash = ?',
  );
  let nextKey = lastKey + 1;

  /** Why this publish is not taken; null: it is. */
  const refusal = (publish: Publish, taken: Set<string>): PublishResult | null => {
    if (publish.idempotency !== null) {
      const found = findIdempotency.get(publish.idempotency.keyHash) as
        | { body_hash: Buffer; message_ids: string }
        | undefined;
      if (found?.body_hash.equals(publish.idempotency.bodyHash)) {
        return { kind: 'replayed', messageIds: JSON.parse(found.message_ids) };
      }
      if (found) return { kind: 'idempotency_mismatch' };
    }
    const own = new Set<string>();
    for (const { eventId } of publish.messages) {
      if (eventId === null) continue;
      const name = `${publish.applicationKey} ${eventId}`;
      if (own.has(name) || taken.has(name) || byEventId.get(publish.applicationKey, eventId))
        return { kind: 'event_id_taken', eventId };
      own.add(name);
    }
    for (const name of own) taken.add(name);
    return null;
  };

  return ({ publishes, fence, now }: AcceptParams): PublishResult[] => {
    const firstKey = nextKey;
    try {
      return transaction(connection, () => {
        const messageValues: unknown[] = [];
        const deliveryValues: unknown[] = [];
        const taken = new Set<string>();
        const results = publishes.map((publish): PublishResult => {
          const refused = refusal(publish, taken);
          if (refused !== null) return refused;
          const messageKeys = publish.messages.map((each) => {
            const key = nextKey++;
            messageValues.push(
              key,
              publish.applicationKey,
              each.id,
              each.eventId,
              each.eventType,
              list(each.channels),
              list(each.tags),
              each.createdAt,
              each.payload,
            );
            addDeliveries(deliveryValues, key, each, fence, now);
            return key;
          });
          if (publish.idempotency !== null) {
            const { keyHash, bodyHash } = publish.idempotency;
            insertIdempotency.run(
              keyHash,
              bodyHash,
              JSON.stringify(publish.messages.map(({ id }) => id)),
              now,
            );
          }
          return { kind: 'accepted', messageKeys };
        });
        insertMessages(messageValues);
        insertDeliveries(deliveryValues);
        return results;
      });
    } catch (error) {
      nextKey = firstKey;
      throw error;
    }
  };
}

function addDeliveries(
  values: unknown[],
  messageKey: number,
  message: NewMessage,
  fence: number,
  now: number,
): void {
  for (const { endpointKey, state } of message.deliveries) {
    values.push(
      messageKey,
      endpointKey,
      stateCode(state),
      0,
      state === 'held' ? null : now,
      state === 'sending' ? fence : 0,
    );
  }
}

function list(values: readonly string[] | null): string | null {
  return values === null ? null : JSON.stringify(values);
}

function message(row: Row): Message {
  return {
    key: row.message_key,
    applicationKey: row.application_key,
    id: row.id,
    eventId: row.event_id,
    eventType: row.event_type,
    channels: row.channels === null ? null : JSON.parse(row.channels),
    tags: row.tags === null ? null : JSON.parse(row.tags),
    payload: row.payload,
    createdAt: row.created_at,
  };
}
