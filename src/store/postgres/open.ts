import type { Clock } from '../../model/clock.ts';
import { type Store, StoreError } from '../store.ts';
import { announcements } from './announcements.ts';
import { answers } from './answers.ts';
import { applications } from './applications.ts';
import { attempts } from './attempts.ts';
import type { Backend } from './backend.ts';
import { backlogCounts } from './backlog-counts.ts';
import { backlogs } from './backlogs.ts';
import { cancellations } from './cancellations.ts';
import { claims } from './claims.ts';
import { openDatabase } from './connection.ts';
import { deliveries } from './deliveries.ts';
import { endpoints } from './endpoints.ts';
import { eventTypes } from './event-types.ts';
import { failing } from './failing.ts';
import { hurries } from './hurries.ts';
import { keys } from './keys.ts';
import { leases } from './leases.ts';
import { messages } from './messages.ts';
import { type MigrateOptions, migrate } from './migrate.ts';
import { nodes } from './nodes.ts';
import { payloads } from './payloads.ts';
import { publishes } from './publishes.ts';
import { records } from './records.ts';
import { resends } from './resends.ts';
import { sessions } from './sessions.ts';
import { Signals, signalSender } from './signals.ts';
import { StagedMessages } from './staged.ts';
import { tallies } from './tallies.ts';
import { tasks } from './tasks.ts';
import { refuseHalfImported } from './transfer.ts';
import { upkeep } from './upkeep.ts';
import { withdrawals } from './withdrawals.ts';

/** So many batches of publishes may be committed at once: while one waits for the disk, the server works on another. */
const PARALLEL_COMMITS = 3;

/** Opens the schema `posthorn` of a database, which is made when it is absent. */
export async function openPostgresStore({
  url,
  clock,
  ...migration
}: { url: string; clock: Clock } & MigrateOptions): Promise<Store> {
  const db = openDatabase(url);
  // A beat never waits behind what people read: a node that is only busy would be taken for dead.
  const beats = db.apart(1);
  const self = { epoch: 0 };
  const backend: Backend = { db, clock, self, tell: signalSender(self) };
  const signals = new Signals(backend);
  const staged = new StagedMessages(backend);
  try {
    await migrate(db, migration);
    await refuseHalfImported(db);
    await signals.begin();
  } catch (error) {
    await Promise.all([db.close(), beats.close()]);
    throw error;
  }
  let closed = false;
  const store = methodsOn(backend, { ...backend, db: beats });
  const refuse = async () => {
    throw new StoreError('unavailable', 'The store is closed.');
  };
  const open = Object.entries(store).map(([name, member]) =>
    typeof member !== 'function'
      ? [name, member]
      : [name, (params: never) => (closed ? refuse() : (member as (params: never) => unknown)(params))],
  );
  return {
    ...(Object.fromEntries(open) as Omit<Store, 'close' | 'listen'>),
    listen: (told) => signals.listen(staged.hearing(told)),
    async close() {
      if (closed) return;
      closed = true;
      staged.close();
      await signals.close();
      await Promise.all([db.close(), beats.close()]);
    },
  };
}

/** @param beats The same on connections that nothing else waits for. */
function methodsOn(backend: Backend, beats: Backend): Omit<Store, 'close' | 'listen'> {
  return {
    shared: true,
    parallelCommits: PARALLEL_COMMITS,
    ...nodes(beats),
    ...applications(backend),
    ...endpoints(backend),
    ...eventTypes(backend),
    ...keys(backend),
    ...sessions(backend),
    ...messages(backend),
    ...payloads(backend),
    ...publishes(backend),
    ...claims(backend),
    ...leases(backend),
    ...backlogs(backend),
    ...backlogCounts(backend),
    ...deliveries(backend),
    ...cancellations(backend),
    ...hurries(backend),
    ...withdrawals(backend),
    ...failing(backend),
    ...resends(backend),
    ...records(backend),
    ...attempts(backend),
    ...tallies(backend),
    ...tasks(backend),
    ...announcements(backend),
    ...answers(backend),
    ...upkeep(backend),
  };
}
