import { Svix as FirstSvix, messageInRaw } from 'svix';
import { Svix as SecondSvix, messageInRaw as secondMessageInRaw } from 'svix2';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Received, type Receiver, startReceiver } from '../../helpers/receiver.ts';
import { startWorld, type World } from '../../helpers/world.ts';
import { attempted } from './arrivals.ts';
import { type Client, generations } from './clients.ts';
import { bothWays } from './pages.ts';

describe.each(generations)('$name: messages', ({ connect, refusal }) => {
  let world: World;
  let client: Client;
  let receiver: Receiver;
  let app: string;
  beforeAll(async () => {
    world = await startWorld();
    client = connect(world.operatorKey, world.url);
    receiver = await startReceiver();
  });
  beforeEach(async () => {
    app = (await client.application.create({ name: 'Acme' })).id;
  });
  afterAll(async () => {
    await receiver.close();
    await world.close();
  });

  const at = (path: string) => receiver.received.filter((each) => each.path === path);

  it('creates one with everything, which arrives and is found by id and by event id', async () => {
    await client.endpoint.create(app, { url: `${receiver.url}/${app}` });
    const fields = {
      eventType: 'ticket.created',
      eventId: 'event-1',
      payload: { n: 1, text: 'ü' },
      channels: ['blue', 'green'],
      tags: ['vip'],
    };
    const made = await client.message.create(app, fields, { withContent: true });
    expect(made).toMatchObject({ ...fields, id: expect.stringMatching(/^msg_\w{27}$/) });
    expect(made.timestamp).toBeInstanceOf(Date);
    expect(made.deliverAt ?? null).toBeNull();
    expect(await client.message.get(app, made.id, { withContent: true })).toEqual(made);
    expect(await client.message.get(app, 'event-1', { withContent: true })).toEqual(made);
    await attempted(client, app, made.id, 1);
    const [arrived] = at(`/${app}`) as [Received];
    expect(JSON.parse(arrived.body)).toEqual(fields.payload);
    expect(arrived.headers['webhook-id']).toBe(made.id);
  });

  it('leaves the payload out when it is not asked for', async () => {
    const made = await client.message.create(
      app,
      { eventType: 'a', payload: { n: 1 } },
      { withContent: false },
    );
    expect(made.payload).toEqual({});
    expect((await client.message.get(app, made.id, { withContent: false })).payload).toEqual({});
    expect((await client.message.list(app, { withContent: false })).data[0]?.payload).toEqual({});
    expect((await client.message.list(app, { withContent: true })).data[0]?.payload).toEqual({ n: 1 });
  });

  it('lists all, newest first, over several pages and both ways', async () => {
    const made: string[] = [];
    for (let n = 0; n < 8; n++)
      made.push((await client.message.create(app, { eventType: 'a', payload: { n } })).id);
    const limit = 3;
    const all = await bothWays(limit, (iterator) => client.message.list(app, { limit, iterator }));
    expect(all.map(({ id }) => id)).toEqual(made.toReversed());
    expect(all[0]?.timestamp).toBeInstanceOf(Date);
  });

  it('lists by event type, channel, tag and time', async () => {
    const publish = (fields: object) =>
      client.message.create(app, { eventType: 'a', payload: {}, ...fields });
    const plain = await publish({});
    const typed = await publish({ eventType: 'b' });
    const other = await publish({ eventType: 'c' });
    const channelled = await publish({ channels: ['blue'] });
    const tagged = await publish({ tags: ['vip', 'late'] });
    const ids = async (filter: Parameters<Client['message']['list']>[1]) =>
      (await client.message.list(app, filter)).data.map(({ id }) => id);
    expect(await ids({ eventTypes: ['b'] })).toEqual([typed.id]);
    expect(await ids({ eventTypes: ['b', 'c'] })).toEqual([other.id, typed.id]);
    expect(await ids({ channel: 'blue' })).toEqual([channelled.id]);
    expect(await ids({ tag: 'late' })).toEqual([tagged.id]);
    expect(await ids({ tag: 'lat' })).toEqual([]);
    expect(await ids({ before: new Date(plain.timestamp.getTime() - 1_000) })).toEqual([]);
    expect(await ids({ after: new Date(plain.timestamp.getTime() - 1_000) })).toHaveLength(5);
    expect(await ids({ after: new Date(Date.now() + 60_000) })).toEqual([]);
    const all = await bothWays(1, (iterator) =>
      client.message.list(app, { limit: 1, iterator, eventTypes: ['b', 'c'] }),
    );
    expect(all.map(({ id }) => id)).toEqual([other.id, typed.id]);
  });

  it('makes the application with the message', async () => {
    const application = { name: 'On the way', uid: 'made-with-message' };
    const made = await client.message.create('made-with-message', {
      eventType: 'a',
      payload: {},
      application,
    });
    expect((await client.application.get('made-with-message')).name).toBe('On the way');
    expect((await client.message.list('made-with-message')).data.map(({ id }) => id)).toEqual([made.id]);
    const mismatch = client.message.create('another-uid', { eventType: 'a', payload: {}, application });
    expect(await refusal(mismatch)).toMatchObject({
      code: 422,
      body: { detail: [{ loc: ['body', 'application', 'uid'] }] },
    });
    const missing = client.message.create('another-uid', { eventType: 'a', payload: {} });
    expect((await refusal(missing)).code).toBe(404);
  });

  it('delivers at the time that was asked for, not before', async () => {
    const { id: endpoint } = await client.endpoint.create(app, { url: `${receiver.url}/${app}` });
    const deliverAt = new Date(Date.now() + 400);
    const made = await client.message.create(app, { eventType: 'a', payload: {}, deliverAt });
    expect(made.deliverAt).toEqual(deliverAt);
    const { data } = await client.messageAttempt.listAttemptedDestinations(app, made.id);
    expect(data).toMatchObject([{ id: endpoint, nextAttempt: deliverAt }]);
    const [attempt] = await attempted(client, app, made.id, 1);
    expect(attempt?.timestamp.getTime()).toBeGreaterThanOrEqual(deliverAt.getTime());
    const late = { eventType: 'a', payload: {}, deliverAt: new Date(Date.now() + 400 * 86_400_000) };
    expect((await refusal(client.message.create(app, late))).code).toBe(422);
  });

  it('takes how long to keep the payload, in days or hours', async () => {
    const made = await client.message.create(app, {
      eventType: 'a',
      payload: { n: 1 },
      payloadRetentionHours: 24,
    });
    expect((await client.message.get(app, made.id, { withContent: true })).payload).toEqual({ n: 1 });
    await client.message.create(app, { eventType: 'a', payload: {}, payloadRetentionPeriod: 5 });
    for (const wrong of [{ payloadRetentionHours: 0 }, { payloadRetentionPeriod: 91 }]) {
      expect(
        (await refusal(client.message.create(app, { eventType: 'a', payload: {}, ...wrong }))).code,
      ).toBe(422);
    }
  });

  it('expunges the payload', async () => {
    const made = await client.message.create(app, {
      eventType: 'a',
      eventId: 'secret',
      payload: { card: '4111' },
    });
    await client.message.expungeContent(app, 'secret');
    expect((await client.message.get(app, made.id, { withContent: true })).payload).toEqual({
      expired: true,
    });
    expect((await refusal(client.message.expungeContent(app, 'nobody'))).code).toBe(404);
  });

  it('throws its exception with status and body', async () => {
    const event = { eventType: 'a', eventId: 'twice', payload: { n: 1 } };
    await client.message.create(app, event);
    expect(await refusal(client.message.create(app, event))).toEqual({
      code: 409,
      body: { code: 'conflict', detail: expect.any(String) },
    });
    expect(await refusal(client.message.create(app, { eventType: 'a b', payload: {} }))).toMatchObject({
      code: 422,
      body: { detail: [{ loc: ['body', 'event_type', '__all__'] }] },
    });
    expect((await refusal(client.message.create(app, { eventType: 'a', payload: 'text' }))).code).toBe(422);
    expect((await refusal(client.message.get(app, 'msg_nobody'))).body.code).toBe('not_found');
    expect((await refusal(client.message.list(app, { iterator: 'msg_broken' }))).code).toBe(422);
    const big = { eventType: 'a', payload: { text: 'x'.repeat(2 * 1024 * 1024) } };
    expect(await refusal(client.message.create(app, big))).toMatchObject({
      code: 413,
      body: { code: 'payload_too_large' },
    });
    const twice = { idempotencyKey: 'one-message' };
    const made = await client.message.create(app, { eventType: 'a', payload: {} }, twice);
    expect((await client.message.create(app, { eventType: 'a', payload: {} }, twice)).id).toBe(made.id);
    expect(
      (await refusal(client.message.create(app, { eventType: 'b', payload: {} }, twice))).body.code,
    ).toBe('idempotency_mismatch');
  });
});

describe('what the generations do by default', () => {
  let world: World;
  let receiver: Receiver;
  let first: FirstSvix;
  let second: SecondSvix;
  beforeAll(async () => {
    world = await startWorld();
    receiver = await startReceiver();
    first = new FirstSvix(world.operatorKey, { serverUrl: world.url });
    second = new SecondSvix(world.operatorKey, { serverUrl: world.url });
  });
  afterAll(async () => {
    await receiver.close();
    await world.close();
  });

  it('svix 1.99.1 gets payloads, svix 2.5.0 does not', async () => {
    const message = { eventType: 'a', payload: { n: 1 } };
    const made = await first.message.create('1', message);
    expect(made.payload).toEqual({ n: 1 });
    expect((await first.message.get('1', made.id)).payload).toEqual({ n: 1 });
    expect((await first.message.list('1')).data[0]?.payload).toEqual({ n: 1 });
    expect((await second.message.create('1', message)).payload).toEqual({});
    expect((await second.message.get('1', made.id)).payload).toEqual({});
    expect((await second.message.list('1')).data[0]?.payload).toEqual({});
  });

  it('both send a raw payload as it is', async () => {
    await first.endpoint.create('1', { url: receiver.url });
    await first.message.create('1', messageInRaw('a', '<a>1</a>'));
    await second.message.create('1', secondMessageInRaw('a', '<a>2</a>'));
    await receiver.has(2);
    expect(receiver.received.map(({ body }) => body).sort()).toEqual(['<a>1</a>', '<a>2</a>']);
  });
});
