import { createHash, hash } from 'node:crypto';
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

/** The hashes that a repeated call is known by, or null without an `idempotency-key` header. Throws `validation`. */
export function idempotencyOf(params: {
  header: string | string[] | undefined;
  keyId: string;
  url: string;
  body: Buffer;
}): { keyHash: Buffer; bodyHash: Buffer } | null {
  const { header, keyId, url, body } = params;
  if (header === undefined) return null;
  if (typeof header !== 'string' || !KEY.test(header)) {
    throw invalid(['header', 'idempotency-key'], 'must have 1 to 256 visible ASCII characters');
  }
  // No part can hold a space, so that two different calls never join to the same text.
  const keyHash = createHash('sha256').update(`${keyId} ${header} ${url}`).digest();
  return { keyHash, bodyHash: hash('sha256', body, 'buffer') };
}
