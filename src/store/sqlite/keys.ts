import type { Key } from '../../model/key.ts';
import type { Connection } from './connection.ts';

interface Row {
  id: string;
  name: string;
  hash: Buffer;
  application_key: number | null;
  created_at: number;
  expires_at: number | null;
}

export function keys(connection: Connection) {
  // A text that was a key once and was revoked can be made one again.
  const insert = connection.prepare(
    `INSERT INTO api_key (id, name, hash, application_key, created_at, expires_at)
     VALUES (@id, @name, @hash, @applicationKey, @createdAt, @expiresAt)
     ON CONFLICT (hash) DO UPDATE SET id = excluded.id, name = excluded.name, application_key = excluded.application_key,
       created_at = excluded.created_at, expires_at = excluded.expires_at, revoked_at = NULL WHERE revoked_at IS NOT NULL`,
  );
  const byHash = connection.prepare('SELECT * FROM api_key WHERE hash = ? AND revoked_at IS NULL');
  const list = connection.prepare(
    'SELECT * FROM api_key WHERE name = ? AND revoked_at IS NULL ORDER BY created_at, id',
  );
  const revoke = connection.prepare('UPDATE api_key SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL');

  return {
    keyInsert: (params: Key): boolean => insert.run(params).changes > 0,
    keyFind({ hash }: { hash: Buffer }): Key | null {
      const row = byHash.get(hash);
      return row === undefined ? null : key(row as Row);
    },
    keyList: ({ name }: { name: string }): Key[] => (list.all(name) as Row[]).map(key),
    keyRevoke: ({ id, now }: { id: string; now: number }): boolean => revoke.run(now, id).changes > 0,
  };
}

function key(row: Row): Key {
  return {
    id: row.id,
    name: row.name,
    hash: row.hash,
    applicationKey: row.application_key,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  };
}
