import { sql as drizzleSql } from 'drizzle-orm';
import { drizzle as drizzleOnPg } from 'drizzle-orm/node-postgres';
import { drizzle as drizzleOnPostgres } from 'drizzle-orm/postgres-js';
import { CamelCasePlugin, Kysely, sql as kyselySql, PostgresDialect } from 'kysely';
import pg from 'pg';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MessageIn, type PublishClient, PublishError, publish } from '../../src/index.ts';
import { Scene } from './scene.ts';

/** What a product does with its own client: a transaction that writes a ticket and publishes, and its pool outside of one. */
interface Library {
  /** Outside of a transaction. */
  readonly client: PublishClient;
  /** Runs `work` in a transaction, which rolls back when it throws. */
  transaction(work: (tx: { client: PublishClient; insert(): Promise<void> }) => Promise<void>): Promise<void>;
  end(): Promise<void>;
}

const TICKET = "INSERT INTO ticket (subject) VALUES ('The printer is on fire')";

const libraries: Record<string, (url: string) => Promise<Library>> = {
  'pg, a Client': async (url) => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    return { client, transaction: (work) => transactionOf(client, work), end: () => client.end() };
  },
  'pg, a Pool and its clients': async (url) => {
    const pool = poolOf(url);
    return {
      client: pool,
      async transaction(work) {
        const client = await pool.connect();
        await transactionOf(client, work).finally(() => client.release());
      },
      end: () => pool.end(),
    };
  },
  postgres: async (url) => {
    // A name of a column is spelled in another way, and no types are fetched.
    const sql = postgres(url, {
      transform: postgres.toPascal as never,
      fetch_types: false,
      max: 2,
      onnotice: () => {},
    });
    return {
      client: sql,
      transaction: (work) =>
        sql
          .begin((tx) => work({ client: tx, insert: async () => void (await tx.unsafe(TICKET)) }))
          .then(() => {}),
      end: () => sql.end(),
    };
  },
  Kysely: async (url) => {
    const db = new Kysely<object>({
      dialect: new PostgresDialect({ pool: poolOf(url) }),
      plugins: [new CamelCasePlugin()],
    });
    return {
      client: db,
      transaction: (work) =>
        db
          .transaction()
          .execute((tx) =>
            work({ client: tx, insert: async () => void (await kyselySql.raw(TICKET).execute(tx)) }),
          ),
      end: () => db.destroy(),
    };
  },
  'Drizzle on pg': async (url) => {
    const pool = poolOf(url);
    const db = drizzleOnPg(pool);
    return {
      client: db,
      transaction: (work) =>
        db.transaction((tx) =>
          work({ client: tx, insert: async () => void (await tx.execute(drizzleSql.raw(TICKET))) }),
        ),
      end: () => pool.end(),
    };
  },
  'Drizzle on postgres': async (url) => {
    const sql = postgres(url, { max: 2, onnotice: () => {} });
    const db = drizzleOnPostgres(sql);
    return {
      client: db,
      transaction: (work) =>
        db.transaction((tx) =>
          work({ client: tx, insert: async () => void (await tx.execute(drizzleSql.raw(TICKET))) }),
        ),
      end: () => sql.end(),
    };
  },
};

type Work = Parameters<Library['transaction']>[0];

async function transactionOf(client: pg.ClientBase, work: Work): Promise<void> {
  await client.query('BEGIN');
  try {
    await work({ client, insert: async () => void (await client.query(TICKET)) });
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

/** `end` does not wait for the server: its database may be dropped before a connection is gone. */
function poolOf(url: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

let scene: Scene;
beforeAll(async () => {
  scene = await Scene.start();
  await scene.rows('CREATE TABLE ticket (id bigint GENERATED ALWAYS AS IDENTITY, subject text)');
});
afterAll(() => scene.end());

describe.each(Object.keys(libraries))('%s', (name) => {
  let library: Library;
  let uid: string;
  let number: number;
  beforeAll(async () => {
    library = await (libraries[name] as (url: string) => Promise<Library>)(scene.database.url);
    const { application, ...company } = await scene.company({});
    ({ uid } = company);
    ({ number } = application);
  });
  afterAll(() => library.end());

  const messages = async () => {
    const rows = await scene.rows<{ id: string }>(
      `SELECT m.id FROM posthorn.message m JOIN posthorn.application a USING (application_key)
       WHERE a.uid = $1 ORDER BY message_key`,
      [uid],
    );
    return rows.map(({ id }) => id);
  };
  const tickets = async () =>
    (await scene.rows<{ n: number }>('SELECT count(*)::int AS n FROM ticket'))[0]?.n ?? 0;

  it('publishes with the transaction, with all that a message can have', async () => {
    const before = await tickets();
    let id = '';
    await library.transaction(async ({ client, insert }) => {
      await insert();
      const message = {
        application: number,
        eventType: 'ticket.created',
        payload: { subject: 'Käse "🦊" \\ $1' },
        eventId: 'e-1',
        channels: ['a', 'b', 'a'],
        tags: ['t'],
        deliverAt: new Date(Date.now() + 60_000),
        expiresAt: new Date(Date.now() + 120_000).toISOString(),
        orderingKey: 'a "b" \\ {c}, d',
        payloadRetentionHours: 24,
      };
      ({ id } = await publish(message, { client }));
      expect(await messages()).toEqual([]);
    });
    expect(await messages()).toEqual([id]);
    expect(await tickets()).toBe(before + 1);
    const [row] = await scene.rows('SELECT * FROM posthorn.message WHERE id = $1', [id]);
    expect(row).toMatchObject({
      event_id: 'e-1',
      channels: '["a","b"]',
      tags: '["t"]',
      ordering_key: 'a "b" \\ {c}, d',
      payload: '{"subject":"Käse \\"🦊\\" \\\\ $1"}',
      deliver_at: expect.any(String),
      expires_at: expect.any(String),
      payload_until: expect.any(String),
    });
  });

  it('publishes nothing when the transaction rolls back', async () => {
    const before = [await messages(), await tickets()];
    const stop = new Error('No.');
    const transaction = library.transaction(async ({ client, insert }) => {
      await insert();
      await publish({ application: uid, eventType: 't', payload: '{}' }, { client });
      throw stop;
    });
    await expect(transaction).rejects.toBe(stop);
    expect([await messages(), await tickets()]).toEqual(before);
  });

  it('publishes outside of a transaction', async () => {
    const { id } = await publish(
      { application: uid, eventType: 't', payload: '{"a": 1}' },
      { client: library.client },
    );
    expect(await messages()).toContain(id);
  });

  it('says what was refused, and throws what is no refusal as it comes', async () => {
    const { client } = library;
    const refused = publish({ application: 'nobody', eventType: 't', payload: '{}' }, { client });
    await expect(refused).rejects.toThrow(PublishError);
    await expect(refused).rejects.toMatchObject({
      code: 'not_found',
      field: 'application',
      message: 'There is no application "nobody".',
      hint: 'It is named by its id (app_…), its uid, or its number as text.',
      sqlState: 'P0002',
    });
    const aborted = library.transaction(async (tx) => {
      await publish({ application: 'nobody', eventType: 't', payload: '{}' }, tx).catch(() => {});
      await publish({ application: uid, eventType: 't', payload: '{}' }, tx);
    });
    const error: unknown = await aborted.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(PublishError);
  });
});

describe('publish', () => {
  it.each([
    ['nothing', undefined],
    ['null', null],
    ['a URL', 'postgres://localhost/app'],
    ['an object', {}],
    ['something that executes other things', { execute: () => Promise.resolve([]) }],
  ])('refuses %s as client', async (_, client) => {
    const message = { application: 1, eventType: 't', payload: {} };
    const publishing = publish(message, { client: client as unknown as PublishClient });
    await expect(publishing).rejects.toThrow(TypeError);
    await expect(publishing).rejects.toThrow(/^publish needs the client that your transaction runs on/);
  });

  it.each([
    ['without the second argument', undefined],
    ['with null', null],
    ['with a client of another name', { db: {} }],
  ])('says %s that it needs the client', async (_, on) => {
    const message = { application: 1, eventType: 't', payload: {} };
    const publishing = publish(message, on as unknown as { client: PublishClient });
    await expect(publishing).rejects.toThrow(TypeError);
    await expect(publishing).rejects.toThrow(
      /^publish needs the client that your transaction runs on: \{ client/,
    );
  });

  it.each([undefined, null])('refuses %s as message', async (message) => {
    const publishing = publish(message as unknown as MessageIn, { client: { query: async () => [] } });
    await expect(publishing).rejects.toMatchObject({
      name: 'PublishError',
      code: 'validation',
      field: 'message',
      sqlState: null,
    });
  });

  it('says what to do in a database without Posthorn', async () => {
    const client = await scene.client({
      database: 'postgres',
      connectionString: scene.database.url.replace(/[^/]+$/, 'postgres'),
    });
    const publishing = publish({ application: 1, eventType: 't', payload: {} }, { client });
    await expect(publishing).rejects.toMatchObject({
      code: 'not_installed',
      hint: expect.stringContaining('POSTHORN_STORE'),
    });
  });
});
