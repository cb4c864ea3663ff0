import { Svix as FirstSvix, Webhook } from 'svix';
import { Ordering, Svix as SecondSvix, Webhook as SecondWebhook } from 'svix2';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Receiver, startReceiver } from '../../helpers/receiver.ts';
import { startWorld, type World } from '../../helpers/world.ts';
import { type Client, generations } from './clients.ts';
import { bothWays } from './pages.ts';

const url = 'http://127.0.0.1:1/operations';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

describe.each(generations)('$name: operational webhooks', ({ connect, refusal }) => {
  let client: Client;
  let endpoints: Client['operationalWebhook']['endpoint'];
  beforeEach(() => {
    client = connect(world.operatorKey, world.url);
    endpoints = client.operationalWebhook.endpoint;
  });
  afterEach(async () => {
    for (const { id } of (await endpoints.list()).data) await endpoints.delete(id);
  });

  it('has endpoints that are made, read, replaced and deleted', async () => {
    const fields = {
      url,
      uid: 'pager',
      description: 'Who is on call.',
      throttleRate: 9,
      metadata: { a: 'b' },
    };
    const secret = `whsec_${Buffer.alloc(24, 5).toString('base64')}`;
    const made = await endpoints.create({ ...fields, secret });
    expect(made).toMatchObject(fields);
    expect(made.createdAt).toBeInstanceOf(Date);
    expect(await endpoints.get(made.id)).toEqual(made);
    expect(await endpoints.get('pager')).toEqual(made);
    expect((await endpoints.getSecret('pager')).key).toBe(secret);

    const replaced = await endpoints.upsert('pager', { url: `${url}/2`, uid: 'other', disabled: true });
    expect(replaced).toMatchObject({
      id: made.id,
      url: `${url}/2`,
      uid: 'other',
      description: '',
      disabled: true,
    });
    expect((await endpoints.getSecret('other')).key).toBe(secret);
    const created = await endpoints.upsert('nobody-yet', { url, uid: 'its-own' });
    expect(created.id).not.toBe(made.id);

    await endpoints.delete('other');
    expect(await refusal(endpoints.get(made.id))).toMatchObject({ code: 404, body: { code: 'not_found' } });
    expect((await endpoints.list()).data.map(({ id }) => id)).toEqual([created.id]);
  });

  it('lists them newest first unless told otherwise, over several pages and both ways', async () => {
    const made: string[] = [];
    for (let index = 0; index < 5; index++) made.push((await endpoints.create({ url })).id);
    const newest = await bothWays(2, (iterator) => endpoints.list({ limit: 2, iterator }));
    expect(newest.map(({ id }) => id)).toEqual(made.toReversed());
    const oldest = await bothWays(2, (iterator) =>
      endpoints.list({ limit: 2, iterator, order: Ordering.Ascending }),
    );
    expect(oldest.map(({ id }) => id)).toEqual(made);
  });

  it('sets headers, and rotates the secret', async () => {
    const { id } = await endpoints.create({ url });
    await endpoints.setHeaders(id, { headers: { 'x-team': 'ops', authorization: 'Bearer s' } });
    expect(await endpoints.getHeaders(id)).toEqual({
      headers: { 'x-team': 'ops' },
      sensitive: ['authorization'],
    });
    const { key } = await endpoints.getSecret(id);
    await endpoints.rotateSecret(id);
    const rotated = (await endpoints.getSecret(id)).key;
    expect(rotated).not.toBe(key);
    await endpoints.rotateSecret(id, { key });
    expect((await endpoints.getSecret(id)).key).toBe(key);
  });

  it('tells of endpoints, signed so that the client verifies it', async () => {
    const receiver = await startReceiver();
    const { id } = await endpoints.create({ url: receiver.url });
    await endpoints.setHeaders(id, { headers: { 'x-team': 'ops' } });
    const application = await client.application.create({ name: 'Acme', uid: `told-${id}` });
    const endpoint = await client.endpoint.create(application.id, { url, uid: 'main' });
    await receiver.has(1);
    const [{ body, headers }] = receiver.received as [Receiver['received'][0]];
    const { key } = await endpoints.getSecret(id);
    const signed = headers as Record<string, string>;
    expect(new Webhook(key).verify(body, signed)).toEqual({
      type: 'endpoint.created',
      data: {
        appId: application.id,
        appUid: `told-${id}`,
        endpointId: endpoint.id,
        endpointUid: 'main',
      },
    });
    new SecondWebhook(key).verify(body, signed);
    expect(() => new SecondWebhook(key).verify(`${body} `, signed)).toThrow();
    expect(headers['x-team']).toBe('ops');
    await receiver.close();
  });

  it('is for operators only', async () => {
    const company = connect(world.company.token, world.url);
    const calls = [
      () => company.operationalWebhook.endpoint.list(),
      () => company.operationalWebhook.endpoint.create({ url }),
      () => company.operationalWebhook.endpoint.get('any'),
      () => company.operationalWebhook.endpoint.upsert('any', { url }),
      () => company.operationalWebhook.endpoint.delete('any'),
      () => company.operationalWebhook.endpoint.getSecret('any'),
      () => company.operationalWebhook.endpoint.rotateSecret('any', {}),
      () => company.operationalWebhook.endpoint.getHeaders('any'),
      () => company.operationalWebhook.endpoint.setHeaders('any', { headers: {} }),
    ];
    for (const each of calls) expect((await refusal(each())).code).toBe(403);
  });
});

describe('across the generations', () => {
  it('filterTypes of svix 1.99.1 are the eventTypes of svix 2.5.0', async () => {
    const first = new FirstSvix(world.operatorKey, { serverUrl: world.url });
    const second = new SecondSvix(world.operatorKey, { serverUrl: world.url });
    const filterTypes = ['endpoint.disabled', 'message.attempt.*'];
    const made = await first.operationalWebhook.endpoint.create({ url, filterTypes });
    expect(made.filterTypes).toEqual(filterTypes);
    expect((await second.operationalWebhook.endpoint.get(made.id)).eventTypes).toEqual(filterTypes);
    const eventTypes = ['endpoint.*', 'message.*'];
    await second.operationalWebhook.endpoint.upsert(made.id, { url, eventTypes });
    expect((await first.operationalWebhook.endpoint.get(made.id)).filterTypes).toEqual(eventTypes);
    await second.operationalWebhook.endpoint.delete(made.id);
  });

  it('the shorter way of svix 1.99.1 is the same', async () => {
    const svix = new FirstSvix(world.operatorKey, { serverUrl: world.url });
    const { id } = await svix.operationalWebhookEndpoint.create({ url });
    expect((await svix.operationalWebhookEndpoint.list()).data.map((each) => each.id)).toEqual([id]);
    expect((await svix.operationalWebhookEndpoint.get(id)).url).toBe(url);
    await svix.operationalWebhookEndpoint.update(id, { url: `${url}/2` });
    await svix.operationalWebhookEndpoint.updateHeaders(id, { headers: { 'x-a': 'b' } });
    expect((await svix.operationalWebhookEndpoint.getHeaders(id)).headers).toEqual({ 'x-a': 'b' });
    const { key } = await svix.operationalWebhookEndpoint.getSecret(id);
    await svix.operationalWebhookEndpoint.rotateSecret(id, {});
    expect((await svix.operationalWebhookEndpoint.getSecret(id)).key).not.toBe(key);
    await svix.operationalWebhookEndpoint.delete(id);
    expect((await svix.operationalWebhookEndpoint.list()).data).toEqual([]);
  });
});
