import { createHmac, type KeyObject, sign as signWith } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { SigningSecret } from './exchange.ts';
import { keyOfSecret } from './secret.ts';

/**
 * Standard Webhooks (https://www.standardwebhooks.com), over `id.timestamp.payload`: `v1,` HMAC-SHA256 or `v1a,` ed25519,
 * both in base64.
 */
export interface Signing {
  /**
   * The current one first, which always signs; each other signs until it ends, so that a receiver which knows any of
   * them can verify during a rotation.
   */
  readonly secrets: readonly SigningSecret[];
  readonly messageId: string;
  /** When the attempt began, ms since the Unix epoch. */
  readonly startedAt: number;
  /** The body as it is sent. */
  readonly payload: string | Uint8Array;
}

/** Key objects kept: making one costs as much as a signature, and of a key pair more. */
const KEYS_KEPT = 10_000;
const keys = new LRUCache<string, KeyObject>({ max: KEYS_KEPT });

/** The timestamp that goes with a signature: whole seconds since the Unix epoch. */
export function signatureTimestamp(startedAt: number): number {
  return Math.floor(startedAt / 1000);
}

/** `v1,<base64>` or `v1a,<base64>` for each secret, joined by spaces. Throws on a malformed secret: those are refused at the API. */
export function sign({ secrets, messageId, startedAt, payload }: Signing): string {
  const [current] = secrets;
  if (current === undefined) throw new Error('There is no secret to sign with.');
  const prefix = `${messageId}.${signatureTimestamp(startedAt)}.`;
  let signatures = signature(current.text, prefix, payload);
  for (let at = 1; at < secrets.length; at++) {
    const { text, until } = secrets[at] as SigningSecret;
    if (until === null || until > startedAt) signatures += ` ${signature(text, prefix, payload)}`;
  }
  return signatures;
}

function signature(secret: string, prefix: string, payload: string | Uint8Array): string {
  const key = keyOf(secret);
  if (key.type === 'secret') {
    return `v1,${createHmac('sha256', key).update(prefix).update(payload).digest('base64')}`;
  }
  // Ed25519 reads what it signs twice, so it takes that in one piece.
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  const signed = Buffer.concat([Buffer.from(prefix), bytes]);
  return `v1a,${signWith(null, signed, key).toString('base64')}`;
}

function keyOf(secret: string): KeyObject {
  const cached = keys.get(secret);
  if (cached !== undefined) return cached;
  const key = keyOfSecret(secret);
  if (key === null) throw new Error('A signing secret must be a valid one that begins with whsec_ or whsk_.');
  keys.set(secret, key);
  return key;
}
