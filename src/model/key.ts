import { createHash, timingSafeEqual } from 'node:crypto';
import type { Random } from './clock.ts';

/** A key to the API. Only the hash of its secret text is kept. */
export interface Key {
  readonly id: string;
  /** What it is for, shown to people: `operator`, `company 1`. */
  readonly name: string;
  /** SHA-256 of the whole key text. */
  readonly hash: Buffer;
  /** The application it is for; null: an operator key, for all. */
  readonly applicationKey: number | null;
  readonly createdAt: number;
  readonly expiresAt: number | null;
}

/** A new key's text: `phk_` and 192 random bits. It is shown once and never stored. */
export function newKeyText(random: Random): string {
  return `phk_${random.bytes(24).toString('base64url')}`;
}

export function hashKeyText(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest();
}

/** Constant-time, so that a near miss tells nothing. */
export function sameHash(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}
