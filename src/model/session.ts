import type { Random } from './clock.ts';

/**
 * Somebody signed in to the console with a browser, or may do so by a link. A session may what the key may that it was begun
 * with, and ends when that ends. Only the hash of its secret text is kept.
 *
 *     link ──(its code is exchanged, once)──► open ──► ended (signed out, expired, its key ended)
 *                                              ▲
 *     a key is given at the sign-in page ──────┘
 */
export interface Session {
  readonly id: string;
  /** Of the key that it was begun with. */
  readonly keyId: string;
  /** The application of that key; null: an operator's. */
  readonly applicationKey: number | null;
  /** SHA-256 of what the browser keeps in its cookie; of a link, of its code. */
  readonly hash: Buffer;
  /** `link`: nobody has followed it yet. */
  readonly state: 'link' | 'open';
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** A new session's text: the browser keeps it in its cookie. */
export function newSessionText(random: Random): string {
  return `phs_${random.bytes(24).toString('base64url')}`;
}

/** A new link's code, which is good for one exchange. */
export function newLinkCode(random: Random): string {
  return `phc_${random.bytes(24).toString('base64url')}`;
}
