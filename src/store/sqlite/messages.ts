import type { Message } from '../../model/message.ts';
import type { Connection } from './connection.ts';

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

/** All but the payload. */
export const MESSAGE_COLUMNS = [
  'message_key',
  'application_key',
  'id',
  'event_id',
  'event_type',
  'channels',
  'tags',
  'created_at',
];
const COLUMNS = MESSAGE_COLUMNS.join(', ');

export function messages(connection: Connection) {
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

  return {
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
      payloadCharacters?: number;
    }): Message[] {
      // With only a lower bound, the page next to it is wanted, still newest first.
      const upwards = params.after !== null && params.before === null;
      const statement = lists[upwards ? 'oldest' : 'newest'][params.withPayload ? 'with' : 'without'];
      const { applicationKey, before, after, limit, payloadCharacters = Number.POSITIVE_INFINITY } = params;
      const found: Message[] = [];
      let characters = 0;
      // One by one: what the page has no room for is not read.
      for (const row of statement.iterate(applicationKey, before, after, limit) as Iterable<Row>) {
        found.push(message(row));
        characters += row.payload?.length ?? 0;
        if (characters > payloadCharacters && found.length > 1) break;
      }
      return upwards ? found.reverse() : found;
    },
  };
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
