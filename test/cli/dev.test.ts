import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { command, posthorn, type Running, temporaryFolder } from './command.ts';

function dev(data: string, env: Record<string, string> = {}, args: readonly string[] = []): Running {
  return posthorn(['dev', ...args], { POSTHORN_LISTEN: '127.0.0.1:0', POSTHORN_DATA: data, ...env });
}

/** The curl lines as printed: create a web hook, test it, publish. */
async function curlLines(server: Running): Promise<[string, string, string]> {
  await server.printed(/Ctrl-C stops/);
  const lines = server
    .output()
    .split('\n')
    .filter((line) => line.startsWith('curl '));
  expect(lines).toHaveLength(3);
  return lines as [string, string, string];
}

/** Pastes a line into a shell. */
async function paste(line: string): Promise<{ status: number; json: Record<string, unknown> }> {
  const { code, stdout, stderr } = await command('sh', ['-c', `${line} -sS -w '\\n%{http_code}'`]).ended;
  expect(stderr).toBe('');
  expect(code).toBe(0);
  const [body, status] = stdout.split(/\n(?=\d+$)/);
  return { status: Number(status), json: JSON.parse(body as string) };
}

async function stop(server: Running) {
  server.signal('SIGTERM');
  return server.ended;
}

test('dev prints its addresses, keys, and lines that work when they are pasted', async () => {
  const server = dev(temporaryFolder());
  const [create, tryOut, publish] = await curlLines(server);
  expect(server.output()).toMatch(/API +http:\/\/127\.0\.0\.1:\d+\n/);
  const [, docs] = await server.printed(/API docs +(\S+)/);
  expect((await fetch(docs as string)).status).toBe(200);

  const created = await paste(create);
  expect(created.status).toBe(201);
  expect(created.json).toEqual({
    web_hook: { id: expect.stringMatching(/^1_\d{14}$/), url: 'http://127.0.0.1:9000/hooks' },
  });
  // Nobody need listen at the receiver's port here: the test's outcome says so then.
  const tested = await paste(tryOut);
  expect([200, 500]).toContain(tested.status);
  expect(tested.json).toHaveProperty('test');
  const published = await paste(publish);
  expect(published.status).toBe(202);
  expect(published.json).toMatchObject({ eventType: 'ticket.created', id: expect.stringMatching(/^msg_/) });

  const { code, stdout } = await stop(server);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^\d\d:\d\d:\d\d info {2}stopped$/m);
  expect(stdout).not.toContain('\x1b[');
});

test('each start prints the same keys, and they work', async () => {
  const data = temporaryFolder();
  const first = dev(data);
  const [createFirst] = await curlLines(first);
  await stop(first);
  const second = dev(data);
  const [create] = await curlLines(second);
  const token = (line: string) => /auth_token=([^'&]+)/.exec(line)?.[1];
  expect(token(create)).toBe(token(createFirst));
  expect((await paste(create)).status).toBe(201);

  const file = join(data, 'development-keys.json');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(JSON.parse(readFileSync(file, 'utf8')).companyToken).toBe(token(create));
});

test('keys of the environment are used and printed, whatever signs they have', async () => {
  const token = `it's+a&token=100%!`;
  const server = dev(temporaryFolder(), {
    POSTHORN_COMPANY_TOKEN: token,
    POSTHORN_OPERATOR_KEY: `an'operator"key$`,
  });
  const [create, , publish] = await curlLines(server);
  expect(server.output()).toContain(token);
  expect((await paste(create)).status).toBe(201);
  expect((await paste(publish)).status).toBe(202);
});

test('dev leaves the keys of a folder that serve has used alone, until new ones are asked for', async () => {
  const data = temporaryFolder();
  const server = posthorn(['serve', '--listen', '127.0.0.1:0', '--data', data]);
  await server.printed(/is ready/);
  await stop(server);
  const { code, stderr } = await dev(data).ended;
  expect(code).toBe(1);
  expect(stderr).toContain('posthorn dev --new-keys');
  const renewed = dev(data, {}, ['--new-keys']);
  const [create] = await curlLines(renewed);
  expect((await paste(create)).status).toBe(201);
});

test('serve warns of the readable keys that development left', async () => {
  const data = temporaryFolder();
  const development = dev(data);
  await curlLines(development);
  await stop(development);
  const server = posthorn(['serve', '--listen', '127.0.0.1:0', '--data', data]);
  await server.printed(/is ready/);
  expect((await stop(server)).stdout).toContain(
    'development-keys.json has keys of this server in plain text',
  );
});
