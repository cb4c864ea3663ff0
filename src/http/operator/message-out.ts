import type { Static } from 'typebox';
import type { Message, NewMessage } from '../../model/message.ts';
import { valueStart } from '../raw-json.ts';
import type { MessageOut } from './schemas/message.ts';

/** What a message's JSON is made of: a stored message, or one that was just accepted. */
export type ShownMessage = Omit<Message, 'key' | 'applicationKey' | 'matched'> &
  (Pick<Message, 'matched'> | Pick<NewMessage, 'deliveries'>);

/** What the schema of its event type does not allow in a payload. */
export interface SchemaProblem {
  readonly loc: readonly (string | number)[];
  readonly msg: string;
}

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
  options: { withContent: boolean; trusted: boolean; schemaProblems?: readonly SchemaProblem[] | undefined },
): string {
  const { id, eventId, eventType, channels, tags, createdAt, orderingKey } = message;
  const { schemaProblems } = options;
  const payload = options.withContent ? payloadText(message.payload, options.trusted) : '{}';
  return (
    `{"eventId":${JSON.stringify(eventId)},"eventType":${JSON.stringify(eventType)},"payload":${payload}` +
    `,"channels":${JSON.stringify(channels)},"tags":${JSON.stringify(tags)}` +
    `,"id":"${id}","timestamp":"${timeText(createdAt)}"` +
    `,"deliverAt":${timeJson(message.deliverAt)},"expiresAt":${timeJson(message.expiresAt)}` +
    `,"orderingKey":${orderingKey === null ? 'null' : JSON.stringify(orderingKey)}` +
    `,"matched":${matchedOf(message)}` +
    `${schemaProblems === undefined ? '' : `,"schemaProblems":${JSON.stringify(schemaProblems)}`}}`
  );
}

/** MessageOut without the payload. */
export function messageOutBare(message: ShownMessage): Static<typeof MessageOut> {
  const { id, eventId, eventType, channels, tags, deliverAt, expiresAt, orderingKey, createdAt } = message;
  return {
    eventId,
    eventType,
    payload: {},
    channels: channels && [...channels],
    tags: tags && [...tags],
    id,
    timestamp: timeText(createdAt),
    deliverAt: deliverAt === null ? null : timeText(deliverAt),
    expiresAt: expiresAt === null ? null : timeText(expiresAt),
    orderingKey,
    matched: matchedOf(message),
  };
}

/** Whether any endpoint wanted it: of one that was just accepted, its deliveries say so. */
export function matchedOf(message: ShownMessage): boolean {
  return 'deliveries' in message ? message.deliveries.length > 0 : message.matched;
}

/** Not by `timeText`, whose last text is that of the messages around it. */
function timeJson(at: number | null): string {
  return at === null ? 'null' : `"${new Date(at).toISOString()}"`;
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
