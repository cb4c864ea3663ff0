import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';
import type { Random } from './clock.ts';

/**
 * Secrets at rest: AES-256-GCM (NIST SP 800-38D). Layout: 1 byte version, 4 bytes key id, 12 bytes nonce, 16 bytes tag, ciphertext.
 * The place a secret belongs to is authenticated with it, so that a blob moved to another row does not open.
 */
const VERSION = 1;
const HEADER = 33;

export interface MasterKey {
  readonly bytes: Buffer;
  /** First 4 bytes of its hash: tells which key sealed a blob without telling the key. */
  readonly id: Buffer;
}

/** @param text 32 bytes in base64 or hex. Null when it is neither. */
export function parseMasterKey(text: string): MasterKey | null {
  const trimmed = text.trim();
  const bytes = /^[0-9a-fA-F]{64}$/.test(trimmed)
    ? Buffer.from(trimmed, 'hex')
    : Buffer.from(trimmed, 'base64');
  if (bytes.length !== 32) return null;
  return {
    bytes,
    id: createHash('sha256').update('posthorn master key').update(bytes).digest().subarray(0, 4),
  };
}

export function seal(key: MasterKey, place: string, text: string, random: Random): Buffer {
  const nonce = random.bytes(12);
  const cipher = createCipheriv('aes-256-gcm', key.bytes, nonce);
  cipher.setAAD(Buffer.from(place));
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([Buffer.from([VERSION]), key.id, nonce, cipher.getAuthTag(), body]);
}

/** Throws a plain sentence when the master key is not the one that sealed it, or the blob was changed or moved. */
export function unseal(key: MasterKey, place: string, blob: Buffer): string {
  if (blob.length < HEADER || blob[0] !== VERSION)
    throw new Error(`The sealed secret of ${place} is damaged.`);
  if (!blob.subarray(1, 5).equals(key.id)) {
    throw new Error(
      `The secret of ${place} was sealed with another master key. Start with the key that was used before (POSTHORN_MASTER_KEY or the file master.key in the data folder).`,
    );
  }
  const decipher = createDecipheriv('aes-256-gcm', key.bytes, blob.subarray(5, 17));
  decipher.setAAD(Buffer.from(place));
  decipher.setAuthTag(blob.subarray(17, HEADER));
  try {
    return decipher.update(blob.subarray(HEADER), undefined, 'utf8') + decipher.final('utf8');
  } catch (cause) {
    throw new Error(`The sealed secret of ${place} is damaged or belongs elsewhere.`, { cause });
  }
}
