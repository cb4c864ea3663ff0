import { join } from 'node:path';
import { expect, test } from 'vitest';
import { posthorn, type Running, temporaryFolder } from './command.ts';

const OPERATOR_KEY = 'operator-key-of-this-test';

interface Shown {
  id: string;
  name: string;
  applicationId: string | null;
  capabilities: string[] | null;
  expiresAt: string | null;
  slot: string | null;
}

/** A folder in which a server was started once, which runs no more. */
async function usedFolder(): Promise<string> {
  const data = temporaryFolder();
  const server = await serve(data);
  await stop(server.process);
  return data;
}

async function serve(data: string, env: Record<string, string> = {}) {
  const process = posthorn(['serve', '--listen', '127.0.0.1:0', '--data', data], env);
  const [, url] = await process.printed(/is ready: (http:\S+)/);
  return { process, url: url as string };
}

async function stop(server: Running) {
  server.signal('SIGTERM');
  return server.ended;
}

async function keys(args: readonly string[], env: Record<string, string> = {}) {
  return posthorn(['keys', ...args], env).ended;
}

async function json<Value>(args: readonly string[], env: Record<string, string> = {}): Promise<Value> {
  const { code, stdout, stderr } = await keys([...args, '--json'], env);
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout);
}

const statusOf = async (url: string, key: string, path = '/api/v1/key') =>
  (await fetch(url + path, { headers: { authorization: `Bearer ${key}` } })).status;

test('keys are made, listed, rotated and revoked in the folder of a server that does not run', async () => {
  const data = await usedFolder();
  const made = await keys(['create', '--name', 'CI', '--expires', '7d', '--data', data]);
  expect([made.code, made.stdout]).toEqual([0, expect.stringMatching(/^phk_[\w-]{32}\n$/)]);
  const [, id = ''] =
    /^(key_\w+), operator key, until [\d-]+ [\d:]+Z\. It is shown this once/.exec(made.stderr) ?? [];

  const table = await keys(['list', '--data', data]);
  expect(table.code).toBe(0);
  const lines = table.stdout.trimEnd().split('\n');
  expect(lines[0]).toMatch(/^ID +NAME +FOR +MAY +CREATED +EXPIRES +LAST USED$/);
  expect(lines.find((line) => line.startsWith(id))).toMatch(/ CI +operator +everything .* never$/);
  expect(table.stdout).not.toContain(made.stdout.trim());

  const rotated = await json<Shown & { key: string }>(['rotate', id, '--grace', '0s', '--data', data]);
  const revoked = await json(['revoke', id, '--data', data]);
  expect(revoked).toEqual({ id, revoked: true });
  const all = await json<Shown[]>(['list'], { POSTHORN_DATA: data });
  expect(all.map(({ name, slot }) => [name, slot])).toEqual([
    ['operator', 'operator'],
    ['company 1', 'company 1'],
    ['CI', null],
  ]);

  const { url, process } = await serve(data);
  expect(await statusOf(url, rotated.key)).toBe(200);
  expect(await statusOf(url, made.stdout.trim())).toBe(401);
  await stop(process);
});

test('a key can be for one application, and limited', async () => {
  const data = await usedFolder();
  const create = (...args: string[]) =>
    json<Shown & { key: string }>(['create', '--name', 'a', '--app', '1', '--data', data, ...args]);
  expect((await create()).capabilities).toBeNull();
  const reads = await create('--read-only');
  expect(reads.capabilities).toEqual(['ViewBase']);
  const sends = await create('--capabilities', 'CreateAttempts');
  expect([sends.applicationId, sends.capabilities]).toEqual([
    expect.stringMatching(/^app_/),
    ['ViewBase', 'CreateAttempts'],
  ]);
  const listed = await keys(['list', '--app', '1', '--data', data]);
  expect(listed.stdout.trimEnd().split('\n')).toHaveLength(5);
  const unknown = await keys(['create', '--name', 'a', '--app', 'nobody', '--data', data]);
  expect([unknown.code, unknown.stderr]).toEqual([1, 'posthorn: There is no application "nobody".\n']);
});

test('a running server is called, and does what the same words say', async () => {
  const data = temporaryFolder();
  const { url, process } = await serve(data, { POSTHORN_OPERATOR_KEY: OPERATOR_KEY });
  const env = { POSTHORN_URL: url, POSTHORN_OPERATOR_KEY: OPERATOR_KEY };
  const made = await keys(['create', '--name', 'CI'], env);
  expect(made.code).toBe(0);
  expect(await statusOf(url, made.stdout.trim())).toBe(200);
  const limited = await json<Shown>(['create', '--name', 'a', '--app', '1', '--read-only'], env);
  expect(limited.capabilities).toEqual(['ViewBase']);
  const all = await json<Shown[]>(['list', '--url', `${url}/`], { POSTHORN_OPERATOR_KEY: OPERATOR_KEY });
  const ci = all.find(({ name }) => name === 'CI')?.id ?? '';
  const given = all.find(({ slot }) => slot === 'operator')?.id ?? '';
  const rotated = await json<Shown & { key: string }>(['rotate', ci, '--grace', '0s'], env);
  expect(await statusOf(url, made.stdout.trim())).toBe(401);
  expect(await statusOf(url, rotated.key)).toBe(200);
  expect((await keys(['revoke', rotated.id], env)).stdout).toBe(`${rotated.id} is revoked.\n`);
  expect(await statusOf(url, rotated.key)).toBe(401);

  const refused = await keys(['revoke', given], env);
  expect([refused.code, refused.stderr]).toEqual([
    1,
    expect.stringContaining('setting POSTHORN_OPERATOR_KEY'),
  ]);
  const missing = await keys(['revoke', 'key_nothing'], env);
  expect([missing.code, missing.stderr]).toEqual([1, 'posthorn: There is no key "key_nothing".\n']);
  await stop(process);
});

test('what goes wrong says what to do next', async () => {
  const data = temporaryFolder();
  const empty = await keys(['list', '--data', join(data, 'nothing')]);
  expect([empty.code, empty.stderr]).toEqual([1, expect.stringMatching(/no database .* --data .* --url/)]);

  const { url, process } = await serve(data);
  const locked = await keys(['list', '--data', data]);
  expect([locked.code, locked.stderr]).toEqual([
    1,
    expect.stringMatching(/A server runs .* --url .* POSTHORN_OPERATOR_KEY/),
  ]);
  const unset = await keys(['list', '--url', url]);
  expect([unset.code, unset.stderr]).toEqual([2, expect.stringContaining('Set POSTHORN_OPERATOR_KEY')]);
  const wrong = await keys(['list', '--url', url], { POSTHORN_OPERATOR_KEY: 'not-the-operator-key' });
  expect([wrong.code, wrong.stderr]).toEqual([
    1,
    expect.stringContaining('posthorn keys create --name recovery'),
  ]);
  await stop(process);
  const down = await keys(['list', '--url', url], { POSTHORN_OPERATOR_KEY: OPERATOR_KEY });
  expect([down.code, down.stderr]).toEqual([1, expect.stringMatching(/No answer came from .* does it run/)]);
});

test('the last operator key stays, and a lost one is replaced', async () => {
  const data = await usedFolder();
  const [first] = await json<Shown[]>(['list', '--data', data]);
  const refused = await keys(['revoke', first?.id ?? '', '--data', data]);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('last operator key')]);
  const { stdout } = await keys(['create', '--name', 'recovery', '--data', data]);
  const revoked = await keys(['revoke', first?.id ?? '', '--data', data]);
  expect([revoked.code, revoked.stderr]).toEqual([0, expect.stringContaining('POSTHORN_OPERATOR_KEY')]);
  const { url, process } = await serve(data);
  expect(await statusOf(url, stdout.trim())).toBe(200);
  // No other key was made in its place.
  expect((await stop(process)).stderr).not.toContain('phk_');
});

test.each([
  [['create'], /required option '--name <name>' not specified/],
  [['create', '--name', ' '], /--name must have/],
  [['create', '--name', 'a\u001b[2J'], /--name has control characters/],
  [['create', '--name', 'a', '--read-only'], /--app/],
  [['create', '--name', 'a', '--app', '1', '--capabilities', 'All'], /"All"\. Write some of ViewBase/],
  [
    ['create', '--name', 'a', '--app', '1', '--capabilities', 'ViewBase', '--read-only'],
    /cannot be used with/,
  ],
  [['create', '--name', 'a', '--expires', 'soon'], /--expires "soon" .* such as 12h or 7d/],
  [['rotate', 'key_1', '--grace', '8d'], /--grace "8d" .* 0s to 7d/],
  [['rotate'], /missing required argument 'id'/],
  [['list', '--url', 'localhost'], /not the address of a server.* --url/],
  [['list', '--url', 'http://127.0.0.1:1', '--data', '/tmp'], /two places/],
  [['lst'], /unknown command 'lst'\n\(Did you mean list\?\)/],
])('posthorn keys %j is refused with 2', async (args, says) => {
  const { code, stdout, stderr } = await keys(args);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(says);
});

test.each([['list'], ['create'], ['revoke'], ['rotate']])(
  'posthorn keys %s --help has an example',
  async (name) => {
    const { code, stdout } = await keys([name, '--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`Examples?:\\n  posthorn keys ${name}`));
  },
);

test('the help says how to come back in when every operator key is lost', async () => {
  const { stdout } = await keys(['--help']);
  expect(stdout).toContain('Every operator key is lost');
});
