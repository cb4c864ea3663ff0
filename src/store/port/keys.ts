import type { Key, KeySlot } from '../../model/key.ts';

/** Who may call: operators and applications. */
export interface KeyStore {
  /** Adds a key. False when another live key has its hash. */
  keyInsert(params: Key): Promise<boolean>;
  /** A live key. What is expired is live until it is revoked or purged: whoever asks looks at `expiresAt`. */
  keyFind(params: { hash: Buffer }): Promise<Key | null>;
  keyFindById(params: { id: string }): Promise<Key | null>;
  /** The live keys of that setting, oldest first. */
  keyListBySlot(params: { slot: KeySlot }): Promise<Key[]>;
  /** Live keys by id, ascending: of one application, of operators (null), or all (undefined). */
  keyList(params: {
    applicationKey?: number | null | undefined;
    limit: number;
    before: string | null;
    after: string | null;
  }): Promise<Key[]>;
  keyRevoke(params: { id: string; now: number }): Promise<boolean>;
  /**
   * Adds `replacement` and lets the live key `id` expire at `expiresAt`, unless it does so earlier; its `slot` goes to the
   * replacement, and its `replacedBy` names that. False when there is no such key.
   */
  keyRotate(params: { id: string; replacement: Key; expiresAt: number }): Promise<boolean>;
  /** Notes when keys were last used. Never sets one back. */
  keyTouch(params: { uses: readonly { readonly id: string; readonly at: number }[] }): Promise<void>;
  /** Deletes keys that expired or were revoked before `before`, at most `limit`. Returns how many. */
  keyPurge(params: { before: number; limit: number }): Promise<number>;
}
