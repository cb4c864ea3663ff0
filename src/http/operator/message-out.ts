import type { Static } from 'typebox';
import type { Message } from '../../model/message.ts';
import { valueStart } from '../raw-json.ts';
import type { MessageOut } from './schemas/message.ts';

/** What a message's JSON is made of: a stored message, or one that was just accepted. */
export type ShownMessage = Pick<
  Message,
  'id' | 'eventId' | 'eventType' | 'payload' | 'channels' | 'tags' | 'deliverAt' | 'createdAt'
>;

let lastAt = 0;
let lastText = new Date(0).toISOString();

/** RFC 3339 in UTC. Messages of one transaction have one time, so the last text is kept. */
export function timeText(at: number): string {
  if (at !== lastAt) {
    lastText = new Date(at).toISOString();
    lastAt = at;
  }
  return lastText;
}

/**
 * MessageOut as JSON text. The payload's text is put in as it is: parsing and writing it again would change numbers and
 * drop duplicates. `trusted`: the payload is known to be the text of a JSON object.
 */
export function messageOutText(
  message: ShownMessage,
  options: { withContent: boolean; trusted: boolean },
): string {
  const { id, eventId, eventType, channels, tags, deliverAt, createdAt } = message;
  const payload = options.withContent ? payloadText(message.payload, options.trusted) : '{}';
  return (
    `{"eventId":${JSON.stringify(eventId)},"eventType":${JSON.stringify(eventType)},"payload":${payload}` +
    `,"channels":${JSON.stringify(channels)},"tags":${JSON.stringify(tags)}` +
    `,"id":"${id}","timestamp":"${timeText(createdAt)}"` +
    `,"deliverAt":${deliverAt === null ? 'null' : `"${new Date(deliverAt).toISOString()}"`}}`
  );
}

/** MessageOut without the payload. */
export function messageOutBare(message: ShownMessage): Static<typeof MessageOut> {
  const { id, eventId, eventType, channels, tags, deliverAt, createdAt } = message;
  return {
    eventId,
    eventType,
    payload: {},
    channels: channels && [...channels],
    tags: tags && [...tags],
    id,
    timestamp: timeText(createdAt),
    deliverAt: deliverAt === null ? null : timeText(deliverAt),
  };
}

function payloadText(payload: string | null, trusted: boolean): string {
  if (payload === null) return '{"expired":true}';
  return trusted || isObjectText(payload) ? payload : JSON.stringify(payload);
}

/**
 * A raw payload can be any text; only that of a JSON object can stand in the answer as it is. Only text between braces is
 * parsed: 1 to 12 ms a MB of what is commonly sent, 110 at worst (measured: nested arrays), and a page has 4 MB at most.
 */
function isObjectText(text: string): boolean {
  if (text[valueStart(text)] !== '{' || !text.trimEnd().endsWith('}')) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
