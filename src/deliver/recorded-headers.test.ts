import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { HEADERS_STORED_CHARACTERS } from '../limits.ts';
import type { Exchange, Sender, SendResultHandler } from '../model/exchange.ts';
import { readHeaderLines } from '../model/header-lines.ts';
import { systemClock } from '../system/clock.ts';
import { createHttpSender } from './http-sender.ts';
import { createThreadSender } from './sender-thread.ts';

const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const cleanUps: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

/** The raw headers of each request as they came. */
async function receiver(answer: RequestListener) {
  const got: Record<string, string>[] = [];
  const server = createServer((request, response) => {
    got.push(request.headers as Record<string, string>);
    answer(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return { got, href: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
}

const SENDERS = [
  ['this thread', createHttpSender],
  ['a thread of its own', createThreadSender],
] as const;

describe.each(SENDERS)('what %s tells of the headers', (_name, make) => {
  const post = async (href: string, headers: Record<string, string> = {}, timeoutMs = 5_000) => {
    const ended = Promise.withResolvers<Exchange>();
    const onResults: SendResultHandler = (results) =>
      results.forEach((one) => void ended.resolve(one.exchange as Exchange));
    const sender: Sender = make({
      allowNetworks: ['127.0.0.0/8'],
      signatureHeaders: 'both',
      userAgent: 'Posthorn/test',
      clock: systemClock,
      onResults,
    });
    cleanUps.push(() => sender.close());
    const target = { applicationKey: 1, href, headers, secrets: [{ text: SECRET, until: null }] };
    sender.send([{ ref: 1, target, messageId: 'msg_1', payload: '{}', timeoutMs, test: true, queue: null }]);
    return ended.promise;
  };

  it('is what was sent and what came, without credentials', async () => {
    const { href, got } = await receiver((_request, response) => {
      const cookies = ['a=hunter2', 'b=hunter2'];
      response.writeHead(429, { 'x-Rate': 'é', 'set-cookie': cookies, 'x-session': 'hunter2' }).end('later');
    });
    // The endpoint's own are hidden whatever their names are.
    const own = { 'X-Tenant': 'hunter2', Authorization: 'Bearer hunter2', Accept: 'hunter2' };
    const { requestHeaders, responseHeaders } = await post(href, own);
    const [{ connection, ...sent }] = got as [Record<string, string>];
    const asked = readHeaderLines(requestHeaders).map(([name, value]) => [name.toLowerCase(), value]);
    const hidden = { 'x-tenant': '***', authorization: '***', accept: '***' };
    expect(Object.fromEntries(asked)).toEqual({ ...sent, ...hidden });
    expect(Object.fromEntries(readHeaderLines(responseHeaders))).toMatchObject({
      'x-rate': 'é',
      'set-cookie': '***',
      'x-session': '***',
    });
    expect(requestHeaders + responseHeaders).not.toContain('hunter2');
  });

  it('leaves out what has no room', async () => {
    const long = 'v'.repeat(HEADERS_STORED_CHARACTERS);
    const { href, got } = await receiver((_request, response) => {
      response.writeHead(200, { 'x-long': long, 'x-short': 's' }).end();
    });
    const { requestHeaders, responseHeaders, status } = await post(href, { 'x-long': long, 'x-short': 's' });
    expect(status).toBe(200);
    expect(got[0]?.['x-long']).toBe(long);
    const names = readHeaderLines(responseHeaders).map(([name]) => name);
    expect([names.includes('x-short'), names.includes('x-long')]).toEqual([true, false]);
    for (const lines of [requestHeaders, responseHeaders]) {
      expect(lines.length).toBeLessThanOrEqual(HEADERS_STORED_CHARACTERS);
    }
  });

  it('is as much as there was when the exchange ended', async () => {
    const silent = await receiver(() => undefined);
    const timedOut = await post(silent.href, {}, 50);
    expect(timedOut).toMatchObject({ status: null, responseHeaders: '' });
    expect(timedOut.requestHeaders).toContain('webhook-id\nmsg_1');

    const broken = await receiver((request, response) => {
      response.writeHead(200, { 'x-a': 'b', 'content-length': '10' }).write('half');
      setImmediate(() => request.socket.destroy());
    });
    expect((await post(broken.href)).responseHeaders).toContain('x-a\nb');

    const refused = await post('http://10.1.2.3/');
    expect(refused).toMatchObject({ error: { code: 'address_refused' }, responseHeaders: '' });
    expect(refused.requestHeaders).toContain('host\n10.1.2.3');

    const unbuilt = await post(silent.href, { 'x-a': 'b\nc' });
    expect(unbuilt).toMatchObject({ requestHeaders: '', responseHeaders: '' });
  });
});
