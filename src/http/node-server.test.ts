import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { expect, it } from 'vitest';
import { HTTP_CONNECTIONS } from '../limits.ts';
import { createNodeServer } from './node-server.ts';

const publish = () => undefined;

it('closes the connections that are too many, and takes new ones once others have ended', async () => {
  const server = createNodeServer(publish, (_request, response) => response.end('ok'), 2).listen(
    0,
    '127.0.0.1',
  );
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const ask = async () => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', () => undefined);
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    await Promise.race([once(socket, 'data'), once(socket, 'close')]);
    return { socket, text };
  };
  const first = await ask();
  const second = await ask();
  const third = await ask();
  expect([first, second, third].map(({ text }) => text.split('\r\n')[0])).toEqual([
    'HTTP/1.1 200 OK',
    'HTTP/1.1 200 OK',
    '',
  ]);
  first.socket.end();
  await once(first.socket, 'close');
  const fourth = await ask();
  expect(fourth.text).toContain('200 OK');
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

it('has a limit of connections when nobody sets one', () => {
  expect(createNodeServer(publish, () => undefined).maxConnections).toBe(HTTP_CONNECTIONS);
});
