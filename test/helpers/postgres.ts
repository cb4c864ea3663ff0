import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import { type PostgresServer, startPostgres } from './postgres-server.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The port of the server that all test files of a run share. */
    postgresPort: number;
  }
}

/** Vitest's global set-up: one server for the run, with a migrated database to copy for each test. */
export default async function setup({ provide }: { provide(key: 'postgresPort', port: number): void }) {
  const server = await startPostgres();
  const { openPostgresStore } = await import('../../src/store/postgres/open.ts');
  const { systemClock } = await import('../../src/system/clock.ts');
  await server.create(TEMPLATE);
  const store = await openPostgresStore({ url: server.url(TEMPLATE), clock: systemClock });
  await store.close();
  provide('postgresPort', server.port);
  return () => server.dispose();
}

const TEMPLATE = 'posthorn_template';

export interface TestDatabase {
  readonly url: string;
  /** Runs SQL as the owner of the server. */
  query: PostgresServer['query'];
  dispose(): Promise<void>;
}

/** A database of its own with the schema in it; `empty`: without. */
export async function testDatabase({ empty = false }: { empty?: boolean } = {}): Promise<TestDatabase> {
  const { default: pg } = await import('pg');
  const name = `test_${randomBytes(8).toString('hex')}`;
  const urlOf = (database: string) => `postgres://postgres@127.0.0.1:${inject('postgresPort')}/${database}`;
  const query = async (sql: string, database = name) => {
    const client = new pg.Client({ connectionString: urlOf(database) });
    await client.connect();
    try {
      return await client.query(sql);
    } finally {
      await client.end();
    }
  };
  await query(`CREATE DATABASE ${name}${empty ? '' : ` TEMPLATE ${TEMPLATE}`}`, 'postgres');
  return {
    url: urlOf(name),
    query,
    dispose: async () => void (await query(`DROP DATABASE ${name} WITH (FORCE)`, 'postgres')),
  };
}
