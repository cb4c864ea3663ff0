import Type, { type Static } from 'typebox';
import type { PublishMessage } from '../../accept/accept.ts';
import { ApiError } from '../../errors.ts';
import { BATCH_MESSAGES, PUBLISH_BODY_BYTES } from '../../limits.ts';
import { MessageIn } from '../operator/schemas.ts';
import { elementSpans, memberSpan, valueStart } from '../raw-json.ts';
import { bodyCheck, type Check, invalid, WHOLE_BODY } from '../validation.ts';

export type MessageFields = Static<typeof MessageIn>;
type Loc = readonly (string | number)[];

/** A message as it came, and whether its payload is known to be the text of a JSON object. */
export interface ReadMessage {
  readonly message: PublishMessage;
  readonly fields: MessageFields;
  readonly payloadIsObject: boolean;
}

export const MessageBatchIn = Type.Object(
  { messages: Type.Array(MessageIn, { minItems: 1, maxItems: BATCH_MESSAGES }) },
  { title: 'MessageBatchIn' },
);

const checkMessage: Check<MessageFields> = bodyCheck(MessageIn);

/** The message in a body of one publish. Throws `validation`. */
export function readMessage(text: string, value: unknown): ReadMessage {
  checkMessage(value);
  return message(text, valueStart(text), value, ['body'], false);
}

/** The messages in a body of a batch publish, in their order. Throws `validation` naming the index. */
export function readBatch(text: string, value: unknown): ReadMessage[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(WHOLE_BODY, 'must be object', 'value_error.jsondecode');
  }
  const list = (value as { messages?: unknown }).messages;
  if (list === undefined) throw invalid(WHOLE_BODY, 'missing field `messages`', 'value_error.jsondecode');
  if (!Array.isArray(list)) throw invalid(['body', 'messages'], 'must be array', 'value_error.jsondecode');
  if (list.length === 0 || list.length > BATCH_MESSAGES) {
    throw invalid(['body', 'messages'], `must have 1 to ${BATCH_MESSAGES} messages`);
  }
  const open = memberSpan(text, valueStart(text), 'messages')?.start ?? 0;
  return elementSpans(text, open).map(({ start }, index) => {
    const at = ['body', 'messages', index];
    const fields: unknown = list[index];
    checkMessage(fields, at);
    return message(text, start, fields, at, true);
  });
}

function message(text: string, start: number, fields: MessageFields, at: Loc, indexed: boolean): ReadMessage {
  const raw = fields.transformationsParams?.rawPayload ?? null;
  const name = fields.payload !== undefined ? 'payload' : 'data';
  if (fields[name] === undefined) {
    if (indexed) throw invalid([...at, 'payload'], 'missing field `payload`');
    throw invalid(WHOLE_BODY, 'missing field `payload`', 'value_error.jsondecode');
  }
  if (raw !== null && !raw.isWellFormed()) {
    throw invalid([...at, 'transformationsParams', 'rawPayload'], 'must be text that UTF-8 can carry');
  }
  const payload = raw ?? memberText(text, start, name);
  // A character takes at least one byte, so only a text near the limit is measured.
  if (payload.length * 3 > PUBLISH_BODY_BYTES && Buffer.byteLength(payload) > PUBLISH_BODY_BYTES) {
    throw new ApiError('payload_too_large', `A payload may have at most ${PUBLISH_BODY_BYTES} bytes.`, {
      at,
    });
  }
  return {
    message: {
      eventType: fields.eventType,
      eventId: fields.eventId ?? null,
      channels: fields.channels ? distinct(fields.channels) : null,
      tags: fields.tags ? distinct(fields.tags) : null,
      payload,
    },
    fields,
    payloadIsObject: raw === null,
  };
}

function memberText(text: string, open: number, name: string): string {
  const span = memberSpan(text, open, name);
  if (span === null) throw new Error('A member that was parsed was not found in the text.');
  const found = text.slice(span.start, span.end);
  // A slice keeps the whole text that it was cut from alive: copied where that would be much more than the slice.
  return found.length * 2 < text.length ? Buffer.from(found).toString() : found;
}

function distinct(values: readonly string[]): string[] {
  return values.length < 2 ? [...values] : [...new Set(values)];
}
