/** Why a message was not published. What the database has to say of anything else is thrown as the client throws it. */
export type PublishErrorCode =
  /** A field has a value that is not allowed. */
  | 'validation'
  /** There is no such application. */
  | 'not_found'
  /** A message with this `eventId` exists already, or the application takes no messages. */
  | 'conflict'
  | 'payload_too_large'
  /** The payload is to be checked by a schema, which only Posthorn itself can do. */
  | 'unsupported'
  /** The role may not publish. */
  | 'not_allowed'
  /** The database has no schema of Posthorn, or that of an older one. */
  | 'not_installed';

export class PublishError extends Error {
  override readonly name = 'PublishError';
  readonly code: PublishErrorCode;
  /** The field of the message that is at fault. */
  readonly field: string | null;
  /** What to do about it. */
  readonly hint: string | null;
  /** The SQLSTATE; null: it did not come as far as the database, and the transaction can go on. */
  readonly sqlState: string | null;

  constructor(
    code: PublishErrorCode,
    message: string,
    more: { field?: string | null; hint?: string | null; sqlState?: string | null; cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.field = more.field ?? null;
    this.hint = more.hint ?? null;
    this.sqlState = more.sqlState ?? null;
  }
}

/** What `posthorn.publish` raises, with the parameter that is at fault as the column. */
const CODES: Readonly<Record<string, PublishErrorCode>> = {
  '22023': 'validation',
  P0002: 'not_found',
  '23505': 'conflict',
  '55000': 'conflict',
  '54000': 'payload_too_large',
  '0A000': 'unsupported',
};
/** What the server says of the call as such. */
const SERVER_CODES: Readonly<Record<string, PublishErrorCode>> = {
  '42501': 'not_allowed',
  '3F000': 'not_installed',
  '42883': 'not_installed',
};
const HINTS: Partial<Record<PublishErrorCode, string>> = {
  not_allowed: 'The owner of the schema lets a role publish by SELECT posthorn.grant_publisher(role).',
  not_installed:
    'Start Posthorn with POSTHORN_STORE on this database: that makes its schema, or brings it up to date.',
};
/** Parameters of `posthorn.publish` are fields here. */
const PARAMETER =
  /\b(?:event_type|event_id|deliver_at|expires_at|ordering_key|payload_retention_period|payload_retention_hours)\b/g;

/** What `posthorn.publish` refused, in the words of this library; anything else as it is. */
export function asPublishError(error: unknown): unknown {
  const said = databaseError(error);
  if (said === null) return error;
  const code = said.column === null ? SERVER_CODES[said.code] : CODES[said.code];
  if (code === undefined) return error;
  return new PublishError(code, fieldNames(said.message), {
    field: said.column === null ? null : fieldNames(said.column),
    hint: HINTS[code] ?? (said.hint === null ? null : fieldNames(said.hint)),
    sqlState: said.code,
    cause: error,
  });
}

function fieldNames(text: string): string {
  return text.replaceAll(PARAMETER, (name) =>
    name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
  );
}

interface DatabaseError {
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
  readonly column: string | null;
}

/** An error of the server, which some clients wrap in one of their own. */
function databaseError(error: unknown): DatabaseError | null {
  const seen = new Set<unknown>();
  for (let each = error; each instanceof Error && !seen.has(each); each = each.cause) {
    seen.add(each);
    const {
      code,
      severity,
      hint,
      column,
      column_name: columnName,
    } = each as unknown as Record<string, unknown>;
    if (typeof code !== 'string' || typeof severity !== 'string') continue;
    return { code, message: each.message, hint: textOrNull(hint), column: textOrNull(column ?? columnName) };
  }
  return null;
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
