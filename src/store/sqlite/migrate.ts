import { readdirSync, readFileSync } from 'node:fs';
import { StoreError } from '../store.ts';
import { type Connection, transaction } from './connection.ts';

const FOLDER = new URL('./migrations/', import.meta.url);

/** Brings the schema up to this program's version, a numbered file at a time; each is one transaction. */
export function migrate(connection: Connection): void {
  const files = readdirSync(FOLDER)
    .filter((name) => name.endsWith('.sql'))
    .sort();
  const present = Number(connection.pragma('user_version', { simple: true }));
  if (present > files.length) {
    throw new StoreError(
      'incompatible',
      `The store's schema is version ${present}; this Posthorn knows ${files.length}. Start the newer Posthorn that wrote it.`,
    );
  }
  files.slice(present).forEach((name, index) => {
    transaction(connection, () => {
      connection.exec(readFileSync(new URL(name, FOLDER), 'utf8'));
      connection.pragma(`user_version = ${present + index + 1}`);
    });
  });
}

/** Counts this opening: the base of all fences of this process. */
export function nextEpoch(connection: Connection): number {
  const row = connection
    .prepare(
      "INSERT INTO meta (name, value) VALUES ('epoch', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
    )
    .get() as { value: number };
  return row.value;
}
