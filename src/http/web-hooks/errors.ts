import type { ApiError, ErrorCode } from '../../errors.ts';
import type { Answer } from '../answer.ts';
import { NotJson } from '../read-body.ts';

/** What is wrong, by field, in phrases that read after the field's name: `{"url": ["can't be blank"]}`. */
export type FieldErrors = Readonly<Record<string, readonly string[]>>;

/** A request of the Web Hooks API that cannot be fulfilled as it is. */
export class WebHookError extends Error {
  override readonly name = 'WebHookError';
  readonly status: number;
  readonly errors: FieldErrors;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, errors: FieldErrors, headers: Readonly<Record<string, string>> = {}) {
    super(JSON.stringify(errors));
    this.status = status;
    this.errors = errors;
    this.headers = headers;
  }
}

/** Where errors of the table go that name no field themselves. */
const FIELDS: Partial<Record<ErrorCode, string>> = {
  authentication_failed: 'auth_token',
  'insufficient access': 'auth_token',
  not_found: 'id',
  method_not_allowed: 'method',
  payload_too_large: 'body',
  conflict: 'web_hook',
  limit_reached: 'web_hook',
};

/** An error as the Web Hooks API answers it. `field` overrides the table's. */
export function webHookErrorAnswer(error: ApiError | NotJson, field?: string): Answer {
  if (error instanceof NotJson) return answerOf(400, { body: [`is not valid JSON: ${error.message}`] });
  const headers: Record<string, string> = {};
  if (error.retryAfterSeconds !== null) headers['retry-after'] = String(error.retryAfterSeconds);
  // The page of this API knows no other status for what is wrong with a request that could be right.
  const status = error.code === 'validation' || error.code === 'conflict' ? 400 : error.status;
  return answerOf(status, { [field ?? FIELDS[error.code] ?? 'request']: [error.message] }, headers);
}

export function ownErrorAnswer(error: unknown): Answer | null {
  return error instanceof WebHookError ? answerOf(error.status, error.errors, error.headers) : null;
}

function answerOf(status: number, errors: FieldErrors, more: Readonly<Record<string, string>> = {}): Answer {
  const headers = status === 401 ? { ...more, 'www-authenticate': 'Bearer realm="posthorn"' } : more;
  return { status, headers, body: JSON.stringify({ errors }) };
}
