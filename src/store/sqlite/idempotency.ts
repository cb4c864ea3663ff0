import type { Publish, PublishResult } from '../store.ts';
import { type Connection, transaction } from './connection.ts';

type Earlier = Extract<PublishResult, { kind: 'replayed' | 'idempotency_mismatch' }>;

/** The idempotency keys of publishes: what each call was, and the messages that it made. */
export function idempotency(connection: Connection) {
  const insert = connection.prepare(
    'INSERT INTO idempotency (key_hash, body_hash, message_ids, created_at) VALUES (?, ?, ?, ?)',
  );
  const find = connection.prepare('SELECT body_hash, message_ids FROM idempotency WHERE key_hash = ?');
  const purges = ['idempotency', 'answer'].map((table) =>
    connection.prepare(
      `DELETE FROM ${table} WHERE key_hash IN (SELECT key_hash FROM ${table} WHERE created_at < ? LIMIT ?)`,
    ),
  );

  return {
    /** What a call under a key that was used before gets; null: the key is new. */
    earlier({ keyHash, bodyHash }: NonNullable<Publish['idempotency']>): Earlier | null {
      const found = find.get(keyHash) as { body_hash: Buffer; message_ids: string } | undefined;
      if (found === undefined) return null;
      if (!found.body_hash.equals(bodyHash)) return { kind: 'idempotency_mismatch' };
      return { kind: 'replayed', messageIds: JSON.parse(found.message_ids) };
    },
    keep({ idempotency: key, messages }: Publish, now: number): void {
      if (key === null) return;
      insert.run(key.keyHash, key.bodyHash, JSON.stringify(messages.map(({ id }) => id)), now);
    },
    purge: ({ before, limit }: { before: number; limit: number }): number =>
      transaction(connection, () => Math.max(...purges.map((purge) => purge.run(before, limit).changes))),
  };
}
