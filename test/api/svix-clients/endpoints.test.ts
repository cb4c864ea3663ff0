import { Svix as FirstSvix } from 'svix';
import { Ordering, Svix as SecondSvix } from 'svix2';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startWorld, type World } from '../../helpers/world.ts';
import { type Client, generations } from './clients.ts';
import { bothWays } from './pages.ts';

const url = 'http://127.0.0.1:1/hook';

describe.each(generations)('$name: endpoints', ({ connect, refusal }) => {
  let world: World;
  let client: Client;
  let app: string;
  beforeAll(async () => {
    world = await startWorld();
    client = connect(world.operatorKey, world.url);
  });
  beforeEach(async () => {
    app = (await client.application.create({ name: 'Acme' })).id;
  });
  afterAll(() => world.close());

  it('creates one, with the values that were left out', async () => {
    const made = await client.endpoint.create(app, { url });
    expect(made).toMatchObject({ url, description: '', disabled: false, metadata: {} });
    expect(made.id).toMatch(/^ep_\w{27}$/);
    expect([made.uid, made.channels, made.throttleRate].map((each) => each ?? null)).toEqual([
      null,
      null,
      null,
    ]);
    expect(made.createdAt).toBeInstanceOf(Date);
    expect(made.updatedAt).toBeInstanceOf(Date);
  });

  it('creates one with everything, and finds it by id and by uid', async () => {
    const fields = {
      url,
      uid: 'main',
      description: 'Where all goes.',
      disabled: true,
      throttleRate: 20,
      channels: ['blue', 'green'],
      metadata: { owner: 'ops' },
    };
    const secret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
    const made = await client.endpoint.create(app, { ...fields, secret, headers: { 'x-team': 'ops' } });
    expect(made).toMatchObject(fields);
    expect(await client.endpoint.get(app, made.id)).toEqual(made);
    expect(await client.endpoint.get(app, 'main')).toEqual(made);
    expect((await client.endpoint.getSecret(app, 'main')).key).toBe(secret);
    expect((await client.endpoint.getHeaders(app, 'main')).headers).toEqual({ 'x-team': 'ops' });
  });

  it('upserts: replaces all but secret and headers, or creates one under a new id', async () => {
    const made = await client.endpoint.create(app, {
      url,
      uid: 'old',
      description: 'Before.',
      channels: ['blue'],
      throttleRate: 3,
      metadata: { a: '1' },
      headers: { 'x-team': 'ops' },
    });
    const { key } = await client.endpoint.getSecret(app, made.id);
    const replaced = await client.endpoint.upsert(app, 'old', { url: `${url}/new`, uid: 'new' });
    expect(replaced).toMatchObject({
      id: made.id,
      uid: 'new',
      url: `${url}/new`,
      description: '',
      metadata: {},
    });
    expect([replaced.channels ?? null, replaced.throttleRate ?? null]).toEqual([null, null]);
    expect((await client.endpoint.getSecret(app, made.id)).key).toBe(key);
    expect((await client.endpoint.getHeaders(app, made.id)).headers).toEqual({ 'x-team': 'ops' });

    const created = await client.endpoint.upsert(app, 'nobody-yet', { url, uid: 'its-own' });
    expect(created).toMatchObject({ uid: 'its-own', id: expect.stringMatching(/^ep_/) });
    expect((await refusal(client.endpoint.get(app, 'nobody-yet'))).code).toBe(404);
  });

  it('keeps by an upsert and a patch what the client does not know', async () => {
    const control = {
      maxInFlight: 4,
      ordering: 'key',
      retrySchedule: { preset: 'fast' },
      finalStatuses: [404],
    };
    const fields = { url, uid: 'controlled', paused: true, ...control };
    expect((await world.operate('POST', `/api/v1/app/${app}/endpoint`, fields)).status).toBe(201);
    await client.endpoint.upsert(app, 'controlled', { url, uid: 'controlled', description: 'x' });
    await client.endpoint.patch(app, 'controlled', { throttleRate: 5 });
    const shown = (await world.operate('GET', `/api/v1/app/${app}/endpoint/controlled`)).json();
    expect(shown).toMatchObject({ paused: true, description: 'x', throttleRate: 5, ...control });
  });

  it('patches what is named; null clears what may be empty', async () => {
    const made = await client.endpoint.create(app, {
      url,
      uid: 'patched',
      description: 'Before.',
      channels: ['blue'],
      throttleRate: 3,
      metadata: { a: '1' },
    });
    const patched = await client.endpoint.patch(app, made.id, { description: 'After.', disabled: true });
    expect(patched).toMatchObject({
      description: 'After.',
      disabled: true,
      uid: 'patched',
      channels: ['blue'],
      throttleRate: 3,
      metadata: { a: '1' },
    });
    const cleared = await client.endpoint.patch(app, made.id, {
      uid: null,
      channels: null,
      throttleRate: null,
      metadata: {},
    });
    expect([cleared.uid, cleared.channels, cleared.throttleRate].map((each) => each ?? null)).toEqual([
      null,
      null,
      null,
    ]);
    expect(cleared).toMatchObject({ url, description: 'After.', metadata: {} });
    expect((await client.endpoint.patch(app, made.id, { url: `${url}/2` })).url).toBe(`${url}/2`);
    const refused = client.endpoint.patch(app, made.id, { url: null as unknown as string });
    expect(await refusal(refused)).toMatchObject({ code: 422, body: { detail: [{ loc: ['body', 'url'] }] } });
  });

  it('deletes one, whose uid is free again', async () => {
    const made = await client.endpoint.create(app, { url, uid: 'gone' });
    await client.endpoint.delete(app, 'gone');
    for (const id of [made.id, 'gone']) {
      expect(await refusal(client.endpoint.get(app, id))).toMatchObject({
        code: 404,
        body: { code: 'not_found' },
      });
    }
    expect((await refusal(client.endpoint.delete(app, made.id))).code).toBe(404);
    expect((await client.endpoint.create(app, { url, uid: 'gone' })).id).not.toBe(made.id);
    expect((await client.endpoint.list(app)).data).toHaveLength(1);
  });

  it('lists all, newest first unless told otherwise, over several pages and both ways', async () => {
    const made: string[] = [];
    for (let index = 0; index < 7; index++) made.push((await client.endpoint.create(app, { url })).id);
    const limit = 3;
    const newestFirst = await bothWays(limit, (iterator) => client.endpoint.list(app, { limit, iterator }));
    expect(newestFirst.map(({ id }) => id)).toEqual(made.toReversed());
    const oldestFirst = await bothWays(limit, (iterator) =>
      client.endpoint.list(app, { limit, iterator, order: Ordering.Ascending }),
    );
    expect(oldestFirst.map(({ id }) => id)).toEqual(made);
    expect(oldestFirst[0]?.updatedAt).toBeInstanceOf(Date);
  });

  it('sets, patches and removes headers, and hides the values of those that are sensitive', async () => {
    const { id } = await client.endpoint.create(app, { url });
    expect(await client.endpoint.getHeaders(app, id)).toEqual({ headers: {}, sensitive: [] });
    await client.endpoint.setHeaders(app, id, {
      headers: { 'x-one': '1', 'x-two': '2', authorization: 'Bearer s' },
    });
    const one = await client.endpoint.getHeaders(app, id);
    expect(one.headers).toEqual({ 'x-one': '1', 'x-two': '2' });
    expect(one.sensitive.map((name) => name.toLowerCase())).toEqual(['authorization']);

    await client.endpoint.patchHeaders(app, id, {
      headers: { 'x-two': '22', 'x-three': '3' },
      deleteHeaders: ['x-one'],
    });
    expect((await client.endpoint.getHeaders(app, id)).headers).toEqual({ 'x-two': '22', 'x-three': '3' });
    await client.endpoint.patchHeaders(app, id, { headers: { 'x-two': null as unknown as string } });
    expect((await client.endpoint.getHeaders(app, id)).headers).toEqual({ 'x-three': '3' });
    await client.endpoint.setHeaders(app, id, { headers: {} });
    expect(await client.endpoint.getHeaders(app, id)).toEqual({ headers: {}, sensitive: [] });

    for (const [name, value] of [
      ['content-length', '1'],
      ['x-svix-me', '1'],
      ['a b', '1'],
      ['x-ok', 'a\nb'],
    ] as const) {
      const headers = { [name]: value };
      expect((await refusal(client.endpoint.setHeaders(app, id, { headers }))).code).toBe(422);
      expect((await refusal(client.endpoint.patchHeaders(app, id, { headers }))).code).toBe(422);
    }
    expect((await client.endpoint.getHeaders(app, id)).headers).toEqual({});
  });

  it('keeps a bounded number of secrets that were rotated out', async () => {
    const { id } = await client.endpoint.create(app, { url });
    const keys = new Set([(await client.endpoint.getSecret(app, id)).key]);
    for (let rotation = 0; rotation < 10; rotation++) {
      await client.endpoint.rotateSecret(app, id, {});
      keys.add((await client.endpoint.getSecret(app, id)).key);
    }
    expect(keys.size).toBe(11);
    expect(await refusal(client.endpoint.rotateSecret(app, id))).toMatchObject({
      code: 400,
      body: { code: 'limit_reached' },
    });
    expect((await refusal(client.endpoint.rotateSecret(app, id, { key: 'whsec_x' }))).code).toBe(422);
    expect((await refusal(client.endpoint.rotateSecret(app, id, { gracePeriodSeconds: 604_801 }))).code).toBe(
      422,
    );
  });

  it('throws its exception with status and body', async () => {
    await client.endpoint.create(app, { url, uid: 'taken' });
    expect(await refusal(client.endpoint.create(app, { url, uid: 'taken' }))).toEqual({
      code: 409,
      body: { code: 'conflict', detail: expect.any(String) },
    });
    expect((await refusal(client.endpoint.create('nobody', { url }))).body.code).toBe('not_found');
    expect(await refusal(client.endpoint.create(app, { url: 'ftp://example.com' }))).toMatchObject({
      code: 422,
      body: { detail: [{ loc: ['body', 'url'] }] },
    });
    expect(await refusal(client.endpoint.create(app, { url, uid: 'a b' }))).toMatchObject({
      code: 422,
      body: { detail: [{ loc: ['body', 'uid', '__all__'] }] },
    });
    expect((await refusal(client.endpoint.list(app, { iterator: 'ep_broken' }))).code).toBe(422);
    const twice = { idempotencyKey: 'one-endpoint' };
    const made = await client.endpoint.create(app, { url }, twice);
    expect(await client.endpoint.create(app, { url }, twice)).toEqual(made);
  });
});

describe('what one generation calls another way', () => {
  let world: World;
  let first: FirstSvix;
  let second: SecondSvix;
  beforeAll(async () => {
    world = await startWorld();
    first = new FirstSvix(world.operatorKey, { serverUrl: world.url });
    second = new SecondSvix(world.operatorKey, { serverUrl: world.url });
  });
  afterAll(() => world.close());

  it('filterTypes of svix 1.99.1 are the eventTypes of svix 2.5.0', async () => {
    const made = await first.endpoint.create('1', { url, filterTypes: ['ticket.created'] });
    expect(made.filterTypes).toEqual(['ticket.created']);
    expect((await second.endpoint.get('1', made.id)).eventTypes).toEqual(['ticket.created']);
    const other = await second.endpoint.create('1', {
      url,
      eventTypes: ['ticket.created', 'ticket.updated'],
    });
    expect((await first.endpoint.get('1', other.id)).filterTypes).toEqual([
      'ticket.created',
      'ticket.updated',
    ]);

    expect(
      (await first.endpoint.patch('1', other.id, { filterTypes: ['ticket.updated'] })).filterTypes,
    ).toEqual(['ticket.updated']);
    expect((await second.endpoint.patch('1', other.id, { eventTypes: null })).eventTypes).toBeNull();
    expect(
      (await first.endpoint.update('1', other.id, { url, filterTypes: ['ticket.created'] })).filterTypes,
    ).toEqual(['ticket.created']);
    expect((await second.endpoint.upsert('1', other.id, { url })).eventTypes).toBeNull();
    for (const call of [
      () => first.endpoint.create('1', { url, filterTypes: ['no.such'] }),
      () => second.endpoint.create('1', { url, eventTypes: ['no.such'] }),
    ]) {
      await expect(call()).rejects.toMatchObject({
        code: 422,
        body: { detail: [{ loc: ['body', 'eventTypes'] }] },
      });
    }
  });

  it('rateLimit and version are there for svix 1.99.1', async () => {
    const made = await first.endpoint.create('1', { url, rateLimit: 5, version: 3 });
    expect(made).toMatchObject({ rateLimit: 5, throttleRate: 5, version: 3 });
    expect((await second.endpoint.get('1', made.id)).throttleRate).toBe(5);
    expect((await first.endpoint.patch('1', made.id, { version: 4 })).version).toBe(4);
    const replaced = await first.endpoint.update('1', made.id, { url });
    expect([replaced.rateLimit ?? null, replaced.version]).toEqual([null, 1]);
    expect((await first.endpoint.patch('1', made.id, { rateLimit: 2 })).throttleRate).toBe(2);
  });

  it('headersUpdate and headersPatch are older names in svix 1.99.1', async () => {
    const { id } = await first.endpoint.create('1', { url });
    await first.endpoint.headersUpdate('1', id, { headers: { 'x-one': '1', 'x-two': '2' } });
    await first.endpoint.headersPatch('1', id, { headers: { 'x-two': '22' }, deleteHeaders: ['x-one'] });
    expect((await first.endpoint.getHeaders('1', id)).headers).toEqual({ 'x-two': '22' });
  });

  it('a secret is patched by svix 1.99.1', async () => {
    const { id } = await first.endpoint.create('1', { url });
    const secret = `whsec_${Buffer.alloc(32, 9).toString('base64')}`;
    await first.endpoint.patch('1', id, { secret });
    expect((await second.endpoint.getSecret('1', id)).key).toBe(secret);
  });
});
