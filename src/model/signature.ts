import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { decodeSecret } from './secret.ts';

/** Standard Webhooks v1 (https://www.standardwebhooks.com): HMAC-SHA256 over `id.timestamp.payload`. */
export interface Signing {
  /** `whsec_…`; each signs, so that a receiver which knows any of them can verify during a rotation. */
  readonly secrets: readonly string[];
  readonly messageId: string;
  /** Seconds since the Unix epoch. */
  readonly timestamp: number;
  /** The body as it is sent. */
  readonly payload: string | Uint8Array;
}

/** Key objects kept: making one costs as much as a signature. */
const KEYS_KEPT = 10_000;
const keys = new LRUCache<string, KeyObject>({ max: KEYS_KEPT });

/** `v1,<base64>` for each secret, joined by spaces. Throws on a malformed secret: those are refused at the API. */
export function sign({ secrets, messageId, timestamp, payload }: Signing): string {
  const prefix = `${messageId}.${timestamp}.`;
  let signatures = '';
  for (const secret of secrets) {
    const digest = createHmac('sha256', keyOf(secret)).update(prefix).update(payload).digest('base64');
    signatures += signatures === '' ? `v1,${digest}` : ` v1,${digest}`;
  }
  return signatures;
}

function keyOf(secret: string): KeyObject {
  const cached = keys.get(secret);
  if (cached !== undefined) return cached;
  const bytes = decodeSecret(secret);
  if (bytes === null) throw new Error('A signing secret must be whsec_ and the base64 of 24 to 75 bytes.');
  const key = createSecretKey(bytes);
  keys.set(secret, key);
  return key;
}
