import type pg from 'pg';
import type { Database, Executor, Statement, Value } from './connection.ts';
import { asStoreError } from './errors.ts';

/** `setTimeout` takes no more. */
const NO_TIMEOUT_MS = 2 ** 31 - 1;

/** Those that a server has: which there are depends on its version. */
const NO_TIMEOUTS = `SELECT set_config(name, '0', true) FROM pg_catalog.pg_settings WHERE name IN
  ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')`;

/** A page of rows is put in order in memory. */
const ROOM_TO_SORT = "SET LOCAL work_mem = '32MB'";

/** One connection with transactions that may take as long as they need: migrations, exports and imports. */
export interface LongSession extends Executor {
  /** The rows as arrays of their columns. */
  arrays<Row>(text: string, values?: readonly Value[]): Promise<Row[]>;
  /** All of `work` or nothing of it. What is not in a transaction has the usual time. */
  transaction<T>(work: (tx: LongSession) => Promise<T>): Promise<T>;
  /** Begins a transaction that sees what is committed now, and nothing else, until the session ends. */
  beginSnapshot(): Promise<void>;
  close(): Promise<void>;
}

export async function openLongSession(db: Pick<Database, 'connect'>): Promise<LongSession> {
  const client = await db.connect();
  // Told by the statement that meets it.
  client.on('error', () => {});

  async function run(text: string, values: readonly Value[], { unsure = false, rowMode = '' } = {}) {
    const query = {
      text,
      // A text of several statements must not have values, not even none.
      ...(values.length > 0 && { values: values as Value[] }),
      ...(rowMode !== '' && { rowMode }),
      query_timeout: NO_TIMEOUT_MS,
    } as pg.QueryConfig;
    try {
      return await client.query(query);
    } catch (error) {
      throw asStoreError(error, { unsure, of: { name: '', text } });
    }
  }

  const session: LongSession = {
    rows: async <Row>({ text }: Statement, values: readonly Value[] = []) =>
      (await run(text, values)).rows as Row[],
    row: async <Row>({ text }: Statement, values: readonly Value[] = []) =>
      ((await run(text, values)).rows[0] as Row | undefined) ?? null,
    changes: async ({ text }, values = []) => (await run(text, values)).rowCount ?? 0,
    script: async (text) => void (await run(text, [])),
    arrays: async <Row>(text: string, values: readonly Value[] = []) =>
      (await run(text, values, { rowMode: 'array' })).rows as Row[],
    async transaction(work) {
      await run('BEGIN', []);
      try {
        await run(NO_TIMEOUTS, []);
        const result = await work(session);
        await run('COMMIT', [], { unsure: true });
        return result;
      } catch (error) {
        // What is left of it ends with the connection.
        await run('ROLLBACK', []).catch(() => {});
        throw error;
      }
    },
    async beginSnapshot() {
      await run('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY', []);
      await run(NO_TIMEOUTS, []);
      await run(ROOM_TO_SORT, []);
    },
    close: () => client.end(),
  };
  return session;
}
