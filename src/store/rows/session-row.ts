import type { Session } from '../../model/session.ts';

export interface SessionRow {
  id: string;
  key_id: string;
  application_key: number | null;
  hash: Buffer;
  state: Session['state'];
  created_at: number;
  expires_at: number;
}

export function session(row: SessionRow): Session {
  return {
    id: row.id,
    keyId: row.key_id,
    applicationKey: row.application_key,
    hash: row.hash,
    state: row.state,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  };
}
