import type { KeptAnswer } from '../store.ts';
import type { Backend } from './backend.ts';
import { statement } from './connection.ts';

const FIND = statement('SELECT body_hash AS "bodyHash", sealed FROM posthorn.answer WHERE key_hash = $1');
const INSERT = statement(
  `INSERT INTO posthorn.answer (key_hash, body_hash, sealed, created_at) VALUES ($1, $2, $3, $4)
   ON CONFLICT (key_hash) DO NOTHING`,
);
const PURGES = ['idempotency', 'answer'].map((table) =>
  statement(
    `DELETE FROM posthorn.${table} WHERE key_hash = ANY (ARRAY (
       SELECT key_hash FROM posthorn.${table} WHERE created_at < $1 ORDER BY created_at LIMIT $2))`,
  ),
);

/** Answers to calls under an idempotency key, but for publishes: those have their messages (`publishes.ts`). */
export function answers({ db }: Backend) {
  return {
    answerFind: ({ keyHash }: { keyHash: Buffer }): Promise<KeptAnswer | null> =>
      db.row<KeptAnswer>(FIND, [keyHash]),
    async answerInsert(params: KeptAnswer & { keyHash: Buffer; now: number }): Promise<void> {
      const { keyHash, bodyHash, sealed, now } = params;
      await db.changes(INSERT, [keyHash, bodyHash, sealed, now]);
    },
    async idempotencyPurge({ before, limit }: { before: number; limit: number }): Promise<number> {
      let most = 0;
      for (const purge of PURGES) most = Math.max(most, await db.changes(purge, [before, limit]));
      return most;
    },
  };
}
