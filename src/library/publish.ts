import { PUBLISH_CALL, publishCallValues } from '../store/postgres/publish-call.ts';
import { assertClient, type PublishClient, rowsBy } from './publish-client.ts';
import { asPublishError, PublishError } from './publish-error.ts';

/** A message, in the words of the HTTP API. */
export interface MessageIn {
  /** The application's id (`app_…`), its uid, or its number. */
  readonly application: string | number;
  readonly eventType: string;
  /** An object, or the text of one as JSON, which is delivered to the byte. */
  readonly payload: object | string;
  /** Your own id of the message, unique within the application. */
  readonly eventId?: string | null | undefined;
  readonly channels?: readonly string[] | null | undefined;
  readonly tags?: readonly string[] | null | undefined;
  /** When delivery begins; a text is RFC 3339. */
  readonly deliverAt?: Date | string | null | undefined;
  /** What was not delivered by then is cancelled. */
  readonly expiresAt?: Date | string | null | undefined;
  /** What endpoints that are ordered by key order it by. */
  readonly orderingKey?: string | null | undefined;
  /** Days, or hours, until the payload is forgotten. */
  readonly payloadRetentionPeriod?: number | null | undefined;
  readonly payloadRetentionHours?: number | null | undefined;
}

export interface PublishedMessage {
  /** `msg_…`, the `webhook-id` of all its deliveries. */
  readonly id: string;
}

/**
 * Publishes a message in the transaction that `client` is in: it is sent when that commits, and never was when it rolls back.
 * Needs Posthorn's schema in the same PostgreSQL database (`POSTHORN_STORE=postgres://…`).
 *
 * Throws `PublishError` when the message is refused; when its `sqlState` is not null the database knows of it, so that the
 * transaction has to be rolled back, or back to a savepoint.
 */
export async function publish(
  message: MessageIn,
  on: { readonly client: PublishClient },
): Promise<PublishedMessage> {
  // Whoever writes JavaScript can leave anything out.
  const client = (on as typeof on | null | undefined)?.client as PublishClient;
  assertClient(client);
  if (!message) throw invalid('message', 'is missing');
  const values = publishCallValues({
    application: text(
      'application',
      typeof message.application === 'number' ? `${message.application}` : message.application,
    ),
    eventType: text('eventType', message.eventType),
    payload: payloadText(message.payload),
    eventId: text('eventId', message.eventId),
    channels: words('channels', message.channels),
    tags: words('tags', message.tags),
    deliverAt: time('deliverAt', message.deliverAt),
    expiresAt: time('expiresAt', message.expiresAt),
    orderingKey: text('orderingKey', message.orderingKey),
    payloadRetentionPeriod: whole('payloadRetentionPeriod', message.payloadRetentionPeriod),
    payloadRetentionHours: whole('payloadRetentionHours', message.payloadRetentionHours),
  });
  let rows: readonly unknown[];
  try {
    rows = await rowsBy(client, PUBLISH_CALL, values);
  } catch (error) {
    throw asPublishError(error);
  }
  // By its place: clients can be told to spell names of columns in their own way.
  const [id] = Object.values(rows[0] ?? {});
  if (typeof id !== 'string') throw new TypeError('The client of publish returned no id.');
  return { id };
}

function invalid(field: string, fault: string): PublishError {
  return new PublishError('validation', `${field} ${fault}`, { field });
}

/** PostgreSQL takes UTF-8, without NUL. A client would send another text in place of what that cannot carry. */
function text(field: string, value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (typeof value !== 'string') throw invalid(field, 'must be text');
  if (!value.isWellFormed() || value.includes('\0')) {
    throw invalid(field, 'must be text that UTF-8 can carry, without NUL');
  }
  return value;
}

function words(field: string, values: unknown): string[] | null {
  if (values === null || values === undefined) return null;
  if (!Array.isArray(values)) throw invalid(field, 'must be a list of words');
  return values.map((value) => {
    const word = text(field, value);
    if (word === null) throw invalid(field, 'must be a list of words');
    return word;
  });
}

function whole(field: string, value: unknown): number | null {
  if (value === null || value === undefined) return null;
  if (!Number.isInteger(value) || Math.abs(value as number) > INTEGER_MOST) {
    throw invalid(field, 'must be a whole number');
  }
  return value as number;
}

/** Of PostgreSQL's `integer`. */
const INTEGER_MOST = 2 ** 31 - 1;
/** Later ones are no times of RFC 3339. */
const LAST_TIME = Date.UTC(9999, 11, 31);
const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

/** Not by the database, which knows more spellings of times, and local ones. */
function time(field: string, value: unknown): string | null {
  if (value === null || value === undefined) return null;
  const ms = msOf(value);
  if (!(ms <= LAST_TIME)) {
    throw invalid(field, 'must be a Date, or a date and time (RFC 3339) such as 2026-05-01T09:00:00Z');
  }
  return new Date(ms).toISOString();
}

/** NaN: it is no time. */
function msOf(value: unknown): number {
  if (value instanceof Date) return value.getTime();
  return typeof value === 'string' && RFC_3339.test(value) ? Date.parse(value) : Number.NaN;
}

function payloadText(payload: unknown): string | null {
  if (typeof payload === 'string' || payload === null || payload === undefined)
    return text('payload', payload);
  let json: string | undefined;
  try {
    json = JSON.stringify(payload);
  } catch (error) {
    // A circle, or a bigint.
    throw new PublishError(
      'validation',
      `payload must be an object that can be written as JSON: ${String(error)}`,
      {
        field: 'payload',
        cause: error,
      },
    );
  }
  if (json === undefined) throw invalid('payload', 'must be an object, or the text of one as JSON');
  return json;
}
