import { createHash, timingSafeEqual } from 'node:crypto';
import type { Random } from './clock.ts';

/** A key to the API. Only the hash of its secret text is kept. */
export interface Key {
  readonly id: string;
  /** What it is for, shown to people: `operator`, `company 1`, `CI`. */
  readonly name: string;
  /** The setting that gives this key: one key for each of them lives. Null: made through the API or the CLI. */
  readonly slot: KeySlot | null;
  /** SHA-256 of the whole key text. */
  readonly hash: Buffer;
  /** The application it is for; null: an operator key, for all. */
  readonly applicationKey: number | null;
  /** What the key of an application may do; null: everything that is the application's own. */
  readonly capabilities: readonly Capability[] | null;
  /** Of an application's key: event types that have one of these flags are shown to it. */
  readonly featureFlags: readonly string[];
  readonly createdAt: number;
  readonly expiresAt: number | null;
  /** To the minute; null: never used. */
  readonly lastUsedAt: number | null;
  /** The id of the key that it was rotated out for; null: it was not. */
  readonly replacedBy: string | null;
}

export type KeySlot = 'operator' | 'company 1';

/** The setting behind each slot. */
export const SLOT_SETTINGS: Readonly<Record<KeySlot, string>> = {
  operator: 'POSTHORN_OPERATOR_KEY',
  'company 1': 'POSTHORN_COMPANY_TOKEN',
};

/** What the key of an application can be limited to. The names are the protocol's. */
export const CAPABILITIES = [
  /** Read everything but secrets. */
  'ViewBase',
  'ViewEndpointSecret',
  /** View and rotate secrets. */
  'ManageEndpointSecret',
  /** Known to the protocol; nothing here asks for it. */
  'ManageTransformations',
  /** Resend and recover. */
  'CreateAttempts',
  /** Create, change and delete endpoints, their secrets too. */
  'ManageEndpoint',
] as const;
export type Capability = (typeof CAPABILITIES)[number];

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
