import type { Clock } from '../model/clock.ts';
import type { Settings } from '../settings.ts';
import { readNodes } from './postgres/node-table.ts';
import { openPostgresStore } from './postgres/open.ts';
import { migratePostgres, readPostgresSchema } from './postgres/schema.ts';
import { openPostgresSource, openPostgresTarget } from './postgres/transfer.ts';
import { openSqliteStore } from './sqlite/open.ts';
import { migrateSqlite, readSqliteSchema } from './sqlite/schema.ts';
import { openSqliteSource, openSqliteTarget } from './sqlite/transfer.ts';
import type { ListedNode, Migration, SchemaState, Store } from './store.ts';
import type { TransferSource, TransferTarget } from './transfer.ts';

type Place = Pick<Settings, 'store' | 'dataFolder'>;

interface Opening {
  readonly settings: Place;
  readonly clock: Clock;
  readonly log?: { info(fields: object, text: string): void; warn(fields: object, text: string): void };
}

/**
 * Opens the store that the settings name, and brings its schema up to this program's version. Throws `incompatible` when an
 * import into it is not finished.
 */
export function openStore({ settings, clock, log }: Opening): Promise<Store> {
  const told = log && { log, clock };
  return settings.store === 'sqlite'
    ? openSqliteStore({ folder: settings.dataFolder, told })
    : openPostgresStore({ url: settings.store, clock, told });
}

/** Opens it to be exported. The schema has to be this program's. */
export function openTransferSource({ settings }: Pick<Opening, 'settings'>): Promise<TransferSource> {
  return settings.store === 'sqlite'
    ? openSqliteSource({ folder: settings.dataFolder })
    : openPostgresSource({ url: settings.store });
}

/** Opens it to be imported into, and brings its schema up to this program's version. */
export function openTransferTarget({ settings, clock, log }: Opening): Promise<TransferTarget> {
  const told = log && { log, clock };
  return settings.store === 'sqlite'
    ? openSqliteTarget({ folder: settings.dataFolder, told })
    : openPostgresTarget({ url: settings.store, told });
}

/** The version of its schema. Changes nothing, also while a server runs on it. */
export function readSchema({ settings }: Pick<Opening, 'settings'>): Promise<SchemaState> {
  return settings.store === 'sqlite'
    ? readSqliteSchema({ folder: settings.dataFolder })
    : readPostgresSchema({ url: settings.store });
}

/**
 * Brings its schema up to this program's version. Returns the migrations that were applied.
 * @param params.publisherRole May call `posthorn.publish` from now on. PostgreSQL only.
 */
export function migrateStore({
  publisherRole,
  ...opening
}: Opening & { publisherRole: string | null }): Promise<readonly Migration[]> {
  const { settings, clock, log } = opening;
  const told = log && { log, clock };
  return settings.store === 'sqlite'
    ? migrateSqlite({ folder: settings.dataFolder, told })
    : migratePostgres({ url: settings.store, publisherRole, told });
}

/** The nodes of a store that several may share; null: no server was ever started on it. */
export async function listNodes({ store }: Pick<Settings, 'store'>): Promise<readonly ListedNode[] | null> {
  return store === 'sqlite' ? [] : readNodes(store);
}
