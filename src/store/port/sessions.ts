import type { Session } from '../../model/session.ts';

/** Who is signed in to the console, and the links that somebody may sign in by. */
export interface SessionStore {
  sessionInsert(params: Session): Promise<void>;
  /** Also one that has expired: whoever asks looks at `expiresAt`. */
  sessionFind(params: { hash: Buffer }): Promise<Session | null>;
  /** Makes a session of the link with the hash `code`, unless that expired before `now`. Of several calls one gets it; others null. */
  sessionOpen(params: {
    code: Buffer;
    hash: Buffer;
    now: number;
    expiresAt: number;
  }): Promise<Session | null>;
  /** False when it had ended. */
  sessionEnd(params: { id: string }): Promise<boolean>;
  /** Ends all of one application, its links too, or all that were begun with one key. Returns how many. */
  sessionEndAll(params: { applicationKey: number } | { keyId: string }): Promise<number>;
  /** Deletes what expired before `before`, at most `limit`. Returns how many. */
  sessionPurge(params: { before: number; limit: number }): Promise<number>;
}
