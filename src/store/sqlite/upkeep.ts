import type { Connection } from './connection.ts';

export function upkeep(connection: Connection) {
  const write = connection.prepare("UPDATE meta SET value = value WHERE name = 'epoch'");
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
