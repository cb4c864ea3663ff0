import type { Key, KeySlot } from '../../model/key.ts';
import { type KeyRow, key, storedKey } from '../rows/key-row.ts';
import type { Store } from '../store.ts';
import { bigints, storable, texts } from './arrays.ts';
import type { Backend } from './backend.ts';
import { statement, type Value } from './connection.ts';
import { upwards } from './pages.ts';

type ListParams = Parameters<Store['keyList']>[0];
type RotateParams = Parameters<Store['keyRotate']>[0];
type TouchParams = Parameters<Store['keyTouch']>[0];

const COLUMNS = `id, name, slot, hash, application_key, capabilities, feature_flags, created_at, expires_at, last_used_at,
  replaced_by`;

// A text that was a key once and was revoked can be made one again. And another process may have deleted the application
// meanwhile: then it is as if that had come right after this.
const INSERT = statement(
  `INSERT INTO posthorn.api_key AS k (${COLUMNS}, revoked_at)
   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
     (SELECT deleted_at FROM posthorn.application WHERE application_key = $5 FOR SHARE))
   ON CONFLICT (hash) DO UPDATE SET id = excluded.id, name = excluded.name, slot = excluded.slot,
     application_key = excluded.application_key, capabilities = excluded.capabilities, feature_flags = excluded.feature_flags,
     created_at = excluded.created_at, expires_at = excluded.expires_at, last_used_at = excluded.last_used_at,
     replaced_by = excluded.replaced_by, revoked_at = excluded.revoked_at
   WHERE k.revoked_at IS NOT NULL`,
);
const BY_HASH = statement(`SELECT ${COLUMNS} FROM posthorn.api_key WHERE hash = $1 AND revoked_at IS NULL`);
const BY_ID = statement(`SELECT ${COLUMNS} FROM posthorn.api_key WHERE id = $1 AND revoked_at IS NULL`);
const LOCKED = statement(`SELECT slot FROM posthorn.api_key WHERE id = $1 AND revoked_at IS NULL FOR UPDATE`);
const BY_SLOT = statement(
  `SELECT ${COLUMNS} FROM posthorn.api_key WHERE slot = $1 AND revoked_at IS NULL ORDER BY created_at, id`,
);
const list = (condition: string, place = '') =>
  upwards<KeyRow>(
    (order) =>
      `SELECT ${COLUMNS} FROM posthorn.api_key WHERE ${condition} revoked_at IS NULL AND id > coalesce($1, '')
       AND id < coalesce($2, '~') ORDER BY ${place === '' ? '' : `${place} ${order},`} id ${order} LIMIT $3`,
  );
const LIST_ALL = list('');
// By the column as well: that it is NULL in all of them does not tell the planner that the index has them in order.
const LIST_OF_OPERATORS = list('application_key IS NULL AND', 'application_key');
const LIST_OF_APPLICATION = list('application_key = $4 AND');
const REVOKE = statement('UPDATE posthorn.api_key SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL');
const END = statement(
  `UPDATE posthorn.api_key SET expires_at = least(expires_at, $2), slot = NULL, replaced_by = $3
   WHERE id = $1 AND revoked_at IS NULL`,
);
const TOUCH = statement(
  `UPDATE posthorn.api_key k SET last_used_at = u.at FROM unnest($1::text[], $2::bigint[]) AS u (id, at)
   WHERE k.id = u.id AND coalesce(k.last_used_at, 0) < u.at`,
);
// As the index has it: the earlier of two times, of which one may be missing.
const PURGE = statement(
  `DELETE FROM posthorn.api_key WHERE id = ANY (ARRAY (
     SELECT id FROM posthorn.api_key WHERE least(revoked_at, expires_at) < $1 ORDER BY least(revoked_at, expires_at) LIMIT $2))`,
);

export function keys({ db, tell }: Backend) {
  return {
    keyInsert: (params: Key): Promise<boolean> =>
      db.transaction(async (tx) => {
        if ((await tx.changes(INSERT, columns(params))) === 0) return false;
        await tell(tx, [{ kind: 'keys' }]);
        return true;
      }),
    keyFind: async ({ hash }: { hash: Buffer }): Promise<Key | null> =>
      found(await db.row<KeyRow>(BY_HASH, [hash])),
    keyFindById: async ({ id }: { id: string }): Promise<Key | null> =>
      found(await db.row<KeyRow>(BY_ID, [storable(id)])),
    keyListBySlot: async ({ slot }: { slot: KeySlot }): Promise<Key[]> =>
      (await db.rows<KeyRow>(BY_SLOT, [slot])).map(key),
    async keyList({ applicationKey, ...page }: ListParams): Promise<Key[]> {
      if (applicationKey === undefined) return (await LIST_ALL(db, page)).map(key);
      if (applicationKey === null) return (await LIST_OF_OPERATORS(db, page)).map(key);
      return (await LIST_OF_APPLICATION(db, page, applicationKey)).map(key);
    },
    keyRevoke: ({ id, now }: { id: string; now: number }): Promise<boolean> =>
      db.transaction(async (tx) => {
        if ((await tx.changes(REVOKE, [storable(id), now])) === 0) return false;
        await tell(tx, [{ kind: 'keys' }]);
        return true;
      }),
    keyRotate: ({ id, replacement, expiresAt }: RotateParams): Promise<boolean> =>
      db.transaction(async (tx) => {
        const present = await tx.row<Pick<KeyRow, 'slot'>>(LOCKED, [storable(id)]);
        if (present === null) return false;
        if ((await tx.changes(INSERT, columns({ ...replacement, slot: present.slot }))) === 0) return false;
        await Promise.all([tx.changes(END, [id, expiresAt, replacement.id]), tell(tx, [{ kind: 'keys' }])]);
        return true;
      }),
    async keyTouch({ uses }: TouchParams): Promise<void> {
      // The last use of each, and in one order: several processes note the same keys.
      const last = new Map<string, number>();
      for (const { id, at } of uses) last.set(id, Math.max(at, last.get(id) ?? 0));
      if (last.size === 0) return;
      const sorted = [...last].sort(([one], [other]) => (one < other ? -1 : 1));
      const values = [texts(sorted.map(([id]) => id)), bigints(sorted.map(([, at]) => at))];
      await db.transaction((tx) => tx.changes(TOUCH, values));
    },
    keyPurge: ({ before, limit }: { before: number; limit: number }): Promise<number> =>
      db.changes(PURGE, [before, limit]),
  };
}

/** In the order of `INSERT`. */
function columns(added: Key): Value[] {
  const row = storedKey(added);
  return [
    row.id,
    storable(row.name),
    row.slot,
    row.hash,
    row.applicationKey,
    row.capabilities,
    row.featureFlags,
    row.createdAt,
    row.expiresAt,
    row.lastUsedAt,
    row.replacedBy,
  ];
}

function found(row: KeyRow | null): Key | null {
  return row === null ? null : key(row);
}
