import { once } from 'node:events';
import { createServer } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { helpDeskCatalogue } from '../../src/catalogue/help-desk.ts';
import { type Received, type Receiver, startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** `POST /web_hooks/test.json` */

describe('testing a web hook', () => {
  let world: World;
  let receiver: Receiver | null = null;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());
  afterEach(async () => {
    await receiver?.close();
    receiver = null;
  });
  const test = (body: unknown) => world.hooks('POST', '/web_hooks/test.json', body);

  it('answers 200 when the URL took it, and says what came back', async () => {
    receiver = await startReceiver((response) => response.writeHead(204).end());
    const url = `${receiver.url}/hook`;
    const answer = await test({ action_type: 'ticket.created', url });
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(answer.json()).toEqual({
      test: {
        result: 'succeeded',
        action_type: 'ticket.created',
        url,
        message_id: expect.stringMatching(/^msg_[0-9A-Za-z]{27}$/),
        status: 204,
        response_body: '',
        duration_ms: expect.any(Number),
        error: null,
        signed_with: 'a throwaway secret',
        secret: expect.stringMatching(/^whsec_/),
      },
    });
  });

  it('answers 500 when the URL did not take it, with the status and the start of the answer', async () => {
    receiver = await startReceiver((response) => response.writeHead(410).end('gone away'));
    const answer = await test({ action_type: 'ticket.created', url: receiver.url });
    expect(answer.status).toBe(500);
    expect(answer.json().test).toMatchObject({ result: 'failed', status: 410, response_body: 'gone away' });
  });

  it('takes a redirect as a failure and does not follow it', async () => {
    const elsewhere = await startReceiver();
    receiver = await startReceiver((response) => response.writeHead(302, { location: elsewhere.url }).end());
    expect((await test({ action_type: 'ticket.created', url: receiver.url })).status).toBe(500);
    expect(elsewhere.received).toEqual([]);
    await elsewhere.close();
  });

  it('says what stood in the way when no answer came', async () => {
    const silent = createServer();
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const timedOut = await test({ action_type: 'ticket.created', url: `http://127.0.0.1:${port}` });
    expect(timedOut.status).toBe(500);
    expect(timedOut.json().test).toMatchObject({
      result: 'failed',
      status: null,
      error: { code: 'timed_out' },
    });
    silent.close();
    const refused = await test({ action_type: 'ticket.created', url: 'http://127.0.0.1:1' });
    expect(refused.status).toBe(500);
    expect(refused.json().test).toMatchObject({ status: null, error: { code: 'connection_refused' } });
    expect(refused.json().test.error.message).toMatch(/\w{3}/);
  });

  it('names a target that is refused only when its name is resolved', async () => {
    const strict = await startWorld({ allow: [] });
    const answer = await strict.hooks('POST', '/web_hooks/test.json', {
      action_type: 'ticket.created',
      url: 'http://no-such-name.invalid',
    });
    expect(answer.status).toBe(500);
    expect(answer.json().test).toMatchObject({ status: null, error: { code: 'dns_failed' } });
    await strict.close();
  });

  it.each(helpDeskCatalogue.map(({ name }) => name))('sends the example of %s', async (name) => {
    receiver = await startReceiver();
    expect((await test({ action_type: name, url: receiver.url })).status).toBe(200);
    const example = helpDeskCatalogue.find((entry) => entry.name === name)?.example;
    expect(receiver.received[0]?.body).toBe(JSON.stringify(example));
  });

  it('is signed with the throwaway secret that it returns, and marked as a test', async () => {
    receiver = await startReceiver();
    const { secret, message_id: id } = (
      await test({ action_type: 'ticket.created', url: receiver.url })
    ).json().test;
    const { headers, body } = only(receiver);
    expect(headers['webhook-id']).toBe(id);
    expect(headers['posthorn-test']).toBeDefined();
    expect(headers['content-type']).toMatch(/^application\/json/);
    expect(new Webhook(secret).verify(body, headers as Record<string, string>)).toEqual(JSON.parse(body));
  });

  it("is signed with the secret of the company's own web hook of that URL, which is not shown", async () => {
    receiver = await startReceiver();
    const url = `${receiver.url}/own`;
    const { id } = (await world.hooks('POST', '/web_hooks.json', { web_hook: { url } })).json().web_hook;
    const answer = (await test({ action_type: 'ticket.created', url })).json().test;
    expect(answer.signed_with).toBe(`web hook ${id}`);
    expect('secret' in answer).toBe(false);
    const { key } = (await world.operate('GET', `/api/v1/app/1/endpoint/${id}/secret`)).json();
    const { headers, body } = only(receiver);
    expect(() => new Webhook(key).verify(body, headers as Record<string, string>)).not.toThrow();
  });

  it('leaves no message behind', async () => {
    receiver = await startReceiver();
    const { message_id: id } = (await test({ action_type: 'ticket.created', url: receiver.url })).json().test;
    expect((await world.operate('GET', `/api/v1/app/1/msg/${id}`)).status).toBe(404);
  });

  it("takes the page's own sample, which lacks a comma, as it is pasted", async () => {
    receiver = await startReceiver();
    for (const lineEnd of ['\n', '\r\n', ' ']) {
      const sample = ['  {', '    "action_type": "ticket.created"', `    "url": "${receiver.url}"`, '  }  '];
      const answer = await test(sample.join(lineEnd));
      expect(answer.status).toBe(200);
      expect(answer.json().test).toMatchObject({ action_type: 'ticket.created', url: receiver.url });
    }
  });

  it.each([
    '{"action_type": "ticket.created" "url": "http://example.com" "x": "y"}',
    '{"action_type" "ticket.created", "url": "http://example.com"}',
    '{"action_type": "ticket.created"\n"url": "http://example.com"\n"x": "y"}',
    '{"action_type": "ticket.created"\n"url": }',
    'action_type=ticket.created',
    '',
  ])('answers 400 to any other malformed body: %j', async (body) => {
    const answer = await test(body);
    expect(answer.status).toBe(400);
    expect(answer.json().errors.body[0]).toMatch(/^is not valid JSON: /);
  });

  it.each([
    ['a string that never ends', `"${'\\"'.repeat(100_000)}`],
    ['strings in a row', '"a":"b"'.repeat(30_000)],
    ['line breaks', `{"a": "b"${'\n'.repeat(200_000)}`],
    [
      'the sample, with much behind it',
      `{"action_type": "ticket.created"\n"url": "http://example.com"${' '.repeat(5_000)}}`,
    ],
  ])('looks for the missing comma only in a short body, and at once: %s', async (_what, body) => {
    const begun = performance.now();
    const answer = await test(body);
    expect(answer.status).toBe(400);
    expect(answer.json().errors.body[0]).toMatch(/^is not valid JSON: /);
    expect(performance.now() - begun).toBeLessThan(1_000);
  });

  it('validates both fields and names the known action types', async () => {
    const neither = await test({});
    expect([neither.status, neither.json()]).toEqual([
      400,
      { errors: { action_type: ["can't be blank"], url: ["can't be blank"] } },
    ]);
    const unknown = await test({ action_type: 'ticket.eaten', url: 'http://example.com' });
    expect(unknown.status).toBe(400);
    for (const { name } of helpDeskCatalogue) expect(unknown.json().errors.action_type[0]).toContain(name);
    const wrong = await test({ action_type: 7, url: 'http://10.0.0.1' });
    expect(wrong.json().errors).toMatchObject({
      action_type: ['must be a string'],
      url: [expect.stringContaining('10.0.0.0/8')],
    });
    expect((await test([])).status).toBe(400);
  });

  it('limits how many tests run at once, with 429', async () => {
    const held: (() => void)[] = [];
    receiver = await startReceiver((response) => held.push(() => response.end()));
    const { url } = receiver;
    const running = Array.from({ length: 5 }, () => test({ action_type: 'ticket.created', url }));
    await receiver.has(5);
    const refused = await test({ action_type: 'ticket.created', url });
    expect(refused.status).toBe(429);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(Object.keys(refused.json().errors)).toEqual(['request']);
    for (const release of held) release();
    for (const answer of await Promise.all(running)) expect(answer.status).toBe(200);
  });
});

function only(receiver: Receiver): Received {
  expect(receiver.received).toHaveLength(1);
  return receiver.received[0] as Received;
}
