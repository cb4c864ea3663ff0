import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import type { Random } from './clock.ts';

/**
 * Signing secrets as Standard Webhooks writes them: `whsec_` and the base64 of 24 to 75 bytes, for HMAC-SHA256; or `whsk_`
 * and the base64 of the 64 bytes of an ed25519 key pair, the seed and then the public key.
 */
const HMAC_PREFIX = 'whsec_';
const HMAC_BYTES_LEAST = 24;
const HMAC_BYTES_MOST = 75;
const NEW_SECRET_BYTES = 32;
const PAIR_PREFIX = 'whsk_';
const PUBLIC_PREFIX = 'whpk_';
const SEED_BYTES = 32;
const PAIR_BYTES = 64;

/** The ASN.1 that RFC 8410 puts before a seed to make a PKCS #8 private key of it. */
const PKCS8_BEFORE_SEED = Buffer.from('302e020100300506032b657004220420', 'hex');

/** A new HMAC secret: every receiver's library knows these. */
export function newSecret(random: Random): string {
  return HMAC_PREFIX + random.bytes(NEW_SECRET_BYTES).toString('base64');
}

/** A new secret of the same kind as another one: a receiver that has a public key only can go on with one. */
export function newSecretLike(text: string, random: Random): string {
  if (decodedPair(text) === null) return newSecret(random);
  const seed = random.bytes(SEED_BYTES);
  return PAIR_PREFIX + Buffer.concat([seed, publicHalf(privateKey(seed))]).toString('base64');
}

/**
 * The key of a secret, or null when it is none: of type `secret` for HMAC, of type `private` for ed25519. A key pair whose
 * halves don't belong together is none: receivers could verify nothing that it signs.
 */
export function keyOfSecret(text: string): KeyObject | null {
  if (text.startsWith(HMAC_PREFIX)) {
    const bytes = decoded(text, HMAC_PREFIX, HMAC_BYTES_MOST);
    return bytes === null || bytes.length < HMAC_BYTES_LEAST ? null : createSecretKey(bytes);
  }
  const pair = decodedPair(text);
  if (pair === null) return null;
  const key = privateKey(pair.subarray(0, SEED_BYTES));
  return publicHalf(key).equals(pair.subarray(SEED_BYTES)) ? key : null;
}

function privateKey(seed: Buffer): KeyObject {
  return createPrivateKey({
    key: Buffer.concat([PKCS8_BEFORE_SEED, seed]),
    format: 'der',
    type: 'pkcs8',
  });
}

function publicHalf(key: KeyObject): Buffer {
  return Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x as string, 'base64url');
}

export function isSecret(value: unknown): value is string {
  return typeof value === 'string' && keyOfSecret(value) !== null;
}

/** What is shown of a valid secret: all of one for HMAC, which the receiver needs; of a key pair the public key, `whpk_…`. */
export function shownSecret(text: string): string {
  const pair = decodedPair(text);
  return pair === null ? text : PUBLIC_PREFIX + pair.toString('base64', SEED_BYTES);
}

function decodedPair(text: string): Buffer | null {
  const pair = text.startsWith(PAIR_PREFIX) ? decoded(text, PAIR_PREFIX, PAIR_BYTES) : null;
  return pair?.length === PAIR_BYTES ? pair : null;
}

/** The bytes behind a prefix. Strict: receivers' libraries refuse base64 without padding. */
function decoded(text: string, prefix: string, bytesMost: number): Buffer | null {
  const encoded = text.slice(prefix.length);
  if (encoded.length > bytesMost * 2) return null;
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.length > bytesMost) return null;
  // Node skips what is not base64, so only the way back tells that nothing was skipped.
  return bytes.toString('base64') === encoded ? bytes : null;
}
