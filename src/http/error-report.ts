import { ApiError, NOT_KNOWN } from '../errors.ts';
import { NotJson } from './read-body.ts';
import type { HttpServices } from './services.ts';

const RETRY_AFTER_SECONDS = 2;

/**
 * What may be told of an error. Errors of the caller are what they are; anything else is logged under a request id,
 * which is all that the answer says of it. No URL and no header is logged: a token can be in either.
 */
export function presentable(
  error: unknown,
  request: { readonly method: string; readonly route: string },
  services: Pick<HttpServices, 'log' | 'random'>,
): ApiError | NotJson {
  if (error instanceof ApiError || error instanceof NotJson) return error;
  const { log, random } = services;
  // By name: this room knows the store's port only through the rooms that use it.
  if (error instanceof Error && error.name === 'StoreError') {
    log.warn({ ...request, err: error }, 'the store did not answer a request');
    const detail = 'code' in error && error.code === 'unknown' ? NOT_KNOWN : undefined;
    return new ApiError('unavailable', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
  }
  const status = statusOf(error);
  if (status === 413) return new ApiError('payload_too_large');
  if (status >= 400 && status < 500) return new ApiError('generic_error', 'The request could not be read.');
  const requestId = `req_${random.bytes(9).toString('base64url')}`;
  log.error({ ...request, requestId, err: error }, 'a request failed');
  return new ApiError('internal_error', `Something went wrong here. The log has more under ${requestId}.`);
}

/** Fastify's own errors carry the status they ask for. */
function statusOf(error: unknown): number {
  const status = typeof error === 'object' && error !== null && 'statusCode' in error ? error.statusCode : 0;
  return typeof status === 'number' ? status : 0;
}
