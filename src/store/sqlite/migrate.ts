import { readdirSync, readFileSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../../model/clock.ts';
import { type Migration, type SchemaState, StoreError } from '../store.ts';
import { type Connection, transaction } from './connection.ts';

export interface MigrateOptions {
  /** Told before and after the schema of a store with data is changed: a large one takes a while. */
  told?: { log: { info(fields: object, text: string): void }; clock: Pick<Clock, 'monotonic'> } | undefined;
  /** Bytes that may still be written where the file is. */
  freeBytes?: (folder: string) => number;
}

const FOLDER = new URL('./migrations/', import.meta.url);
/**
 * Free space that a migration of a store is sure to find enough, as a share of its file: an index made anew is sorted beside
 * the file and written to the log before it gets into the file. (For a million messages of 20 characters each of both took an
 * eighth of the file, and the whole 2 s; for messages of 1 KB a twentieth, and 3 s.)
 */
const SPACE_SHARE = 0.5;
const MB = 1_000_000;

export function schemaState(connection: Connection): SchemaState {
  return schemaStateFrom(Number(connection.pragma('user_version', { simple: true })));
}

/** From the version of the schema, what this program adds to it. Throws `incompatible` when the store has more. */
export function schemaStateFrom(present: number): SchemaState {
  const names = readdirSync(FOLDER)
    .filter((name) => name.endsWith('.sql'))
    .sort();
  if (present > names.length) {
    throw new StoreError(
      'incompatible',
      `The store's schema is version ${present}; this Posthorn knows ${names.length}. Start the newer Posthorn that wrote it.`,
    );
  }
  const pending = names.slice(present).map((name, index) => ({ number: present + index + 1, name }));
  return { present, known: names.length, pending };
}

/**
 * Brings the schema up to this program's version, a numbered file at a time; each is one transaction. Returns those that were
 * applied.
 */
export function migrate(connection: Connection, options: MigrateOptions = {}): readonly Migration[] {
  const { present, known, pending } = schemaState(connection);
  if (pending.length === 0) return [];
  const upgrade = () => {
    for (const { number, name } of pending) {
      transaction(connection, () => {
        connection.exec(readFileSync(new URL(name, FOLDER), 'utf8'));
        connection.pragma(`user_version = ${number}`);
      });
    }
  };
  if (present === 0) upgrade();
  else upgradeData(connection, { from: present, to: known, ...options }, upgrade);
  return pending;
}

/** What takes its time, and room: said before, and refused where the room is missing. */
function upgradeData(
  connection: Connection,
  { from, to, told, freeBytes = freeBytesOf }: MigrateOptions & { from: number; to: number },
  upgrade: () => void,
): void {
  const bytes = ['page_count', 'page_size'].reduce(
    (product, name) => product * Number(connection.pragma(name, { simple: true })),
    1,
  );
  const needed = Math.ceil(bytes * SPACE_SHARE);
  const free = freeBytes(dirname(connection.name));
  const [fileMb, neededMb, freeMb] = [bytes, needed, free].map((each) => Math.ceil(each / MB));
  const what = { file: connection.name, from, to };
  told?.log.info(
    { ...what, fileMb, neededMb, freeMb },
    "the store's schema is brought up to date: that may take a while",
  );
  if (free < needed) {
    throw new StoreError(
      'unavailable',
      `The store's schema has to be brought from version ${from} to ${to}. That needs ${neededMb} MB of free space beside ${connection.name}, and there are ${freeMb} MB. Nothing was changed: make room and start again.`,
    );
  }
  const begin = told?.clock.monotonic() ?? 0;
  // What is sorted may be larger than the memory.
  connection.pragma('temp_store = FILE');
  try {
    upgrade();
  } finally {
    connection.pragma('temp_store = MEMORY');
  }
  told?.log.info(
    { ...what, ms: Math.round(told.clock.monotonic() - begin) },
    "the store's schema is up to date",
  );
}

function freeBytesOf(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}
