import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PublishError, publish } from '../../src/index.ts';
import { openPostgresStore } from '../../src/store/postgres/open.ts';
import { systemClock } from '../../src/system/clock.ts';
import { testDatabase } from '../helpers/postgres.ts';
import { refusal, Scene } from './scene.ts';

/** Roles are of the whole server, which other tests use, too. */
const roleName = () => `role_${randomBytes(6).toString('hex')}`;
const DENIED = '42501';

describe('a role that may publish', () => {
  let scene: Scene;
  let uid: string;
  let client: pg.Client;
  const role = roleName();
  beforeAll(async () => {
    scene = await Scene.start();
    ({ uid } = await scene.company({}, { ordering: 'key' }));
    await scene.rows(`CREATE ROLE ${role} LOGIN`);
    client = await scene.client({ connectionString: scene.database.url.replace('postgres@', `${role}@`) });
  });
  afterAll(async () => {
    await scene.rows(`DROP OWNED BY ${role}`);
    await scene.rows(`DROP ROLE ${role}`);
    await scene.end();
  });
  const message = () => ({ application: uid, eventType: 't', payload: {}, orderingKey: 'k' });

  it('may not do so before it is granted', async () => {
    await expect(publish(message(), { client })).rejects.toMatchObject({
      name: 'PublishError',
      code: 'not_allowed',
      hint: expect.stringContaining('grant_publisher'),
    });
    await scene.rows('GRANT USAGE ON SCHEMA posthorn TO PUBLIC');
    await expect(publish(message(), { client })).rejects.toThrow(PublishError);
    expect(await refusal(client.query(`SELECT posthorn.grant_publisher('${role}')`))).toBe(DENIED);
    await scene.rows('REVOKE USAGE ON SCHEMA posthorn FROM PUBLIC');
  });

  it('publishes text, json and jsonb, in each kind of transaction', async () => {
    await scene.rows(`SELECT posthorn.grant_publisher('${role}')`);
    await publish(message(), { client });
    for (const type of ['json', 'jsonb'])
      await client.query(`SELECT posthorn.publish('${uid}', 't', '{}'::${type})`);
    for (const level of ['READ COMMITTED', 'SERIALIZABLE']) {
      await client.query(`BEGIN ISOLATION LEVEL ${level}`);
      await publish({ ...message(), eventId: level.replace(' ', '-') }, { client });
      await client.query('COMMIT');
    }
    expect(await scene.messageIds()).toHaveLength(5);
  });

  it('can read and write nothing else', async () => {
    const relations = await scene.rows<{ name: string; kind: string }>(
      `SELECT relname AS name, relkind AS kind FROM pg_class
       WHERE relnamespace = 'posthorn'::regnamespace AND relkind IN ('r', 'p', 'S', 'v', 'm')`,
    );
    expect(relations.length).toBeGreaterThan(25);
    for (const { name, kind } of relations) {
      const attempts =
        kind === 'S'
          ? [
              `SELECT nextval('posthorn.${name}')`,
              `SELECT setval('posthorn.${name}', 1)`,
              `SELECT * FROM posthorn.${name}`,
            ]
          : [
              `SELECT 1 FROM posthorn.${name}`,
              `INSERT INTO posthorn.${name} DEFAULT VALUES`,
              `DELETE FROM posthorn.${name}`,
              `TRUNCATE posthorn.${name}`,
              `DO 'BEGIN LOCK posthorn.${name}; END'`,
              `COPY posthorn.${name} TO STDOUT`,
            ];
      for (const attempt of attempts)
        expect([attempt, await refusal(client.query(attempt))]).toEqual([attempt, DENIED]);
    }
    expect(await refusal(client.query('CREATE TABLE posthorn.mine (a int)'))).toBe(DENIED);
  });

  it('can run no other function', async () => {
    const functions = await scene.rows<{ name: string; call: string; may: boolean }>(
      `SELECT p.oid::regprocedure::text AS name, has_function_privilege($1, p.oid, 'EXECUTE') AS may,
         format('SELECT posthorn.%I(%s)', p.proname, (
           SELECT string_agg('NULL::' || t::regtype, ', ' ORDER BY n) FROM unnest(p.proargtypes) WITH ORDINALITY AS u (t, n))) AS call
       FROM pg_proc p WHERE p.pronamespace = 'posthorn'::regnamespace ORDER BY 1`,
      [role],
    );
    const [may, mayNot] = [functions.filter((each) => each.may), functions.filter((each) => !each.may)];
    expect(may.map(({ name }) => name.slice(0, name.indexOf('(')))).toEqual(
      Array(3).fill('posthorn.publish'),
    );
    expect(mayNot.length).toBeGreaterThan(15);
    for (const { call } of mayNot) {
      expect([call, await refusal(client.query(call))]).toEqual([call, DENIED]);
    }
  });

  it('cannot put functions of its own into what is done as the owner', async () => {
    await scene.rows(`CREATE SCHEMA evil AUTHORIZATION ${role}`);
    await client.query(`
      CREATE FUNCTION evil.steal() RETURNS text LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'run as %', current_user; END $$;
      CREATE FUNCTION evil.length(text) RETURNS integer LANGUAGE sql AS 'SELECT evil.steal()::integer';
      CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT evil.steal()::timestamptz';
      CREATE FUNCTION evil.same(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT evil.steal()::boolean';
      CREATE OPERATOR evil.= (FUNCTION = evil.same, LEFTARG = text, RIGHTARG = text);
      CREATE OPERATOR evil.~ (FUNCTION = evil.same, LEFTARG = text, RIGHTARG = text);
      SET search_path = evil, pg_catalog`);
    await publish({ ...message(), eventId: 'safe' }, { client });
    await client.query('CREATE TEMP TABLE endpoint (a int); SET search_path = pg_temp, evil, pg_catalog');
    await client.query('BEGIN ISOLATION LEVEL SERIALIZABLE');
    await publish(message(), { client });
    await client.query('COMMIT; RESET search_path');
  });
});

it('nothing of the schema is for everybody', async () => {
  const database = await testDatabase();
  const open = await database.query(
    `SELECT p.oid::regprocedure::text FROM pg_proc p
     WHERE p.pronamespace = 'posthorn'::regnamespace AND (p.proacl IS NULL OR p.proacl::text ~ '[{,]=')
     UNION ALL SELECT c.oid::regclass::text FROM pg_class c
     WHERE c.relnamespace = 'posthorn'::regnamespace AND c.relacl::text ~ '[{,]='`,
  );
  expect(open.rows).toEqual([]);
  await database.dispose();
});

it('the owner of the schema need not be a superuser', async () => {
  const database = await testDatabase({ empty: true });
  const owner = roleName();
  const name = new URL(database.url).pathname.slice(1);
  await database.query(`CREATE ROLE ${owner} LOGIN`);
  await database.query(`ALTER DATABASE ${name} OWNER TO ${owner}`);
  const store = await openPostgresStore({
    url: database.url.replace('postgres@', `${owner}@`),
    clock: systemClock,
  });
  await store.applicationInsert({
    id: 'app_1',
    uid: 'acme',
    name: '',
    throttleRate: null,
    metadata: {},
    now: 1,
  });
  await database.query("SELECT posthorn.publish('acme', 't', '{}')");
  const { rows } = await database.query(
    'SELECT count(*)::int AS n FROM posthorn.message WHERE application_key > 0',
  );
  expect(rows).toEqual([{ n: 1 }]);
  await store.close();
  await database.dispose();
  await database.query(`DROP ROLE ${owner}`, 'postgres');
});
