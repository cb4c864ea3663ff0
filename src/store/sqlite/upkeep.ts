import type { Connection } from './connection.ts';

export function upkeep(connection: Connection) {
  // The value must change: SQLite writes no page that stays as it was, and would find a full disk in good order.
  const write = connection.prepare(
    "INSERT INTO meta (name, value) VALUES ('checks', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1",
  );
  const keepMasterKey = connection.prepare(
    "INSERT INTO meta (name, value) VALUES ('master_key_id', ?) ON CONFLICT (name) DO NOTHING",
  );
  const masterKey = connection.prepare("SELECT value FROM meta WHERE name = 'master_key_id'");
  return {
    masterKeyKeep({ id }: { id: number }): boolean {
      keepMasterKey.run(id);
      return (masterKey.get() as { value: number }).value === id;
    },
    check: (): void => void write.run(),
  };
}
