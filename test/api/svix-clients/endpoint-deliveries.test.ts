import { Webhook } from 'svix';
import { Webhook as SecondWebhook } from 'svix2';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Received, type Receiver, startReceiver } from '../../helpers/receiver.ts';
import { startWorld, type World } from '../../helpers/world.ts';
import { attempted, destinationIs } from './arrivals.ts';
import { type Client, generations } from './clients.ts';

const HOUR_MS = 3_600_000;

/** What an endpoint does that only its receiver can tell. */
describe.each(generations)('$name: endpoints and their receivers', ({ connect, refusal }) => {
  let world: World;
  let client: Client;
  let receiver: Receiver;
  let broken: boolean;
  let app: string;
  beforeAll(async () => {
    world = await startWorld();
    client = connect(world.operatorKey, world.url);
  });
  beforeEach(async () => {
    broken = false;
    receiver = await startReceiver((response) => {
      response.statusCode = broken ? 500 : 200;
      response.end(broken ? 'broken' : 'ok');
    });
    app = (await client.application.create({ name: 'Acme' })).id;
    return () => receiver.close();
  });
  afterAll(() => world.close());

  const publish = async () => {
    const { id } = await client.message.create(app, { eventType: 'ticket.created', payload: { n: 1 } });
    return id;
  };
  const verifies = (secret: string, { headers, body }: Received) => {
    const signed = headers as Record<string, string>;
    new SecondWebhook(secret).verify(body, signed);
    return new Webhook(secret).verify(body, signed);
  };

  it('headers are sent at once after they are set', async () => {
    const { id } = await client.endpoint.create(app, { url: receiver.url, headers: { 'x-team': 'ops' } });
    await publish();
    await receiver.has(1);
    expect(receiver.received[0]?.headers['x-team']).toBe('ops');
    await client.endpoint.patchHeaders(app, id, {
      headers: { authorization: 'Bearer s' },
      deleteHeaders: ['x-team'],
    });
    await publish();
    await receiver.has(2);
    expect(receiver.received[1]?.headers).toMatchObject({ authorization: 'Bearer s' });
    expect(receiver.received[1]?.headers).not.toHaveProperty('x-team');
  });

  it('both secrets sign during a rotation, and only the new one when there is no grace', async () => {
    const { id } = await client.endpoint.create(app, { url: receiver.url });
    const old = (await client.endpoint.getSecret(app, id)).key;
    await client.endpoint.rotateSecret(app, id);
    const made = (await client.endpoint.getSecret(app, id)).key;
    expect(made).not.toBe(old);
    await publish();
    await receiver.has(1);
    const [both] = receiver.received as [Received];
    expect(verifies(old, both)).toEqual({ n: 1 });
    expect(verifies(made, both)).toEqual({ n: 1 });

    const other = await client.endpoint.create(app, { url: `${receiver.url}/other`, channels: ['other'] });
    const given = `whsec_${Buffer.alloc(32, 5).toString('base64')}`;
    const before = (await client.endpoint.getSecret(app, other.id)).key;
    await client.endpoint.rotateSecret(app, other.id, { key: given, gracePeriodSeconds: 0 });
    await client.message.create(app, { eventType: 'ticket.created', channels: ['other'], payload: {} });
    await receiver.has(3);
    const one = receiver.received.find(({ path }) => path === '/other') as Received;
    expect(verifies(given, one)).toEqual({});
    expect(() => verifies(before, one)).toThrow();
  });

  it('statistics count attempts', async () => {
    const { id } = await client.endpoint.create(app, { url: receiver.url });
    const before = new Date(Date.now() - 1_000);
    await attempted(client, app, await publish(), 1);
    broken = true;
    await attempted(client, app, await publish(), 3);
    expect(await client.endpoint.getStats(app, id)).toEqual({
      success: 1,
      pending: 0,
      sending: 0,
      fail: 3,
      canceled: 0,
    });
    expect(await client.endpoint.getStats(app, id, { since: before, until: new Date() })).toMatchObject({
      success: 1,
      fail: 3,
    });
    // Times are cut to whole minutes.
    const until = new Date(before.getTime() - 2 * 60_000);
    const past = { since: new Date(before.getTime() - HOUR_MS), until };
    expect(await client.endpoint.getStats(app, id, past)).toMatchObject({ success: 0, fail: 0 });
    const ahead = { until: new Date(Date.now() + HOUR_MS) };
    expect(await refusal(client.endpoint.getStats(app, id, ahead))).toMatchObject({
      code: 400,
      body: { code: 'invalid_range' },
    });
    const long = { since: new Date(Date.now() - 29 * 24 * HOUR_MS) };
    expect((await refusal(client.endpoint.getStats(app, id, long))).body.code).toBe('invalid_range');
  });

  it('recover sends again what failed since then', async () => {
    broken = true;
    const { id } = await client.endpoint.create(app, { url: receiver.url });
    const since = new Date(Date.now() - 1_000);
    const failed = await publish();
    await destinationIs(client, app, failed, id, 'fail');
    const passed = await client.endpoint.recover(app, id, {
      since: new Date(Date.now() - HOUR_MS),
      until: since,
    });
    expect(passed.id).toMatch(/^qtask_\w{27}$/);

    broken = false;
    const task = await client.endpoint.recover(app, id, { since });
    expect(task).toMatchObject({
      status: 'running',
      task: 'endpoint.recover',
      id: expect.stringMatching(/^qtask_/),
    });
    expect(task.updatedAt).toBeInstanceOf(Date);
    await destinationIs(client, app, failed, id, 'success');
    expect(receiver.received).toHaveLength(4);
    const tooLong = { since: new Date(Date.now() - 15 * 24 * HOUR_MS) };
    expect(await refusal(client.endpoint.recover(app, id, tooLong))).toMatchObject({
      code: 422,
      body: { detail: [{ loc: ['body', 'since'] }] },
    });
  });

  it('recover delivers what was held for a disabled endpoint', async () => {
    const { id } = await client.endpoint.create(app, { url: receiver.url, disabled: true });
    const held = await publish();
    expect((await client.messageAttempt.listAttemptedDestinations(app, held)).data).toHaveLength(1);
    await client.endpoint.patch(app, id, { disabled: false });
    await client.endpoint.recover(app, id, { since: new Date(Date.now() - HOUR_MS) });
    await receiver.has(1);
    await destinationIs(client, app, held, id, 'success');
  });

  it('send example sends an example of an event type, to this endpoint alone', async () => {
    const examples = [{ id: 'first' }, { id: 'second' }];
    await client.eventType.upsert('invoice.paid', {
      description: 'x',
      schemas: { 1: { type: 'object', examples } },
    });
    await client.eventType.upsert('invoice.bare', { description: 'x' });
    await client.endpoint.create(app, { url: `${receiver.url}/other` });
    const { id } = await client.endpoint.create(app, { url: `${receiver.url}/this`, channels: ['never'] });
    const send = (eventType: string, exampleIndex?: number) =>
      client.endpoint.sendExample(app, id, {
        eventType,
        ...(exampleIndex !== undefined && { exampleIndex }),
      });

    const sent = await send('invoice.paid');
    expect(sent).toMatchObject({ eventType: 'invoice.paid', id: expect.stringMatching(/^msg_/) });
    expect(sent.timestamp).toBeInstanceOf(Date);
    await receiver.has(1);
    await send('invoice.paid', 1);
    await receiver.has(2);
    await send('svix.ping');
    await receiver.has(3);
    expect(receiver.received.map(({ path, body }) => [path, JSON.parse(body)])).toEqual([
      ['/this', { id: 'first' }],
      ['/this', { id: 'second' }],
      ['/this', { success: true }],
    ]);
    expect((await attempted(client, app, sent.id, 1))[0]?.endpointId).toBe(id);

    expect(await refusal(send('invoice.bare'))).toMatchObject({
      code: 400,
      body: { code: 'invalid_scheme' },
    });
    expect(await refusal(send('invoice.paid', 2))).toMatchObject({
      code: 400,
      body: { code: 'invalid_scheme' },
    });
    expect((await refusal(send('no.such'))).code).toBe(404);
  });
});
