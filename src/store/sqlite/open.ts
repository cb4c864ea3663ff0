import { join } from 'node:path';
import { type Store, StoreError } from '../store.ts';
import { announcements } from './announcements.ts';
import { answers } from './answers.ts';
import { applications } from './applications.ts';
import { attempts } from './attempts.ts';
import { backlogCounts } from './backlog-counts.ts';
import { backlogs } from './backlogs.ts';
import { cancellations } from './cancellations.ts';
import { claims } from './claims.ts';
import { type Connection, openConnection } from './connection.ts';
import { deliveries } from './deliveries.ts';
import { endpoints } from './endpoints.ts';
import { asStoreError } from './errors.ts';
import { eventTypes } from './event-types.ts';
import { failing } from './failing.ts';
import { makeFolder } from './folder.ts';
import { hurries } from './hurries.ts';
import { keys } from './keys.ts';
import { leases } from './leases.ts';
import { lockFolder } from './lock.ts';
import { messages } from './messages.ts';
import { type MigrateOptions, migrate } from './migrate.ts';
import { nodes, oneByOne } from './nodes.ts';
import { payloads } from './payloads.ts';
import { publishes } from './publishes.ts';
import { records } from './records.ts';
import { resends } from './resends.ts';
import { retention } from './retention.ts';
import { sessions } from './sessions.ts';
import { tallies } from './tallies.ts';
import { tasks } from './tasks.ts';
import { refuseHalfImported } from './transfer.ts';
import { upkeep } from './upkeep.ts';
import { withdrawals } from './withdrawals.ts';

type OwnWays = 'close' | 'shared' | 'parallelCommits' | 'listen' | 'exclusively';

/** The port's methods as SQLite has them: synchronous. */
type Calls = {
  [Name in Exclude<keyof Store, OwnWays>]: (
    ...params: Parameters<Store[Name]>
  ) => Awaited<ReturnType<Store[Name]>>;
};

/** Opens `posthorn.db` in the folder, which is made when it is absent. One process at a time. */
export async function openSqliteStore({
  folder,
  ...migration
}: { folder: string } & MigrateOptions): Promise<Store> {
  makeFolder(folder);
  const lock = lockFolder(folder);
  let connection: Connection | undefined;
  try {
    connection = openConnection(join(folder, 'posthorn.db'));
    migrate(connection, migration);
    refuseHalfImported(connection);
    return storeOn(connection, lock);
  } catch (error) {
    connection?.close();
    lock.release();
    throw asStoreError(error);
  }
}

/** The port over a connection, which it owns from here on. */
export function storeOn(connection: Connection, lock: { release(): void }): Store {
  const calls: Calls = {
    ...applications(connection),
    ...endpoints(connection),
    ...eventTypes(connection),
    ...keys(connection),
    ...sessions(connection),
    ...messages(connection),
    ...payloads(connection),
    ...publishes(connection),
    ...claims(connection),
    ...leases(connection),
    ...nodes(connection),
    ...backlogs(connection),
    ...backlogCounts(connection),
    ...deliveries(connection),
    ...cancellations(connection),
    ...hurries(connection),
    ...withdrawals(connection),
    ...failing(connection),
    ...resends(connection),
    ...records(connection),
    ...attempts(connection),
    ...tallies(connection),
    ...tasks(connection),
    ...announcements(connection),
    ...answers(connection),
    ...retention(connection),
    ...upkeep(connection),
  };
  let closed = false;
  // After a failed fsync the file may lack what SQLite believes to be in it: nothing is read or acknowledged any more.
  let broken: StoreError | null = null;
  const promised = Object.entries(calls).map(([name, call]) => [
    name,
    async (params: never) => {
      if (broken !== null) throw broken;
      if (closed) throw new StoreError('unavailable', 'The store is closed.');
      try {
        return (call as (params: never) => unknown)(params);
      } catch (cause) {
        const error = asStoreError(cause);
        if (error instanceof StoreError && error.code === 'broken') broken = error;
        throw error;
      }
    },
  ]);
  return {
    ...(Object.fromEntries(promised) as Omit<Store, OwnWays>),
    shared: false,
    // One connection writes.
    parallelCommits: 1,
    listen() {},
    exclusively: oneByOne(),
    async close() {
      if (closed) return;
      closed = true;
      connection.close();
      lock.release();
    },
  };
}
