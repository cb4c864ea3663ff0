import type { Message } from '../../model/message.ts';

export interface MessageRow {
  message_key: number;
  application_key: number;
  id: string;
  event_id: string | null;
  event_type: string;
  channels: string | null;
  tags: string | null;
  deliver_at: number | null;
  expires_at: number | null;
  ordering_key: string | null;
  /** As the database writes it. */
  matched: 0 | 1 | boolean;
  created_at: number;
}

export function message(row: MessageRow, payload: string | null): Message {
  return {
    key: row.message_key,
    applicationKey: row.application_key,
    id: row.id,
    eventId: row.event_id,
    eventType: row.event_type,
    channels: row.channels === null ? null : JSON.parse(row.channels),
    tags: row.tags === null ? null : JSON.parse(row.tags),
    payload,
    deliverAt: row.deliver_at,
    expiresAt: row.expires_at,
    orderingKey: row.ordering_key,
    matched: Boolean(row.matched),
    createdAt: row.created_at,
  };
}
