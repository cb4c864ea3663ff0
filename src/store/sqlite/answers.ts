import type { KeptAnswer } from '../store.ts';
import type { Connection } from './connection.ts';

/** Answers to calls under an idempotency key, but for publishes: those have their messages (`idempotency.ts`). */
export function answers(connection: Connection) {
  const find = connection.prepare('SELECT body_hash AS bodyHash, sealed FROM answer WHERE key_hash = ?');
  const insert = connection.prepare(
    `INSERT INTO answer (key_hash, body_hash, sealed, created_at) VALUES (@keyHash, @bodyHash, @sealed, @now)
     ON CONFLICT (key_hash) DO NOTHING`,
  );
  return {
    answerFind: ({ keyHash }: { keyHash: Buffer }): KeptAnswer | null =>
      (find.get(keyHash) as KeptAnswer | undefined) ?? null,
    answerInsert: (params: KeptAnswer & { keyHash: Buffer; now: number }): void => void insert.run(params),
  };
}
