import type { Backend } from './backend.ts';
import { statement } from './connection.ts';
import { lock } from './locks.ts';
import { tendPartitions } from './partitions.ts';
import { purgeSignals } from './signals.ts';

const KEEP_MASTER_KEY = statement(
  "INSERT INTO posthorn.meta (name, value) VALUES ('master_key_id', $1) ON CONFLICT (name) DO NOTHING",
);
const MASTER_KEY = statement("SELECT value FROM posthorn.meta WHERE name = 'master_key_id'");
const WRITE = statement(
  `INSERT INTO posthorn.meta (name, value) VALUES ('checks', 1)
   ON CONFLICT (name) DO UPDATE SET value = meta.value + 1`,
);

type Outcome<T> = { readonly result: T } | { readonly error: unknown };

export function upkeep(backend: Backend) {
  const { db } = backend;
  /** Of this process, one call at a time waits for the others: each that waits has a connection. */
  let last: Promise<unknown> = Promise.resolve();

  async function locked<T>(work: () => Promise<T>): Promise<Outcome<T>> {
    let outcome: Outcome<T> | null = null;
    try {
      await db.transaction(async (tx) => {
        await lock(tx, 'exclusive');
        // What `work` throws is not this transaction's: it would be taken for something that PostgreSQL said.
        outcome = await work().then(
          (result) => ({ result }),
          (error: unknown) => ({ error }),
        );
      });
    } catch (error) {
      // When it ran, it ran: that the connection with the lock broke does not change what became of it.
      if (outcome === null) throw error;
    }
    return outcome as unknown as Outcome<T>;
  }

  return {
    async masterKeyKeep({ id }: { id: number }): Promise<boolean> {
      await db.changes(KEEP_MASTER_KEY, [id]);
      return (await db.row<{ value: number }>(MASTER_KEY))?.value === id;
    },
    async check(): Promise<void> {
      await db.changes(WRITE);
    },
    async exclusively<T>(work: () => Promise<T>): Promise<T> {
      const mine = last.then(() => locked(work));
      last = mine.catch(() => {});
      const outcome = await mine;
      if ('error' in outcome) throw outcome.error;
      return outcome.result;
    },
    async storeTend({ now, keepMs }: { now: number; keepMs: number | null }): Promise<{ more: boolean }> {
      await tendPartitions(db, { now, keepMs });
      await purgeSignals(db);
      return { more: false };
    },
  };
}
