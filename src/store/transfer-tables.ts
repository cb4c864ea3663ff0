import { TRANSFER_PAGE_ROWS } from '../limits.ts';
import { LATENCY_BOUNDS_MS } from '../model/tally.ts';

/** How a value is kept, and how it stands in an export: a number below 2^53, a text, or bytes in base64. */
type Kind = 'integer' | 'text' | 'bytes';

export interface TransferColumn {
  readonly name: string;
  readonly kind: Kind;
  /** What is exported in its place: SQL, of which both drivers understand the same. The row is `t`. */
  readonly read: string | null;
  /** The application of the message that the row is about. Only PostgreSQL has it in the row. */
  readonly ofMessage: boolean;
}

export interface TransferTable {
  readonly name: TableName;
  readonly columns: readonly TransferColumn[];
  /** Rows are exported in this order, which both drivers have an index for, and found again by it. */
  readonly key: readonly string[];
  /** Rows that are read and written together, at most. */
  readonly pageRows: number;
}

export type TableName =
  | 'application'
  | 'event_type'
  | 'endpoint'
  | 'endpoint_failing'
  | 'api_key'
  | 'message'
  | 'delivery'
  | 'attempt'
  | 'minute_tally'
  | 'hour_tally'
  | 'expiry'
  | 'resend'
  | 'task'
  | 'announcement'
  | 'idempotency'
  | 'answer';

/** Tables that number their rows, in the first column of their key. A number is not given again when its row is gone. */
export const NUMBERED_TABLES = [
  'application',
  'event_type',
  'endpoint',
  'message',
  'resend',
  'announcement',
] as const;

export type NumberedTable = (typeof NUMBERED_TABLES)[number];

/** Of rows that can have long texts each. */
const FEW_ROWS = 200;

// What is leased is pending in an export: whoever held the lease is not there any more when it is imported.
const PENDING_FOR_SENDING = 'CASE t.state WHEN 1 THEN 0 ELSE t.state END';
const NO_FENCE = '0';
const TALLIED = `accepted succeeded failed_4xx failed_5xx failed_other unanswered
  ${LATENCY_BOUNDS_MS.map((bound) => `ms_${bound}`).join(' ')} ms_more`;

/**
 * Everything that a store keeps, and both drivers have under the same names: tables in the order in which they can be written,
 * with all of their columns. What is not here is made anew from this (PostgreSQL's `event_id`), is about processes (`node`,
 * `signal`, epochs) or about browsers that are signed in (`console_session`), or stands in the header of an export (the id of the master key).
 */
export const TRANSFER_TABLES: readonly TransferTable[] = [
  table('application', ['application_key'], FEW_ROWS, {
    integer: 'application_key number throttle_rate web_hook_second created_at updated_at deleted_at',
    text: 'id uid name metadata',
  }),
  table('event_type', ['position'], FEW_ROWS, {
    integer: 'position archived deprecated created_at updated_at',
    text: 'name description schemas feature_flags group_name validation',
  }),
  table('endpoint', ['endpoint_key'], FEW_ROWS, {
    integer: `endpoint_key application_key disabled disabled_at paused_at throttle_rate max_in_flight version
      created_at updated_at deleted_at`,
    text: `id web_hook_id uid url href description disabled_reason event_types channels ordering retry_schedule
      final_statuses metadata secret_expiries`,
    bytes: 'sealed_headers sealed_secret',
  }),
  table('endpoint_failing', ['endpoint_key'], TRANSFER_PAGE_ROWS, {
    integer: 'endpoint_key since warned_at broken',
  }),
  table('api_key', ['id'], FEW_ROWS, {
    integer: 'application_key created_at expires_at revoked_at last_used_at',
    text: 'id name slot capabilities feature_flags replaced_by',
    bytes: 'hash',
  }),
  table('message', ['message_key'], TRANSFER_PAGE_ROWS, {
    integer: 'message_key application_key created_at deliver_at expires_at payload_until',
    text: 'id event_id event_type channels tags ordering_key payload',
  }),
  table('delivery', ['message_key', 'endpoint_key'], TRANSFER_PAGE_ROWS, {
    integer: 'application_key message_key endpoint_key state attempt_count next_attempt_at fence announced',
    text: 'reason order_key',
    ofMessage: 'application_key',
    read: { state: PENDING_FOR_SENDING, fence: NO_FENCE },
  }),
  table('attempt', ['message_key', 'id'], TRANSFER_PAGE_ROWS, {
    integer: 'application_key message_key endpoint_key number started_at duration_ms status',
    text: 'id trigger url retry_after error_code error_message body request_headers response_headers',
    ofMessage: 'application_key',
  }),
  table('minute_tally', ['began_at', 'application_key', 'endpoint_key', 'writer'], TRANSFER_PAGE_ROWS, {
    integer: `began_at application_key endpoint_key writer ${TALLIED}`,
  }),
  table('hour_tally', ['application_key', 'endpoint_key', 'began_at'], TRANSFER_PAGE_ROWS, {
    integer: `began_at application_key endpoint_key ${TALLIED}`,
  }),
  table('expiry', ['expires_at', 'message_key'], TRANSFER_PAGE_ROWS, {
    integer: 'expires_at application_key message_key',
    ofMessage: 'application_key',
  }),
  table('resend', ['resend_key'], TRANSFER_PAGE_ROWS, {
    integer: 'resend_key application_key message_key endpoint_key fence created_at',
    ofMessage: 'application_key',
    read: { fence: NO_FENCE },
  }),
  table('task', ['id'], FEW_ROWS, {
    integer: 'application_key source_key target_key rate scanned affected created_at updated_at',
    text: 'id kind filter from_id to_id position state',
  }),
  table('announcement', ['announcement_key'], FEW_ROWS, {
    integer: 'announcement_key application_key endpoint_key message_key created_at',
    text: 'type attempt_id data',
  }),
  table('idempotency', ['key_hash'], FEW_ROWS, {
    integer: 'created_at',
    text: 'message_ids',
    bytes: 'key_hash body_hash',
  }),
  table('answer', ['key_hash'], FEW_ROWS, {
    integer: 'created_at',
    bytes: 'key_hash body_hash sealed',
  }),
];

interface Columns {
  readonly integer?: string;
  readonly text?: string;
  readonly bytes?: string;
  readonly ofMessage?: string;
  readonly read?: Readonly<Record<string, string>>;
}

function table(
  name: TableName,
  key: readonly string[],
  pageRows: number,
  { ofMessage, read = {}, ...kinds }: Columns,
): TransferTable {
  const columns = (['integer', 'text', 'bytes'] as const).flatMap((kind) =>
    (kinds[kind] ?? '')
      .split(/\s+/)
      .filter((each) => each !== '')
      .map((each) => ({ name: each, kind, read: read[each] ?? null, ofMessage: each === ofMessage })),
  );
  // The key first, as it is what a person looks for in a line.
  const inKey = (column: TransferColumn) =>
    key.includes(column.name) ? key.indexOf(column.name) : key.length;
  return { name, key, pageRows, columns: columns.toSorted((one, other) => inKey(one) - inKey(other)) };
}
