import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { expect, onTestFinished, test } from 'vitest';
import { openSqliteStore } from '../../src/store/sqlite/open.ts';
import { Given } from '../contract/world.ts';
import { fillWithEverything, MASTER_KEY } from '../helpers/everything.ts';
import { testDatabase } from '../helpers/postgres.ts';
import { startReceiver } from '../helpers/receiver.ts';
import { posthorn, temporaryFolder } from './command.ts';

const BIN = join(import.meta.dirname, '../../bin/posthorn.js');
const OPERATOR_KEY = 'operator-key-of-this-test';
const ALLOW = { POSTHORN_ALLOW_NETWORKS: '127.0.0.0/8', POSTHORN_RETRY_SCHEDULE: '2s,2s,2s,2s,2s,2s,2s' };

async function emptyDatabase() {
  const database = await testDatabase({ empty: true });
  onTestFinished(() => database.dispose());
  return database;
}

// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect out of it.
type Json = any;

async function serve(env: Record<string, string>) {
  const process = posthorn(['serve', '--listen', '127.0.0.1:0'], { ...ALLOW, ...env });
  const [, url] = await process.printed(/is ready: (http:\S+)/);
  return {
    async operate(method: string, path: string, body?: unknown): Promise<Json> {
      const response = await fetch(`${url}/api/v1/app/1${path}`, {
        ...{ method, headers: { authorization: `Bearer ${OPERATOR_KEY}` } },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      expect(response.ok, await response.clone().text()).toBe(true);
      return response.json();
    },
    async stop() {
      process.signal('SIGTERM');
      expect((await process.ended).code).toBe(0);
    },
  };
}

type Server = Awaited<ReturnType<typeof serve>>;

async function publish(server: Server, number: number): Promise<string> {
  const { id } = await server.operate('POST', '/msg', { eventType: 'ticket.created', payload: { number } });
  return id;
}

test('a server goes on where it was, from SQLite to PostgreSQL and back', { timeout: 60_000 }, async () => {
  let answer = 500;
  const receiver = await startReceiver((response) => response.writeHead(answer).end());
  onTestFinished(() => receiver.close());
  const [data, elsewhere] = [temporaryFolder(), temporaryFolder()];
  const file = { POSTHORN_DATA: data, POSTHORN_OPERATOR_KEY: OPERATOR_KEY };
  const first = await serve(file);
  const { id } = await first.operate('POST', '/endpoint', { url: `${receiver.url}/hook` });
  const { key: secret } = await first.operate('GET', `/endpoint/${id}/secret`);
  const ids = [await publish(first, 1), await publish(first, 2)];
  await receiver.has(2);
  await first.stop();

  const { url } = await emptyDatabase();
  const masterKey = readFileSync(join(data, 'master.key'), 'utf8').trim();
  const database = { POSTHORN_STORE: url, POSTHORN_DATA: data, POSTHORN_MASTER_KEY: masterKey };
  const out = join(elsewhere, 'posthorn.ndjson');
  const exported = await posthorn(['export', '--out', out], { POSTHORN_DATA: data }).ended;
  expect([exported.code, exported.stdout]).toEqual([0, '']);
  // The master key is found in the data folder.
  const imported = await posthorn(['import', '--in', out], { POSTHORN_STORE: url, POSTHORN_DATA: data })
    .ended;
  expect([imported.code, imported.stderr]).toEqual([0, expect.stringContaining('Imported everything')]);
  expect(imported.stdout).toMatch(/^message +2$/m);

  const before = receiver.received.length;
  answer = 200;
  const second = await serve(database);
  await receiver.has(before + 2);
  ids.push(await publish(second, 3));
  await receiver.has(before + 3);
  for (const { headers, body } of receiver.received.slice(before)) {
    expect(() => new Webhook(secret).verify(body, headers as Record<string, string>)).not.toThrow();
  }
  const arrived = receiver.received.slice(before).map(({ headers }) => headers['webhook-id']);
  expect(arrived.toSorted()).toEqual(ids.toSorted());
  expect(await idsOf(second)).toEqual(ids.toReversed());
  await second.stop();

  const back = join(elsewhere, 'back');
  mkdirSync(back);
  copyFileSync(join(data, 'master.key'), join(back, 'master.key'));
  const again = join(elsewhere, 'again.ndjson');
  expect((await posthorn(['export', '--out', again], { POSTHORN_STORE: url }).ended).code).toBe(0);
  expect((await posthorn(['import', '--in', again, '--data', back]).ended).code).toBe(0);
  const third = await serve({ POSTHORN_DATA: back });
  ids.push(await publish(third, 4));
  await receiver.has(before + 4);
  expect(await idsOf(third)).toEqual(ids.toReversed());
  await third.stop();
});

async function idsOf(server: Server): Promise<string[]> {
  const { data } = await server.operate('GET', '/msg');
  return data.map(({ id }: { id: string }) => id);
}

/** A folder with a store that has everything, and its export. */
async function exportedFolder() {
  const data = temporaryFolder();
  const open = () => openSqliteStore({ folder: data });
  const given = new Given({ store: await open(), reopen: open, another: open, dispose: async () => {} });
  await given.join();
  await fillWithEverything(given);
  await given.store.close();
  const out = join(data, 'posthorn.ndjson');
  expect((await posthorn(['export', '--out', out, '--data', data]).ended).code).toBe(0);
  return { data, out, text: readFileSync(out, 'utf8') };
}

/** An import that got only a part of its input, up to the table's first line, and has written some of it. */
async function importUpTo(
  text: string,
  table: string,
  env: Record<string, string>,
  lines: () => Promise<number>,
) {
  const child = spawn(process.execPath, [BIN, 'import'], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    stderr += part;
  });
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, stderr }));
  // It may end before it has read all.
  child.stdin.on('error', () => {});
  child.stdin.write(text.slice(0, text.indexOf(`["${table}"`)));
  await expect.poll(lines, { timeout: 20_000 }).toBeGreaterThan(1);
  return { ended, kill: (signal: NodeJS.Signals) => child.kill(signal) };
}

test.each(['SIGKILL', 'SIGINT'] as const)(
  'an import ended by %s goes on with the same command, and no server starts before',
  { timeout: 60_000 },
  async (signal) => {
    const { data, out, text } = await exportedFolder();
    const { url, query } = await emptyDatabase();
    const env = { POSTHORN_STORE: url, POSTHORN_MASTER_KEY: MASTER_KEY, POSTHORN_DATA: join(data, 'other') };
    const lines = async () => {
      const [table] = (await query("SELECT to_regclass('posthorn.meta') AS name")).rows;
      if (table.name === null) return 0;
      const { rows } = await query("SELECT value::int FROM posthorn.meta WHERE name = 'import_lines'");
      return rows[0]?.value ?? 0;
    };
    const broken = await importUpTo(text, 'resend', env, lines);
    broken.kill(signal);
    const ended = await broken.ended;
    if (signal === 'SIGINT') {
      expect(ended.code).toBe(130);
      expect(ended.stderr).toMatch(
        /^posthorn: Stopped: the lines up to \d+ are in the store\. .* same command again\.$/m,
      );
    } else expect(ended.signal).toBe('SIGKILL');

    const refused = await posthorn(['serve', '--listen', '127.0.0.1:0'], env).ended;
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/^posthorn: An import .* is not finished: run "posthorn import" again/),
    ]);
    const { code, stderr } = await posthorn(['import', '--in', out], env).ended;
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^posthorn: Going on after line \d+\.\n/)]);
    const again = join(data, 'again.ndjson');
    expect((await posthorn(['export', '--out', again], env).ended).code).toBe(0);
    const rows = (content: string) => content.split('\n').slice(1);
    expect(rows(readFileSync(again, 'utf8'))).toEqual(rows(text));
  },
);

test('an export whose reader goes away says that it is not complete', async () => {
  const { data } = await exportedFolder();
  const child = spawn(process.execPath, [BIN, 'export', '--data', data], {
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    stderr += part;
  });
  // Before anything is written: a small export would fit into the pipe.
  child.stdout.destroy();
  const [code] = await once(child, 'close');
  expect([code, stderr]).toEqual([
    1,
    'posthorn: Whoever reads the export stopped reading: it is not complete.\n',
  ]);
});

test('what is missing for an export or an import is said', async () => {
  const folder = temporaryFolder();
  const said = async (...args: string[]) => {
    const { code, stderr } = await posthorn(args, { POSTHORN_DATA: join(folder, 'none') }).ended;
    return [code, stderr];
  };
  expect(await said('export')).toEqual([
    1,
    expect.stringMatching(/^posthorn: There is no database in \S+none\. Name the server's/),
  ]);
  expect(await said('export', '--resume')).toEqual([
    2,
    expect.stringContaining('--resume goes on with a file'),
  ]);
  expect(await said('import', '--in', join(folder, 'absent'))).toEqual([
    1,
    expect.stringContaining('There is no such file'),
  ]);
  expect(await said('import', '--in', folder)).toEqual([1, expect.stringContaining('It is a folder.')]);
  expect(await said('import')).toEqual([1, 'posthorn: There is no export: not even a first line came.\n']);
});
