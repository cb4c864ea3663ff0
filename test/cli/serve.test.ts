import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { posthorn, type Running, temporaryFolder } from './command.ts';

const OPERATOR_KEY = 'operator-key-of-this-test';
const TOKEN = 'company-token-of-this-test';

function serve(data: string, env: Record<string, string> = {}, args: readonly string[] = []): Running {
  return posthorn(['serve', '--listen', '127.0.0.1:0', '--data', data, ...args], env);
}

async function urlOf(server: Running): Promise<string> {
  const [, url] = await server.printed(/is ready: (http:\S+)/);
  return url as string;
}

async function stop(server: Running) {
  server.signal('SIGTERM');
  return server.ended;
}

/** The machine-readable lines. */
function logged(stdout: string): Record<string, unknown>[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

test('serve says when it is ready, answers, and ends with 0 on SIGTERM', async () => {
  const server = serve(temporaryFolder());
  const url = await urlOf(server);
  expect((await fetch(`${url}/api/v1/health/ping`)).status).toBe(204);
  const { code, stdout } = await stop(server);
  expect(code).toBe(0);
  expect(logged(stdout)).toContainEqual(expect.objectContaining({ msg: 'ready', url }));
});

test('the first start shows keys that work, off the log and only once', async () => {
  const data = temporaryFolder();
  const first = serve(data);
  const url = await urlOf(first);
  const [, operatorKey] = await first.printed(/Operator key +(phk_\S+)/);
  const [, token] = await first.printed(/Company 1's token +(phk_\S+)/);
  expect(first.output()).toContain('shown only this once');
  const asCompany = await fetch(`${url}/web_hooks.json?auth_token=${token}`);
  expect(asCompany.status).toBe(200);
  const asOperator = await fetch(`${url}/api/v1/app/1/endpoint`, {
    headers: { authorization: `Bearer ${operatorKey}` },
  });
  expect(asOperator.status).toBe(200);
  expect((await stop(first)).stdout).not.toContain('phk_');

  const second = serve(data);
  const again = await urlOf(second);
  expect((await fetch(`${again}/web_hooks.json?auth_token=${token}`)).status).toBe(200);
  const { stdout, stderr } = await stop(second);
  expect(stdout + stderr).not.toContain('phk_');
});

test('keys of the settings are taken and not shown', async () => {
  const env = { POSTHORN_OPERATOR_KEY: OPERATOR_KEY, POSTHORN_COMPANY_TOKEN: TOKEN };
  const server = serve(temporaryFolder(), env);
  const url = await urlOf(server);
  expect((await fetch(`${url}/web_hooks.json?auth_token=${TOKEN}`)).status).toBe(200);
  const { stdout, stderr } = await stop(server);
  expect(stdout + stderr).not.toMatch(/phk_|of-this-test|shown only this once/);
});

test('company 1 is not made again after it was deleted, and its setting is told to be without effect', async () => {
  const data = temporaryFolder();
  const env = { POSTHORN_OPERATOR_KEY: OPERATOR_KEY, POSTHORN_COMPANY_TOKEN: TOKEN };
  const headers = { authorization: `Bearer ${OPERATOR_KEY}` };
  const first = serve(data, env);
  const url = await urlOf(first);
  expect((await fetch(`${url}/api/v1/app/1`, { method: 'DELETE', headers })).status).toBe(204);
  await stop(first);

  const second = serve(data, env);
  const again = await urlOf(second);
  expect((await fetch(`${again}/api/v1/app/1`, { headers })).status).toBe(404);
  expect((await fetch(`${again}/web_hooks.json?auth_token=${TOKEN}`)).status).toBe(401);
  expect((await stop(second)).stdout).toContain('POSTHORN_COMPANY_TOKEN has no effect');

  const third = serve(data, { POSTHORN_OPERATOR_KEY: OPERATOR_KEY });
  await urlOf(third);
  const { stdout, stderr } = await stop(third);
  expect(stdout + stderr).not.toMatch(/has no effect|phk_/);
});

test('a token that is the key of something else is refused with a sentence', async () => {
  const data = temporaryFolder();
  const first = serve(data);
  await urlOf(first);
  const [, operatorKey = ''] = await first.printed(/Operator key +(phk_\S+)/);
  await stop(first);
  const { code, stderr } = await serve(data, { POSTHORN_COMPANY_TOKEN: operatorKey }).ended;
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^posthorn: The value of POSTHORN_COMPANY_TOKEN is a key for something else .* Choose a different one\.\n$/,
  );
  expect(stderr).not.toContain(operatorKey);
});

test('what is made in the data folder is for the own user only', async () => {
  const data = join(temporaryFolder(), 'made', 'here');
  const server = serve(data);
  await urlOf(server);
  await stop(server);
  expect(statSync(data).mode & 0o777).toBe(0o700);
  for (const file of ['master.key', 'posthorn.db']) {
    expect(statSync(join(data, file)).mode & 0o777).toBe(0o600);
  }
  expect(Buffer.from(readFileSync(join(data, 'master.key'), 'utf8'), 'base64')).toHaveLength(32);
});

test('a second server on the same data folder is refused with a sentence', async () => {
  const data = temporaryFolder();
  await urlOf(serve(data));
  const { code, stdout, stderr } = await serve(data).ended;
  expect(code).toBe(1);
  expect(stderr).toBe(
    `posthorn: Another Posthorn uses the data folder ${data}. Stop that one, or choose another folder with POSTHORN_DATA.\n`,
  );
  expect(stdout).toBe('');
});

test('a port in use is refused with a sentence that names the next one', async () => {
  const url = await urlOf(serve(temporaryFolder()));
  const { host, port } = new URL(url);
  const { code, stderr } = await posthorn(['serve', '--listen', host, '--data', temporaryFolder()]).ended;
  expect(code).toBe(1);
  expect(stderr).toContain(`${host} is in use`);
  expect(stderr).toContain(`POSTHORN_LISTEN=127.0.0.1:${Number(port) + 1}`);
  expect(stderr).not.toContain('    at ');
});

test('a data folder that is a file is refused with a sentence', async () => {
  const file = join(temporaryFolder(), 'file');
  writeFileSync(file, '');
  for (const data of [file, join(file, 'below')]) {
    const { code, stderr } = await serve(data).ended;
    expect(code).toBe(1);
    expect(stderr).toBe(
      `posthorn: The data folder ${data} is or lies under a file: choose another with POSTHORN_DATA.\n`,
    );
  }
});

test.skipIf(process.platform !== 'linux').each(['/proc/nope', '/proc/nope/below', '/sys/nope'])(
  'a data folder that can not be made, %s, is refused at once',
  { timeout: 10_000 },
  async (data) => {
    const { code, stderr } = await serve(data).ended;
    expect(code).toBe(1);
    expect(stderr).toContain(`posthorn: The data folder ${data} is `);
    expect(stderr).toMatch(/(not writable for this user|read-only).* choose another with POSTHORN_DATA\.\n$/);
  },
);

test('settings that are not usable end with 2 and are all listed', async () => {
  const env = { POSTHORN_LISTEN: '8071', POSTHORN_RETRY_SCHEDULE: 'soon', POSTHORN_DATE: '/tmp' };
  const { code, stderr } = await posthorn(['serve', '--log-level', 'loud'], env).ended;
  expect(code).toBe(2);
  expect(stderr.split('\n').slice(0, -1)).toEqual([
    'posthorn: 4 settings are not usable:',
    '  - POSTHORN_DATE is not a setting. Write POSTHORN_DATA if you meant that, or remove it.',
    expect.stringContaining('POSTHORN_LISTEN "8071" has no address'),
    expect.stringContaining('POSTHORN_RETRY_SCHEDULE "soon" has "soon" in it'),
    expect.stringContaining('--log-level "loud" is not one of the choices'),
  ]);
});

test('several signals at once, as Ctrl-C under npm sends them, are one', async () => {
  const server = serve(temporaryFolder());
  await urlOf(server);
  for (let count = 0; count < 3; count++) server.signal('SIGINT');
  expect((await server.ended).code).toBe(0);
});

test('a later second signal ends a slow stop at once', async () => {
  const { server } = await withDeliveryThatHangs({
    POSTHORN_REQUEST_TIMEOUT: '5m',
    POSTHORN_SHUTDOWN_GRACE: '5m',
  });
  server.signal('SIGTERM');
  await server.printed(/"stopping/);
  await server.printed(/Draining, up to 300 s: .* Press Ctrl-C again to end at once\.\n/);
  const impatient = setInterval(() => server.signal('SIGTERM'), 50);
  onTestFinished(() => clearInterval(impatient));
  const { code, stderr } = await server.ended;
  expect(code).toBe(143);
  expect(stderr.match(/Draining/g)).toHaveLength(1);
  expect(stderr).toContain('Stopped at once.');
});

test('a single second Ctrl-C well after the first ends a slow stop at once', async () => {
  const { server } = await withDeliveryThatHangs({
    POSTHORN_REQUEST_TIMEOUT: '5m',
    POSTHORN_SHUTDOWN_GRACE: '5m',
  });
  server.signal('SIGINT');
  await server.printed(/Draining/);
  await new Promise((resolve) => setTimeout(resolve, 700));
  server.signal('SIGINT');
  expect((await server.ended).code).toBe(130);
});

test('a stop that takes longer than the grace period ends with 0', async () => {
  const { server } = await withDeliveryThatHangs({
    POSTHORN_REQUEST_TIMEOUT: '5m',
    POSTHORN_SHUTDOWN_GRACE: '100ms',
  });
  const { code, stdout } = await stop(server);
  expect(code).toBe(0);
  expect(stdout).toContain('the grace period is over');
});

test('a database without its master key is refused; with the key given again it starts', async () => {
  const data = temporaryFolder();
  const masterKey = Buffer.alloc(32, 5).toString('base64');
  const first = serve(data, { POSTHORN_MASTER_KEY: masterKey });
  await urlOf(first);
  await stop(first);
  const { code, stderr } = await serve(data).ended;
  expect(code).toBe(1);
  expect(stderr).toMatch(/master\.key is missing.* set POSTHORN_MASTER_KEY/);
  await urlOf(serve(data, { POSTHORN_MASTER_KEY: masterKey }));
});

test('a master key that others can read, or that is damaged, is told', async () => {
  const data = temporaryFolder();
  const file = join(data, 'master.key');
  writeFileSync(file, Buffer.alloc(32, 5).toString('base64'), { mode: 0o644 });
  const server = serve(data);
  await urlOf(server);
  expect((await stop(server)).stdout).toContain(`chmod 600 ${file}`);
  writeFileSync(file, 'half a k');
  const { code, stderr } = await serve(data).ended;
  expect(code).toBe(1);
  expect(stderr).toContain(`${file} is damaged`);
});

/** A server with one delivery under way to a receiver that never answers. */
async function withDeliveryThatHangs(env: Record<string, string>): Promise<{ server: Running }> {
  const receiver = createServer();
  const asked = new Promise((resolve) => receiver.once('request', resolve));
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    receiver.closeAllConnections();
    receiver.close();
  });
  const keys = { POSTHORN_OPERATOR_KEY: OPERATOR_KEY, POSTHORN_COMPANY_TOKEN: TOKEN };
  const server = serve(temporaryFolder(), { ...env, ...keys, POSTHORN_ALLOW_NETWORKS: '127.0.0.0/8' });
  const url = await urlOf(server);
  const created = await fetch(`${url}/web_hooks.json?auth_token=${TOKEN}`, {
    method: 'POST',
    body: JSON.stringify({
      web_hook: { url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/` },
    }),
  });
  expect(created.status).toBe(201);
  const published = await fetch(`${url}/api/v1/app/1/msg`, {
    method: 'POST',
    headers: { authorization: `Bearer ${OPERATOR_KEY}` },
    body: JSON.stringify({ eventType: 'ticket.created', payload: {} }),
  });
  expect(published.status).toBe(202);
  await asked;
  return { server };
}
