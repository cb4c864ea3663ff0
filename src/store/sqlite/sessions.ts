import type { Session } from '../../model/session.ts';
import { type SessionRow, session } from '../rows/session-row.ts';
import type { Store } from '../store.ts';
import type { Connection } from './connection.ts';

type OpenParams = Parameters<Store['sessionOpen']>[0];

export function sessions(connection: Connection) {
  const { insert, byHash, open, end, endOfApplication, endOfKey, purge } = prepare(connection);
  return {
    sessionInsert: (params: Session): void => {
      insert.run(params);
    },
    sessionFind: ({ hash }: { hash: Buffer }): Session | null => found(byHash.get(hash)),
    sessionOpen: (params: OpenParams): Session | null => found(open.get(params)),
    sessionEnd: ({ id }: { id: string }): boolean => end.run(id).changes > 0,
    sessionEndAll: (params: { applicationKey: number } | { keyId: string }): number =>
      'keyId' in params
        ? endOfKey.run(params.keyId).changes
        : endOfApplication.run(params.applicationKey).changes,
    sessionPurge: ({ before, limit }: { before: number; limit: number }): number =>
      purge.run(before, limit).changes,
  };
}

function prepare(connection: Connection) {
  return {
    insert: connection.prepare(
      `INSERT INTO console_session (id, key_id, application_key, hash, state, created_at, expires_at)
       VALUES (@id, @keyId, @applicationKey, @hash, @state, @createdAt, @expiresAt)`,
    ),
    byHash: connection.prepare('SELECT * FROM console_session WHERE hash = ?'),
    open: connection.prepare(
      `UPDATE console_session SET hash = @hash, state = 'open', created_at = @now, expires_at = @expiresAt
       WHERE hash = @code AND state = 'link' AND expires_at > @now RETURNING *`,
    ),
    end: connection.prepare('DELETE FROM console_session WHERE id = ?'),
    endOfApplication: connection.prepare('DELETE FROM console_session WHERE application_key = ?'),
    endOfKey: connection.prepare('DELETE FROM console_session WHERE key_id = ?'),
    purge: connection.prepare(
      'DELETE FROM console_session WHERE id IN (SELECT id FROM console_session WHERE expires_at < ? LIMIT ?)',
    ),
  };
}

function found(row: unknown): Session | null {
  return row === undefined ? null : session(row as SessionRow);
}
