/**
 * Every error that the API answers with: stable code, status, and what it means. `docs/errors.md` is made from this
 * table and a test holds table, docs and OpenAPI together.
 */
export const errorTable = {
  validation: {
    status: 422,
    detail: 'The body is not valid JSON in UTF-8, or a field has a value that is not allowed.',
  },
  generic_error: {
    status: 400,
    detail: 'The query string has a parameter with a value that is not allowed.',
  },
  invalid_range: { status: 400, detail: 'The range of time is too long, or ends in the future.' },
  invalid_scheme: { status: 400, detail: 'The event type has no such example that could be sent.' },
  missing_payload: { status: 400, detail: 'The payload is gone: it was expunged, or its time was over.' },
  endpoint_disabled: {
    status: 400,
    detail: 'The endpoint is disabled or paused, and takes nothing. Enable it, or end the pause, first.',
  },
  limit_reached: { status: 400, detail: 'There are as many of these as there may be.' },
  authentication_failed: { status: 401, detail: 'The key is missing, unknown, expired or revoked.' },
  'insufficient access': { status: 403, detail: 'The key is valid but not for this call.' },
  not_found: { status: 404, detail: 'There is no such thing, or it is not yours.' },
  method_not_allowed: { status: 405, detail: 'This path takes other verbs: see the Allow header.' },
  conflict: {
    status: 409,
    detail:
      'Something with this id, uid or number exists already, or what is there is in a state that does not allow the call.',
  },
  event_type_exists: { status: 409, detail: 'An event type with this name exists already.' },
  idempotency_mismatch: { status: 409, detail: 'This idempotency key was used with another body.' },
  payload_too_large: { status: 413, detail: 'The body is over the limit.' },
  too_many_requests: {
    status: 429,
    detail: 'More comes at once than can be taken. Try again after Retry-After seconds.',
  },
  internal_error: {
    status: 500,
    detail: 'Something went wrong here. The log has more under the request id.',
  },
  unavailable: {
    status: 503,
    detail: 'The store cannot write at the moment. Nothing was taken; try again after Retry-After seconds.',
  },
} as const satisfies Record<string, { status: number; detail: string }>;

export type ErrorCode = keyof typeof errorTable;

/** In place of the detail of `unavailable`, where a commit ended so that nobody knows how. */
export const NOT_KNOWN =
  'The store did not answer, and it is not known whether it has done this. Try again after Retry-After seconds, with the same idempotency-key if there was one: then nothing is done twice.';

/** An error for the caller of the API. Thrown by the rooms, given its shape by `http/`. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: ErrorCode;
  /** Where in the request, for `validation`: `['body', 'uid']`. */
  readonly at: readonly (string | number)[];
  readonly retryAfterSeconds: number | null;

  constructor(
    code: ErrorCode,
    message?: string,
    more: { at?: readonly (string | number)[]; retryAfterSeconds?: number; cause?: unknown } = {},
  ) {
    super(message ?? errorTable[code].detail, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.at = more.at ?? [];
    this.retryAfterSeconds = more.retryAfterSeconds ?? null;
  }

  get status(): number {
    return errorTable[this.code].status;
  }
}
