import Type, { type Static } from 'typebox';
import type { PublishMessage } from '../../accept/accept.ts';
import { ApiError } from '../../errors.ts';
import {
  BATCH_MESSAGES,
  DELIVER_AHEAD_MS,
  EXPIRE_AHEAD_MS,
  PAYLOAD_KEPT_MS,
  PUBLISH_BODY_BYTES,
} from '../../limits.ts';
import type { Clock } from '../../model/clock.ts';
import { MessageIn } from '../operator/schemas/message.ts';
import { elementSpans, memberSpan, valueStart } from '../raw-json.ts';
import { bodyCheck, type Check, invalid, WHOLE_BODY } from '../validation.ts';
import { assertWellFormed } from '../well-formed.ts';

export type MessageFields = Static<typeof MessageIn>;
type Loc = readonly (string | number)[];

/** A message as it came, and where its payload stood. But for a raw one it is the text of a JSON object. */
export interface ReadMessage {
  readonly message: PublishMessage;
  readonly fields: MessageFields;
  readonly payloadIn: 'payload' | 'data' | 'rawPayload';
}

export const MessageBatchIn = Type.Object(
  { messages: Type.Array(MessageIn, { minItems: 1, maxItems: BATCH_MESSAGES }) },
  { title: 'MessageBatchIn' },
);

const checkMessage: Check<MessageFields> = bodyCheck(MessageIn);

/** The message in a body of one publish. Throws `validation`. */
export function readMessage(text: string, value: unknown, clock: Clock): ReadMessage {
  checkMessage(value);
  return message(text, valueStart(text), value, { at: ['body'], indexed: false, clock });
}

/** The messages in a body of a batch publish, in their order. Throws `validation` naming the index. */
export function readBatch(text: string, value: unknown, clock: Clock): ReadMessage[] {
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
    return message(text, start, fields, { at, indexed: true, clock });
  });
}

interface Place {
  readonly at: Loc;
  readonly indexed: boolean;
  readonly clock: Clock;
}

function message(text: string, start: number, fields: MessageFields, place: Place): ReadMessage {
  const { at, indexed } = place;
  if (fields.application) assertWellFormed(null, fields.application, [...at, 'application']);
  const raw = fields.transformationsParams?.rawPayload ?? null;
  const name = fields.payload !== undefined ? 'payload' : 'data';
  if (fields[name] === undefined) {
    if (indexed) throw invalid([...at, 'payload'], 'missing field `payload`');
    throw invalid(WHOLE_BODY, 'missing field `payload`', 'value_error.jsondecode');
  }
  if (raw !== null && !raw.isWellFormed()) {
    throw invalid([...at, 'transformationsParams', 'rawPayload'], 'must be text that UTF-8 can carry');
  }
  const orderingKey = fields.orderingKey ?? null;
  if (orderingKey !== null && !orderingKey.isWellFormed()) {
    throw invalid([...at, 'orderingKey'], 'must be text that UTF-8 can carry');
  }
  // PostgreSQL would keep another key in place of it, which may be that of another line.
  if (orderingKey?.includes('\0')) throw invalid([...at, 'orderingKey'], 'must be text without NUL');
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
      orderingKey,
      ...timesOf(fields, place),
    },
    fields,
    payloadIn: raw === null ? name : 'rawPayload',
  };
}

const AT_ONCE = { deliverAt: null, expiresAt: null, payloadUntil: null };
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/**
 * When it is delivered, when that is not worth it any more, and when its payload is forgotten. Most messages say nothing of
 * it, and cost no look at the clock.
 */
function timesOf(fields: MessageFields, { at, clock }: Place) {
  const { payloadRetentionPeriod: days, payloadRetentionHours: hours } = fields;
  if (fields.deliverAt == null && fields.expiresAt == null && days == null && hours == null) return AT_ONCE;
  if (days != null && hours != null) {
    throw invalid([...at, 'payloadRetentionHours'], 'must not be given beside payloadRetentionPeriod');
  }
  const now = clock.now();
  const keptMs = hours != null ? hours * HOUR_MS : (days ?? Number.POSITIVE_INFINITY) * DAY_MS;
  const payloadUntil = keptMs < PAYLOAD_KEPT_MS ? now + keptMs : null;
  const deliverAt = deliveryTime(fields, { at: [...at, 'deliverAt'], now, payloadUntil });
  const expiresAt = expiryTime(fields, { at: [...at, 'expiresAt'], now, deliverAt });
  return { deliverAt, expiresAt, payloadUntil };
}

function deliveryTime(
  fields: MessageFields,
  { at, now, payloadUntil }: { at: Loc; now: number; payloadUntil: number | null },
): number | null {
  if (fields.deliverAt == null) return null;
  const deliverAt = readTime(fields.deliverAt, at);
  if (deliverAt > now + DELIVER_AHEAD_MS) throw invalid(at, 'must be at most 30 days from now');
  if (deliverAt <= now) return null;
  if (payloadUntil !== null && deliverAt >= payloadUntil) {
    throw invalid(at, 'must be before the time of the payload is over');
  }
  return deliverAt;
}

function expiryTime(
  fields: MessageFields,
  { at, now, deliverAt }: { at: Loc; now: number; deliverAt: number | null },
): number | null {
  if (fields.expiresAt == null) return null;
  const expiresAt = readTime(fields.expiresAt, at);
  if (expiresAt <= now) throw invalid(at, 'must be later than now');
  if (deliverAt !== null && expiresAt <= deliverAt) throw invalid(at, 'must be later than deliverAt');
  if (expiresAt > now + EXPIRE_AHEAD_MS) throw invalid(at, 'must be at most 90 days from now');
  return expiresAt;
}

/** RFC 3339 has times that no clock here shows: leap seconds. */
function readTime(text: string, at: Loc): number {
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw invalid(at, 'must be a date and time (RFC 3339)');
  return time;
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
