import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { testDatabase } from '../helpers/postgres.ts';
import { posthorn, temporaryFolder } from './command.ts';

const MIGRATIONS = join(import.meta.dirname, '../../src/store');
const namesOf = (driver: string) => readdirSync(join(MIGRATIONS, driver, 'migrations')).toSorted();

async function migrate(args: readonly string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await posthorn(['migrate', ...args], env).ended;
  return { code, lines: stdout.split('\n').slice(0, -1), stderr };
}

/** What `posthorn migrate` prints of migrations from a number on. */
function linesOf(what: string, driver: string, from = 1): string[] {
  return namesOf(driver)
    .map((name, index) => `${what} ${index + 1} ${name}`)
    .slice(from - 1);
}

test('brings a file of an earlier version up to date, and a dry run only says so', async () => {
  const data = temporaryFolder();
  const path = join(data, 'posthorn.db');
  const known = namesOf('sqlite').length;
  const version = () => {
    const file = new Database(path, { readonly: true });
    const found = file.pragma('user_version', { simple: true });
    file.close();
    return found;
  };
  const file = new Database(path);
  file.pragma('journal_mode = WAL');
  file.exec(readFileSync(join(MIGRATIONS, 'sqlite/migrations/001-first.sql'), 'utf8'));
  file.pragma('user_version = 1');
  file.close();

  expect((await posthorn(['export', '--data', data]).ended).stderr).toContain('Run "posthorn migrate" first');
  const before = readdirSync(data);
  const dry = await migrate(['--dry-run', '--data', data]);
  expect([dry.code, dry.lines]).toEqual([0, linesOf('pending', 'sqlite', 2)]);
  expect(dry.stderr).toContain(`The store's schema is version 1, that of this Posthorn is ${known}.`);
  expect(dry.stderr).toContain('Nothing was changed.');
  expect(readdirSync(data)).toEqual(before);
  expect(version()).toBe(1);

  const done = await migrate(['--data', data]);
  expect([done.code, done.lines]).toEqual([0, linesOf('applied', 'sqlite', 2)]);
  expect(version()).toBe(known);
  expect(await migrate(['--data', data])).toMatchObject({ code: 0, lines: [] });
  expect(await migrate(['--dry-run', '--data', data])).toMatchObject({ code: 0, lines: [] });

  const newer = new Database(path);
  newer.pragma('user_version = 99');
  newer.close();
  for (const args of [['--dry-run'], []]) {
    const refused = await migrate([...args, '--data', data]);
    expect([refused.code, refused.lines]).toEqual([1, []]);
    expect(refused.stderr).toMatch(
      /^posthorn: The store's schema is version 99; .* Start the newer Posthorn/,
    );
  }
});

test('a dry run takes no file from a running server, and makes none', async () => {
  const data = temporaryFolder();
  const server = posthorn(['serve', '--listen', '127.0.0.1:0', '--data', data]);
  await server.printed(/is ready/);
  expect(await migrate(['--dry-run', '--data', data])).toMatchObject({ code: 0, lines: [] });
  expect((await migrate(['--data', data])).stderr).toMatch(/uses the data folder .* Stop it first\.$/m);
  server.signal('SIGTERM');
  expect((await server.ended).code).toBe(0);

  const none = temporaryFolder();
  for (const args of [['--dry-run'], []]) {
    const { code, stderr } = await migrate([...args, '--data', none]);
    expect([code, stderr]).toEqual([1, expect.stringContaining(`There is no database in ${none}`)]);
  }
  expect(readdirSync(none)).toEqual([]);
});

test('makes the schema in a database, where a dry run makes nothing', async () => {
  const database = await testDatabase({ empty: true });
  onTestFinished(() => database.dispose());
  const env = { POSTHORN_STORE: database.url };
  const schemas = async () => {
    const { rows } = await database.query("SELECT 1 FROM pg_namespace WHERE nspname = 'posthorn'");
    return rows.length;
  };
  const dry = await migrate(['--dry-run'], env);
  expect([dry.code, dry.lines]).toEqual([0, linesOf('pending', 'postgres')]);
  expect(dry.stderr).toContain("The store's schema is version 0");
  expect(await schemas()).toBe(0);
  expect((await posthorn(['export'], env).ended).stderr).toContain('Run "posthorn migrate" first');

  const done = await migrate([], env);
  expect([done.code, done.lines]).toEqual([0, linesOf('applied', 'postgres')]);
  expect(await migrate([], env)).toMatchObject({ code: 0, lines: [] });

  await database.query("INSERT INTO posthorn.migration (number, name) VALUES (99, '099-later.sql')");
  for (const args of [['--dry-run'], []]) {
    const refused = await migrate(args, env);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/is version 99; .* Start the newer Posthorn/),
    ]);
  }
});

test('lets a role publish, and nothing else', async () => {
  const database = await testDatabase();
  const role = `shop_${new URL(database.url).pathname.slice(6)}`;
  onTestFinished(async () => {
    await database.query(`DROP OWNED BY "${role}"; DROP ROLE "${role}"`);
    await database.dispose();
  });
  const env = { POSTHORN_STORE: database.url };
  const refused = await migrate(['--publisher-role', role], env);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining(`There is no role "${role}"`)]);
  await database.query(`CREATE ROLE "${role}"`);
  const done = await migrate(['--publisher-role', role], env);
  expect([done.code, done.stderr]).toEqual([0, expect.stringContaining(`The role ${role} may publish`)]);
  const { rows } = await database.query(
    `SELECT bool_and(has_function_privilege('${role}', p.oid, 'EXECUTE')) AS publishes,
       (SELECT bool_or(has_table_privilege('${role}', c.oid, 'SELECT, INSERT, UPDATE, DELETE')) FROM pg_class c
        WHERE c.relnamespace = 'posthorn'::regnamespace AND c.relkind IN ('r', 'p')) AS more
     FROM pg_proc p WHERE p.pronamespace = 'posthorn'::regnamespace AND p.proname = 'publish'`,
  );
  expect(rows).toEqual([{ publishes: true, more: false }]);
  expect(await migrate(['--publisher-role', role])).toMatchObject({ code: 2 });
});

const SERVED = {
  POSTHORN_MASTER_KEY: Buffer.alloc(32, 5).toString('base64'),
  POSTHORN_LISTEN: '127.0.0.1:0',
};

test('a role that may not make or use the schema is told what PostgreSQL says, and what to do, also by the server', async () => {
  const database = await testDatabase({ empty: true });
  const role = `weak_${new URL(database.url).pathname.slice(6)}`;
  await database.query(`CREATE ROLE "${role}" LOGIN`);
  onTestFinished(async () => {
    await database.query(`DROP OWNED BY "${role}"; DROP ROLE "${role}"`);
    await database.dispose();
  });
  const url = new URL(database.url);
  url.username = role;
  const env = { ...SERVED, POSTHORN_STORE: url.href, POSTHORN_DATA: temporaryFolder() };
  const refused = async (...args: string[]) => {
    const { code, stderr } = await posthorn(args, env).ended;
    expect([args, code, stderr]).toEqual([
      args,
      1,
      expect.stringMatching(/^posthorn: PostgreSQL refuses that: permission denied .* \(42501\)\. .*\n$/),
    ]);
    return stderr;
  };
  const name = url.pathname.slice(1);
  for (const command of ['migrate', 'serve']) {
    const said = await refused(command);
    expect(said).toContain(`GRANT CREATE ON DATABASE "${name}" TO "${role}"`);
    expect(said).toContain(`CREATE SCHEMA posthorn AUTHORIZATION "${role}"`);
  }
  // Made by another role.
  expect(await migrate([], { POSTHORN_STORE: database.url })).toMatchObject({ code: 0 });
  await database.query(`GRANT USAGE ON SCHEMA posthorn TO "${role}"`);
  await database.query(`GRANT SELECT ON ALL TABLES IN SCHEMA posthorn TO "${role}"`);
  expect(await refused('serve')).toContain('name the role that owns it in POSTHORN_STORE');
  await database.query(`REVOKE CONNECT ON DATABASE "${name}" FROM public`);
  expect(await refused('serve')).toContain(`Run GRANT CONNECT ON DATABASE "${name}" TO "${role}".`);
});

test('a database of another encoding is refused with what to do, also by the server', async () => {
  const database = await testDatabase({ empty: true });
  const url = new URL(database.url);
  const name = `latin_${url.pathname.slice(6)}`;
  await database.query(
    `CREATE DATABASE "${name}" TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'`,
  );
  onTestFinished(async () => {
    await database.query(`DROP DATABASE "${name}" WITH (FORCE)`);
    await database.dispose();
  });
  url.pathname = `/${name}`;
  const env = { ...SERVED, POSTHORN_STORE: url.href, POSTHORN_DATA: temporaryFolder() };
  for (const command of ['migrate', 'serve']) {
    const { code, stderr } = await posthorn([command], env).ended;
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(
        /^posthorn: The database has the encoding LATIN1, .* needs one with UTF8: CREATE DATABASE .*\n$/,
      ),
    ]);
  }
});
