import { readdirSync, readFileSync } from 'node:fs';
import type { Clock } from '../../model/clock.ts';
import { type Migration, type SchemaState, StoreError } from '../store.ts';
import { type Database, type Executor, statement } from './connection.ts';
import { type LongSession, openLongSession } from './long-session.ts';

export interface MigrateOptions {
  /** Told before and after the schema of a store with data is changed: a large one takes a while. */
  told?: { log: { info(fields: object, text: string): void }; clock: Pick<Clock, 'monotonic'> } | undefined;
}

const FOLDER = new URL('./migrations/', import.meta.url);
/** Whoever migrates holds it: processes that start together wait for the one that does. */
const LOCK = statement('SELECT pg_advisory_xact_lock(1886745448, -1)');
const PRESENT = statement("SELECT to_regclass('posthorn.migration') IS NOT NULL AS present");
const LAST = statement('SELECT coalesce(max(number), 0) AS number FROM posthorn.migration');
const BEGIN = statement(
  `CREATE TABLE IF NOT EXISTS posthorn.migration (
     number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`,
);
/** Whoever may not create schemas can be given an empty one. */
const SCHEMA = "DO 'BEGIN IF to_regnamespace(''posthorn'') IS NULL THEN CREATE SCHEMA posthorn; END IF; END'";
const ADD = statement('INSERT INTO posthorn.migration (number, name) VALUES ($1, $2)');
const SERVER = statement(
  "SELECT current_setting('server_version_num')::int AS version, current_setting('server_encoding') AS encoding",
);
/** Functions that the schema uses came with it. */
const OLDEST_SERVER = 140_000;

/** The version of the schema, and what this program adds to it. Throws `incompatible` when the store has more. */
export async function schemaState(db: Executor): Promise<SchemaState> {
  await refuseUnfit(db);
  const names = readdirSync(FOLDER)
    .filter((name) => name.endsWith('.sql'))
    .sort();
  const present = await presentVersion(db);
  if (present > names.length) {
    throw new StoreError(
      'incompatible',
      `The schema posthorn of the database is version ${present}; this Posthorn knows ${names.length}. Start the newer Posthorn that wrote it.`,
    );
  }
  const pending = names.slice(present).map((name, index) => ({ number: present + index + 1, name }));
  return { present, known: names.length, pending };
}

/** Brings the schema up to this program's version; each migration is one transaction. Returns those that were applied here. */
export async function migrate(db: Database, { told }: MigrateOptions = {}): Promise<readonly Migration[]> {
  const { pending } = await schemaState(db);
  if (pending.length === 0) return [];
  // Another process may be at it for long, and so may this one.
  const session = await openLongSession(db);
  const applied: Migration[] = [];
  const isEmpty = pending[0]?.number === 1;
  try {
    for (const migration of pending) {
      const begin = told?.clock.monotonic() ?? 0;
      const what = { migration: migration.name };
      if (!isEmpty) told?.log.info(what, 'the schema is brought up to date: that may take a while');
      if (!(await apply(session, migration))) continue;
      applied.push(migration);
      const ms = Math.round((told?.clock.monotonic() ?? 0) - begin);
      if (!isEmpty) told?.log.info({ ...what, ms }, 'the schema is up to date');
    }
  } finally {
    await session.close();
  }
  // A newer program may have done it meanwhile, and more.
  await schemaState(db);
  return applied;
}

/** False when another process did it meanwhile. */
function apply(session: LongSession, { number, name }: Migration): Promise<boolean> {
  return session.transaction(async (tx) => {
    await tx.rows(LOCK);
    await tx.script(SCHEMA);
    await tx.changes(BEGIN);
    const last = (await tx.row<{ number: number }>(LAST))?.number ?? 0;
    if (last >= number) return false;
    await tx.script(readFileSync(new URL(name, FOLDER), 'utf8'));
    await tx.changes(ADD, [number, name]);
    return true;
  });
}

async function presentVersion(db: Executor): Promise<number> {
  const found = await db.row<{ present: boolean }>(PRESENT);
  if (!found?.present) return 0;
  return (await db.row<{ number: number }>(LAST))?.number ?? 0;
}

async function refuseUnfit(db: Executor): Promise<void> {
  const server = await db.row<{ version: number; encoding: string }>(SERVER);
  const { version, encoding } = server ?? { version: 0, encoding: '' };
  if (version < OLDEST_SERVER) {
    throw new StoreError(
      'incompatible',
      `The server is PostgreSQL ${Math.floor(version / 10_000)}; Posthorn needs 14 or newer.`,
    );
  }
  if (encoding !== 'UTF8') {
    throw new StoreError(
      'incompatible',
      `The database has the encoding ${encoding}, which cannot hold every text; Posthorn needs one with UTF8: CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8'.`,
    );
  }
}
