import { createHash, hash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import Type from 'typebox';
import { invalid } from './validation.ts';

/** For the description of a POST call. */
export const IdempotencyHeaders = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 256,
      description: 'The same key and body within 12 hours is the same call: it gets the first answer again.',
    }),
  ),
});

const KEY = /^[\x21-\x7e]{1,256}$/;

/** The key in an `idempotency-key` header, or null without one. Throws `validation`. */
export function idempotencyKey({ 'idempotency-key': header }: IncomingHttpHeaders): string | null {
  if (header === undefined) return null;
  if (typeof header === 'string' && KEY.test(header)) return header;
  throw invalid(['header', 'idempotency-key'], 'must have 1 to 256 visible ASCII characters');
}

/**
 * The hashes that a repeated call with an idempotency key is known by. `applicationId` is what the reference in the URL led
 * to, where there is one: when that application is deleted and another gets its uid, the same call is a new one.
 */
export function callHashes(call: {
  key: string;
  keyId: string;
  url: string;
  applicationId: string | null;
  body: Buffer;
}): { keyHash: Buffer; bodyHash: Buffer } {
  const { key, keyId, url, applicationId, body } = call;
  // No part can hold a space, so that two different calls never join to the same text.
  const text = `${keyId} ${key} ${url} ${applicationId ?? ''}`;
  return { keyHash: createHash('sha256').update(text).digest(), bodyHash: hash('sha256', body, 'buffer') };
}
