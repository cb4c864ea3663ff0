import type { Session } from '../../model/session.ts';
import { type SessionRow, session } from '../rows/session-row.ts';
import type { Store } from '../store.ts';
import type { Backend } from './backend.ts';
import { statement } from './connection.ts';

type OpenParams = Parameters<Store['sessionOpen']>[0];

const COLUMNS = 'id, key_id, application_key, hash, state, created_at, expires_at';
const INSERT = statement(
  `INSERT INTO posthorn.console_session (${COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
);
const BY_HASH = statement(`SELECT ${COLUMNS} FROM posthorn.console_session WHERE hash = $1`);
const OPEN = statement(
  `UPDATE posthorn.console_session SET hash = $2, state = 'open', created_at = $3, expires_at = $4
   WHERE hash = $1 AND state = 'link' AND expires_at > $3 RETURNING ${COLUMNS}`,
);
const END = statement('DELETE FROM posthorn.console_session WHERE id = $1');
const END_OF_APPLICATION = statement('DELETE FROM posthorn.console_session WHERE application_key = $1');
const END_OF_KEY = statement('DELETE FROM posthorn.console_session WHERE key_id = $1');
const PURGE = statement(
  `DELETE FROM posthorn.console_session WHERE id = ANY (ARRAY (
     SELECT id FROM posthorn.console_session WHERE expires_at < $1 ORDER BY expires_at LIMIT $2))`,
);

export function sessions({ db }: Backend) {
  return {
    async sessionInsert(params: Session): Promise<void> {
      const { id, keyId, applicationKey, hash, state, createdAt, expiresAt } = params;
      await db.changes(INSERT, [id, keyId, applicationKey, hash, state, createdAt, expiresAt]);
    },
    sessionFind: async ({ hash }: { hash: Buffer }): Promise<Session | null> =>
      found(await db.row<SessionRow>(BY_HASH, [hash])),
    sessionOpen: async ({ code, hash, now, expiresAt }: OpenParams): Promise<Session | null> =>
      found(await db.row<SessionRow>(OPEN, [code, hash, now, expiresAt])),
    sessionEnd: async ({ id }: { id: string }): Promise<boolean> => (await db.changes(END, [id])) > 0,
    sessionEndAll: (params: { applicationKey: number } | { keyId: string }): Promise<number> =>
      'keyId' in params
        ? db.changes(END_OF_KEY, [params.keyId])
        : db.changes(END_OF_APPLICATION, [params.applicationKey]),
    sessionPurge: ({ before, limit }: { before: number; limit: number }): Promise<number> =>
      db.changes(PURGE, [before, limit]),
  };
}

function found(row: SessionRow | null): Session | null {
  return row === null ? null : session(row);
}
