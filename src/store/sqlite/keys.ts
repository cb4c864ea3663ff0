import type { Key, KeySlot } from '../../model/key.ts';
import { type KeyRow, key, storedKey } from '../rows/key-row.ts';
import type { Store } from '../store.ts';
import { type Connection, transaction } from './connection.ts';
import { upwards } from './pages.ts';

type ListParams = Parameters<Store['keyList']>[0];
type RotateParams = Parameters<Store['keyRotate']>[0];
type TouchParams = Parameters<Store['keyTouch']>[0];

export function keys(connection: Connection) {
  const { insert, byHash, byId, bySlot, listOf, listAll, revoke, end, touch, purge } = prepare(connection);

  return {
    keyInsert: (params: Key): boolean => insert.run(storedKey(params)).changes > 0,
    keyFind: ({ hash }: { hash: Buffer }): Key | null => found(byHash.get(hash)),
    keyFindById: ({ id }: { id: string }): Key | null => found(byId.get(id)),
    keyListBySlot: ({ slot }: { slot: KeySlot }): Key[] => (bySlot.all(slot) as KeyRow[]).map(key),
    keyList: ({ applicationKey, ...page }: ListParams): Key[] =>
      (applicationKey === undefined ? listAll(page) : listOf({ ...page, applicationKey })).map(key),
    keyRevoke: ({ id, now }: { id: string; now: number }): boolean => revoke.run(now, id).changes > 0,
    keyRotate: ({ id, replacement, expiresAt }: RotateParams): boolean =>
      transaction(connection, () => {
        const present = found(byId.get(id));
        if (present === null) return false;
        if (insert.run(storedKey({ ...replacement, slot: present.slot })).changes === 0) return false;
        return end.run({ id, expiresAt, replacedBy: replacement.id }).changes > 0;
      }),
    keyTouch: ({ uses }: TouchParams): void =>
      transaction(connection, () => {
        for (const use of uses) touch.run(use);
      }),
    keyPurge: ({ before, limit }: { before: number; limit: number }): number =>
      purge.run(before, limit).changes,
  };
}

/** When a key ended or will; as the index `api_key_ended` has it. */
const ENDED = 'min(coalesce(revoked_at, expires_at), coalesce(expires_at, revoked_at))';

function prepare(connection: Connection) {
  const list = (condition: string) =>
    upwards<KeyRow>(
      connection,
      (order) =>
        `SELECT * FROM api_key WHERE ${condition} revoked_at IS NULL AND id > coalesce(@after, '')
         AND id < coalesce(@before, '~') ORDER BY id ${order} LIMIT @limit`,
    );
  return {
    // A text that was a key once and was revoked can be made one again.
    insert: connection.prepare(
      `INSERT INTO api_key (id, name, slot, hash, application_key, capabilities, feature_flags, created_at, expires_at,
         last_used_at, replaced_by)
       VALUES (@id, @name, @slot, @hash, @applicationKey, @capabilities, @featureFlags, @createdAt, @expiresAt, @lastUsedAt,
         @replacedBy)
       ON CONFLICT (hash) DO UPDATE SET id = excluded.id, name = excluded.name, slot = excluded.slot,
         application_key = excluded.application_key, capabilities = excluded.capabilities,
         feature_flags = excluded.feature_flags, created_at = excluded.created_at, expires_at = excluded.expires_at,
         last_used_at = excluded.last_used_at, replaced_by = excluded.replaced_by, revoked_at = NULL WHERE revoked_at IS NOT NULL`,
    ),
    byHash: connection.prepare('SELECT * FROM api_key WHERE hash = ? AND revoked_at IS NULL'),
    byId: connection.prepare('SELECT * FROM api_key WHERE id = ? AND revoked_at IS NULL'),
    bySlot: connection.prepare(
      'SELECT * FROM api_key WHERE slot = ? AND revoked_at IS NULL ORDER BY created_at, id',
    ),
    // IS: null stands for the operators' keys.
    listOf: list('application_key IS @applicationKey AND'),
    listAll: list(''),
    revoke: connection.prepare('UPDATE api_key SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL'),
    end: connection.prepare(
      `UPDATE api_key SET expires_at = min(coalesce(expires_at, @expiresAt), @expiresAt), slot = NULL,
         replaced_by = @replacedBy WHERE id = @id`,
    ),
    touch: connection.prepare(
      'UPDATE api_key SET last_used_at = @at WHERE id = @id AND coalesce(last_used_at, 0) < @at',
    ),
    purge: connection.prepare(
      `DELETE FROM api_key WHERE id IN (SELECT id FROM api_key WHERE ${ENDED} < ? LIMIT ?)`,
    ),
  };
}

function found(row: unknown): Key | null {
  return row === undefined ? null : key(row as KeyRow);
}
