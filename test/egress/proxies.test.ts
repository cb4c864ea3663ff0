import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { command, posthorn, temporaryFolder } from '../cli/command.ts';
import { startReceiver } from '../helpers/receiver.ts';

/** A proxy would do the names itself, so none of the environment is ever used: the guard would judge nothing. */

const KEY = 'operator-key-of-this-test';
const TOKEN = 'company-token-of-this-test';

/** Counts who comes, and answers as a proxy does that has no way. */
const proxy = createServer((socket) => {
  sockets.push(socket);
  socket.on('error', () => socket.destroy());
  socket.end('HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
});
const sockets: Socket[] = [];
beforeAll(async () => {
  await once(proxy.listen(0, '127.0.0.1'), 'listening');
});
afterAll(() => {
  for (const socket of sockets) socket.destroy();
  proxy.close();
});

function environment(): Record<string, string> {
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'npm_config_proxy', 'npm_config_https_proxy'];
  const env: Record<string, string> = { NODE_USE_ENV_PROXY: '1', NO_PROXY: '', no_proxy: '' };
  for (const name of names) Object.assign(env, { [name]: url, [name.toLowerCase()]: url });
  // Node.js before 24 does not know the flag, and starts with none that it doesn't know.
  if (process.allowedNodeEnvironmentFlags.has('--use-env-proxy')) env.NODE_OPTIONS = '--use-env-proxy';
  return env;
}

it.skipIf(!process.allowedNodeEnvironmentFlags.has('--use-env-proxy'))(
  'fetch of Node.js would use it, so what follows means something',
  async () => {
    const before = sockets.length;
    const code = "fetch('http://127.0.0.1:8/').then((answer) => console.log(answer.status))";
    const { stdout } = await command(process.execPath, ['-e', code], environment()).ended;
    expect(stdout).toContain('502');
    expect(sockets.length).toBeGreaterThan(before);
  },
);

it.each(['0', '1'])(
  'a server sends past the proxies of its environment (sending threads: %s)',
  async (threads) => {
    const receiver = await startReceiver();
    const server = posthorn(['serve', '--listen', '127.0.0.1:0', '--data', temporaryFolder()], {
      ...environment(),
      POSTHORN_OPERATOR_KEY: KEY,
      POSTHORN_COMPANY_TOKEN: TOKEN,
      POSTHORN_ALLOW_NETWORKS: '127.0.0.0/8',
      POSTHORN_SENDERS: threads,
    });
    const [, url] = await server.printed(/is ready: (http:\S+)/);
    const before = sockets.length;
    const call = async (path: string, key: string, body: object) => {
      const headers = { authorization: `Bearer ${key}` };
      const answer = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
      return [answer.status, await answer.json()];
    };
    const target = `${receiver.url}/hook`;
    const test = await call('/web_hooks/test.json', TOKEN, { action_type: 'ticket.created', url: target });
    expect(test).toMatchObject([200, { test: { status: 200 } }]);
    expect((await call('/api/v1/app/1/endpoint', KEY, { url: target }))[0]).toBe(201);
    const message = { eventType: 'ticket.created', payload: {} };
    expect((await call('/api/v1/app/1/msg', KEY, message))[0]).toBe(202);
    await receiver.has(2);
    // A proxy would be asked for the whole URL.
    expect(receiver.received.map(({ path }) => path)).toEqual(['/hook', '/hook']);
    const secure = await call('/web_hooks/test.json', TOKEN, {
      action_type: 'ticket.created',
      url: receiver.url.replace('http:', 'https:'),
    });
    expect(secure).toMatchObject([500, { test: { error: { code: 'tls_failed' } } }]);
    expect(sockets).toHaveLength(before);
    server.signal('SIGTERM');
    expect((await server.ended).code).toBe(0);
    await receiver.close();
  },
);
