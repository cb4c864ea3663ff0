/**
 * What runs a statement, as the clients of PostgreSQL for Node.js have it: by their shapes alone, so that none of them is a
 * dependency.
 */
export type PublishClient = PgClient | PostgresClient | KyselyClient | DrizzleClient;

/** `pg`: a Client, a PoolClient or a Pool. */
export interface PgClient {
  query(text: string, values: (string | null)[]): PromiseLike<unknown>;
}

/** `postgres`: `sql`, or the one that `sql.begin` hands over. */
export interface PostgresClient {
  unsafe(text: string, values: (string | null)[]): PromiseLike<unknown>;
}

/** `kysely`: a Kysely, or a Transaction of it. */
export interface KyselyClient {
  executeQuery(query: never): PromiseLike<unknown>;
}

/** `drizzle-orm`, on `pg` or `postgres`: a database, or a transaction of it. */
export interface DrizzleClient {
  readonly dialect?: unknown;
  execute(query: never): PromiseLike<unknown>;
}

type Run = (text: string, values: (string | null)[]) => PromiseLike<unknown>;

/** Throws a `TypeError` that says what is needed when `client` is none of those. */
export function assertClient(client: PublishClient): void {
  runner(client);
}

/** Runs a statement, and returns its rows. Throws a `TypeError` when `client` is none of those. */
export async function rowsBy(
  client: PublishClient,
  text: string,
  values: (string | null)[],
): Promise<readonly unknown[]> {
  const result: unknown = await runner(client)(text, values);
  const rows = Array.isArray(result) ? result : (result as { rows?: unknown } | null)?.rows;
  if (!Array.isArray(rows)) throw new TypeError('The client of publish returned no rows.');
  return rows;
}

function runner(client: PublishClient): Run {
  const has = (name: string) =>
    typeof (client as unknown as Record<string, unknown> | null)?.[name] === 'function';
  if (has('executeQuery')) return (text, values) => byKysely(client as KyselyClient, text, values);
  if (has('unsafe')) return (text, values) => (client as PostgresClient).unsafe(text, values);
  if (has('query')) return (text, values) => (client as PgClient).query(text, values);
  if (has('execute') && 'dialect' in client) {
    return (text, values) => byDrizzle(client as DrizzleClient, text, values);
  }
  throw new TypeError(
    'publish needs the client that your transaction runs on: { client }, which is one of pg (Client, PoolClient, Pool), postgres (sql), Kysely or Drizzle.',
  );
}

/** A compiled query: `CompiledQuery.raw(text, values)`. */
function byKysely(client: KyselyClient, text: string, values: (string | null)[]): PromiseLike<unknown> {
  const query = {
    sql: text,
    parameters: values,
    query: { kind: 'RawNode', sqlFragments: [text], parameters: [] },
    queryId: { queryId: 'posthorn.publish' },
  };
  return client.executeQuery(query as never);
}

/** Something that has SQL, which is all that Drizzle asks of what it executes. */
function byDrizzle(client: DrizzleClient, text: string, values: (string | null)[]): PromiseLike<unknown> {
  const query = { getSQL: () => ({ toQuery: () => ({ sql: text, params: values }) }) };
  return client.execute(query as never);
}
