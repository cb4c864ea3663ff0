import { createHash } from 'node:crypto';
import pg from 'pg';
import { POSTGRES_CONNECT_MS, POSTGRES_QUERY_MS, POSTGRES_STATEMENT_MS } from '../../limits.ts';
import { asConnectError, asStoreError, isUsableAfter, isWorthAnotherTry } from './errors.ts';

/** A statement of the driver: prepared once per connection, under a name made of its text. */
export interface Statement {
  readonly name: string;
  readonly text: string;
  /** Whether it changes anything: then a lost connection leaves open whether it did. */
  readonly writes: boolean;
}

/** What is bound: a Buffer goes as binary (see `arrays.ts`, and `bytea`), anything else as text. */
export type Value = string | number | bigint | boolean | null | Buffer;

/** Whoever runs statements: the pool (each a transaction of its own) or a transaction. Statements that are not awaited one by one are pipelined. */
export interface Executor {
  /** The rows, by column name; bigints as numbers. */
  rows<Row>(statement: Statement, values?: readonly Value[]): Promise<Row[]>;
  /** The first row; null: there is none. */
  row<Row>(statement: Statement, values?: readonly Value[]): Promise<Row | null>;
  /** How many rows were changed. */
  changes(statement: Statement, values?: readonly Value[]): Promise<number>;
  /** Many statements in one text, without values: a migration. */
  script(text: string): Promise<void>;
}

export interface Database extends Executor {
  /** As many connections of their own, which never wait for those here. Where none can be had, they borrow one. */
  apart(most: number): Database;
  /** All of `work` or nothing of it. One that loses against another (deadlock) is run anew, so `work` must have no other effects. */
  transaction<T>(work: (tx: Executor) => Promise<T>): Promise<T>;
  /** A connection outside of the pool, for LISTEN. */
  connect(): Promise<pg.Client>;
  /** Whether LISTEN works: not through a pooler that hands out connections by transaction. */
  readonly listens: boolean;
  close(): Promise<void>;
}

const WRITES = /\b(INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|setval|signal_send|lock_lines)\b/;
const TRIES = 3;

/** All statements that were made, by name: a test asks the server for their plans. */
export const STATEMENTS = new Map<string, Statement>();

export function statement(text: string): Statement {
  const name = createHash('sha256').update(text).digest('base64url').slice(0, 20);
  const made = { name, text, writes: WRITES.test(text) };
  STATEMENTS.set(name, made);
  return made;
}

/** One that is not prepared: it has names in it that are others the next time. It takes no values. */
export function unprepared(text: string): Statement {
  return { name: '', text, writes: WRITES.test(text) };
}

/**
 * All statements are small and meant for indexes. A plan that was made while a table was empty would go through all of it, and
 * stay in use: so plans are generic, and nested loops over indexes are all there is to choose from.
 */
const SESSION = [
  'plan_cache_mode=force_generic_plan',
  'enable_seqscan=off',
  'enable_hashjoin=off',
  'enable_mergejoin=off',
  'enable_material=off',
  'enable_memoize=off',
  'jit=off',
  'default_transaction_isolation=read\\ committed',
  `statement_timeout=${POSTGRES_STATEMENT_MS}`,
  'idle_in_transaction_session_timeout=60000',
  'TimeZone=UTC',
];

/** `int8`, `int8[]` and `numeric` as numbers: all of ours are below 2^53. */
const parsers = new Map<number, (text: string) => unknown>([
  [20, Number],
  [1700, Number],
  [1016, (text) => (text === '{}' ? [] : text.slice(1, -1).split(',').map(Number))],
]);
const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    (format !== 'binary' && parsers.get(oid)) || pg.types.getTypeParser(oid, format as 'text'),
};

/**
 * @param url `postgres://…`. With `?pooler=transaction` it leads to a pooler that hands out connections by transaction: no
 *   prepared statements, no session settings and no LISTEN then. `?pool=20`: connections at most.
 */
export function openDatabase(url: string): Database {
  const { connectionString, pooled, most, options } = readUrl(url);
  const config: pg.PoolConfig = {
    connectionString,
    max: most,
    connectionTimeoutMillis: POSTGRES_CONNECT_MS,
    query_timeout: POSTGRES_QUERY_MS,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    application_name: 'posthorn',
    pipeline: true,
    types: types as pg.CustomTypesConfig,
    ...(options !== null && { options }),
  } as pg.PoolConfig;
  const run: RunOn = async (client, { name, text }, values) =>
    name === ''
      ? client.query(text)
      : client.query({ ...(!pooled && { name }), text, values: values as Value[] });
  return databaseOn({ config, run, listens: !pooled });
}

interface Connecting {
  readonly config: pg.PoolConfig;
  readonly run: RunOn;
  readonly listens: boolean;
}

function databaseOn({ config, run, listens }: Connecting, spare: pg.Pool | null = null): Database {
  const pool = new pg.Pool(config);
  // A connection that breaks while nobody uses it: the pool makes another when one is wanted. One that breaks while it is in use
  // fails what it was asked, and says so a second time, to nobody: that would end the process.
  pool.on('error', () => {});
  pool.on('connect', (client) => void client.on('error', () => {}));
  const take = () => taken(pool, spare);

  async function once(statement: Statement, values: readonly Value[]): Promise<pg.QueryResult> {
    const client = await take();
    try {
      const result = await run(client, statement, values);
      client.release();
      return result;
    } catch (error) {
      client.release(!isUsableAfter(error));
      throw asStoreError(error, { unsure: statement.writes, of: statement });
    }
  }

  return {
    ...executor((...asked) => severalTimes(() => once(...asked))),
    listens,
    transaction: (work) => severalTimes(() => attempt(take, run, work)),
    apart: (most) => databaseOn({ config: { ...config, max: most }, run, listens }, pool),
    async connect() {
      const client = new pg.Client(config as pg.ClientConfig);
      try {
        await client.connect();
        return client;
      } catch (error) {
        throw asConnectError(error);
      }
    },
    close: () => pool.end(),
  };
}

/** What does nothing when it fails, such as what loses against another transaction, again. */
async function severalTimes<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries === TRIES || !isWorthAnotherTry(error)) throw error;
    }
  }
}

type Run = (statement: Statement, values: readonly Value[]) => Promise<pg.QueryResult>;
type RunOn = (client: pg.ClientBase, ...asked: Parameters<Run>) => ReturnType<Run>;

/** A transaction, once. */
async function attempt<T>(
  take: () => Promise<pg.PoolClient>,
  run: RunOn,
  work: (tx: Executor) => Promise<T>,
): Promise<T> {
  const client = await take();
  let usable = true;
  // Where it comes from: what `work` throws by itself stays what it is, whatever it says.
  const said = (error: unknown, unsure: boolean, of?: Statement): unknown => {
    usable &&= isUsableAfter(error);
    return asStoreError(error, { unsure, of });
  };
  const ask: Run = (statement, values) =>
    run(client, statement, values).catch((error) => {
      throw said(error, false, statement);
    });
  let result: T;
  try {
    client.query('BEGIN').catch(() => {});
    result = await work(executor(ask));
  } catch (error) {
    await rollBack(client, usable);
    throw error;
  }
  const ended = await client.query('COMMIT').catch((error) => {
    const thrown = said(error, true);
    client.release(!usable);
    throw thrown;
  });
  client.release();
  // One that failed within, and was caught by `work`, is answered so.
  if (ended.command !== 'COMMIT') throw new Error('The transaction was rolled back although nothing failed.');
  return result;
}

function executor(run: Run): Executor {
  return {
    rows: async <Row>(statement: Statement, values: readonly Value[] = []) =>
      (await run(statement, values)).rows as Row[],
    row: async <Row>(statement: Statement, values: readonly Value[] = []) =>
      ((await run(statement, values)).rows[0] as Row | undefined) ?? null,
    changes: async (statement, values = []) => (await run(statement, values)).rowCount ?? 0,
    script: async (text) => void (await run(unprepared(text), [])),
  };
}

/** @param spare Who lends a connection when none can be made, as when the server has as many as it takes. */
async function taken(pool: pg.Pool, spare: pg.Pool | null): Promise<pg.PoolClient> {
  try {
    return await pool.connect().catch((error) => {
      if (spare === null) throw error;
      return spare.connect();
    });
  } catch (error) {
    throw asConnectError(error);
  }
}

/** A connection whose state nobody knows is closed, which rolls back what it had begun. */
async function rollBack(client: pg.PoolClient, usable: boolean): Promise<void> {
  try {
    if (usable) await client.query('ROLLBACK');
    client.release(!usable);
  } catch {
    client.release(true);
  }
}

const CONNECTIONS = { usual: 10, most: 200 };

interface Url {
  connectionString: string;
  pooled: boolean;
  most: number;
  options: string | null;
}

function readUrl(text: string): Url {
  const url = new URL(text);
  const taken = (name: string) => {
    const value = url.searchParams.get(name);
    url.searchParams.delete(name);
    return value;
  };
  const pooled = taken('pooler') === 'transaction';
  const asked = Number(taken('pool') ?? CONNECTIONS.usual);
  const most = Number.isInteger(asked) ? Math.min(Math.max(asked, 2), CONNECTIONS.most) : CONNECTIONS.usual;
  const own = pooled ? [] : SESSION.map((each) => `-c ${each}`);
  // What the operator asks for comes beside what the statements need.
  const options = [...own, taken('options') ?? ''].join(' ').trim();
  return { connectionString: url.href, pooled, most, options: options === '' ? null : options };
}
