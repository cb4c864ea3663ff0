import type { Random } from './clock.ts';

/** Signing secrets as Standard Webhooks writes them: `whsec_` and the base64 of 24 to 75 bytes. */
const SECRET_PREFIX = 'whsec_';
const SECRET_BYTES_LEAST = 24;
const SECRET_BYTES_MOST = 75;
const NEW_SECRET_BYTES = 32;

export function newSecret(random: Random): string {
  return SECRET_PREFIX + random.bytes(NEW_SECRET_BYTES).toString('base64');
}

/** The key bytes of a secret, or null when it is none. Strict: receivers' libraries refuse base64 without padding. */
export function decodeSecret(text: string): Buffer | null {
  if (!text.startsWith(SECRET_PREFIX)) return null;
  const encoded = text.slice(SECRET_PREFIX.length);
  if (encoded.length > SECRET_BYTES_MOST * 2) return null;
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.length < SECRET_BYTES_LEAST || bytes.length > SECRET_BYTES_MOST) return null;
  // Node skips what is not base64, so only the way back tells that nothing was skipped.
  return bytes.toString('base64') === encoded ? bytes : null;
}

export function isSecret(value: unknown): value is string {
  return typeof value === 'string' && decodeSecret(value) !== null;
}
