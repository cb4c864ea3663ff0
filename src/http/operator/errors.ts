import type { ApiError } from '../../errors.ts';
import { ANY_ORIGIN, type Answer } from '../answer.ts';
import { NotJson } from '../read-body.ts';
import { type Problem, ValidationError, WHOLE_BODY } from '../validation.ts';

/** An error as the operator API answers it: `{code, detail}`, or for 422 a list of what is wrong and where. */
export function errorAnswer(error: ApiError | NotJson): Answer {
  if (error instanceof NotJson) {
    return unprocessable([{ loc: WHOLE_BODY, msg: error.message, type: 'value_error.jsondecode' }]);
  }
  const headers: Record<string, string> = { ...ANY_ORIGIN };
  if (error.code === 'authentication_failed') headers['www-authenticate'] = 'Bearer realm="posthorn"';
  if (error.retryAfterSeconds !== null) headers['retry-after'] = String(error.retryAfterSeconds);
  if (error.status === 422) {
    if (error instanceof ValidationError) return unprocessable(error.problems);
    return unprocessable([{ loc: error.at, msg: error.message, type: 'value_error' }]);
  }
  return { status: error.status, headers, body: JSON.stringify({ code: error.code, detail: error.message }) };
}

function unprocessable(detail: readonly Problem[]): Answer {
  return { status: 422, headers: ANY_ORIGIN, body: JSON.stringify({ detail }) };
}
