import type { Connection } from './connection.ts';

export function upkeep(connection: Connection) {
  const purge = connection.prepare(
    `DELETE FROM idempotency WHERE key_hash IN (SELECT key_hash FROM idempotency WHERE created_at < ? LIMIT ?)`,
  );
  const write = connection.prepare("UPDATE meta SET value = value WHERE name = 'epoch'");
  return {
    idempotencyPurge: ({ before, limit }: { before: number; limit: number }): number =>
      purge.run(before, limit).changes,
    check: (): void => void write.run(),
  };
}
