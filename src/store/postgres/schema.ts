import { type Migration, type SchemaState, StoreError } from '../store.ts';
import { openDatabase, statement } from './connection.ts';
import { type MigrateOptions, migrate, schemaState } from './migrate.ts';

const ROLE = statement('SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = $1');
const GRANT = statement('SELECT posthorn.grant_publisher($1::name)');

/** The schema of a database; nothing of it is changed. */
export async function readPostgresSchema({ url }: { url: string }): Promise<SchemaState> {
  const db = openDatabase(url);
  try {
    return await schemaState(db);
  } finally {
    await db.close();
  }
}

/** Brings it up to date, also while servers run on it. `publisherRole` may call `posthorn.publish` from then on. */
export async function migratePostgres({
  url,
  publisherRole,
  ...options
}: { url: string; publisherRole: string | null } & MigrateOptions): Promise<readonly Migration[]> {
  const db = openDatabase(url);
  try {
    // Before anything is changed.
    if (publisherRole !== null && (await db.row(ROLE, [publisherRole])) === null) {
      throw new StoreError(
        'incompatible',
        `There is no role ${JSON.stringify(publisherRole)} in PostgreSQL: make it with CREATE ROLE first. Nothing was changed.`,
      );
    }
    const applied = await migrate(db, options);
    if (publisherRole !== null) await db.rows(GRANT, [publisherRole]);
    return applied;
  } finally {
    await db.close();
  }
}
