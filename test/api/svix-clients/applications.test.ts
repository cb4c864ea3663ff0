import { Svix as FirstSvix } from 'svix';
import { Ordering, Svix as SecondSvix } from 'svix2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorld, type World } from '../../helpers/world.ts';
import { type Client, generations } from './clients.ts';
import { bothWays } from './pages.ts';

describe.each(generations)('$name: applications', ({ connect, refusal }) => {
  let world: World;
  let client: Client;
  beforeAll(async () => {
    world = await startWorld();
    client = connect(world.operatorKey, world.url);
  });
  afterAll(() => world.close());

  it('creates one, with the values that were left out', async () => {
    const before = new Date();
    const created = await client.application.create({ name: 'Acme' });
    expect(created).toMatchObject({ name: 'Acme', metadata: {}, id: expect.stringMatching(/^app_\w{27}$/) });
    expect(created.uid ?? null).toBeNull();
    expect(created.throttleRate ?? null).toBeNull();
    expect(created.createdAt).toBeInstanceOf(Date);
    expect(created.createdAt.getTime()).toBeGreaterThanOrEqual(before.getTime() - 1);
    expect(created.updatedAt).toEqual(created.createdAt);
  });

  it('creates one with everything, and finds it by id and by uid', async () => {
    const fields = { name: 'Full', uid: 'full', throttleRate: 10, metadata: { plan: 'gold' } };
    const created = await client.application.create(fields);
    expect(created).toMatchObject(fields);
    expect(await client.application.get(created.id)).toEqual(created);
    expect(await client.application.get('full')).toEqual(created);
  });

  it('gets or creates, and leaves what is there as it is', async () => {
    const made = await client.application.getOrCreate({ name: 'First', uid: 'once', metadata: { a: '1' } });
    expect(await client.application.getOrCreate({ name: 'Second', uid: 'once' })).toEqual(made);
  });

  it('upserts: replaces the whole of one, or creates one under a new id', async () => {
    const made = await client.application.create({
      name: 'Before',
      uid: 'upserted',
      throttleRate: 5,
      metadata: { a: '1' },
    });
    const replaced = await client.application.upsert('upserted', { name: 'After', uid: 'upserted-2' });
    expect(replaced).toMatchObject({ id: made.id, name: 'After', uid: 'upserted-2', metadata: {} });
    expect(replaced.throttleRate ?? null).toBeNull();
    expect(replaced.createdAt).toEqual(made.createdAt);
    expect(replaced.updatedAt.getTime()).toBeGreaterThanOrEqual(made.updatedAt.getTime());
    expect((await client.application.upsert(made.id, { name: 'After' })).uid ?? null).toBeNull();

    const created = await client.application.upsert('nobody-yet', { name: 'New', uid: 'its-own-uid' });
    expect(created).toMatchObject({ name: 'New', uid: 'its-own-uid', id: expect.stringMatching(/^app_/) });
    expect((await refusal(client.application.get('nobody-yet'))).code).toBe(404);
  });

  it('patches what is named; null clears what may be empty', async () => {
    const made = await client.application.create({
      name: 'Patch',
      uid: 'patched',
      throttleRate: 5,
      metadata: { a: '1' },
    });
    const renamed = await client.application.patch(made.id, { name: 'Patched' });
    expect(renamed).toMatchObject({ name: 'Patched', uid: 'patched', throttleRate: 5, metadata: { a: '1' } });
    const cleared = await client.application.patch(made.id, {
      uid: null,
      throttleRate: null,
      metadata: { b: '2' },
    });
    expect(cleared).toMatchObject({ name: 'Patched', metadata: { b: '2' } });
    expect([cleared.uid ?? null, cleared.throttleRate ?? null]).toEqual([null, null]);
    const refused = await refusal(client.application.patch(made.id, { name: null as unknown as string }));
    expect(refused).toMatchObject({ code: 422, body: { detail: [{ loc: ['body', 'name'] }] } });
    expect((await refusal(client.application.patch('nobody', { name: 'x' }))).body.code).toBe('not_found');
  });

  it('deletes one, whose uid is free again', async () => {
    const made = await client.application.create({ name: 'Gone', uid: 'gone' });
    await client.application.delete('gone');
    for (const id of [made.id, 'gone']) {
      expect(await refusal(client.application.get(id))).toMatchObject({
        code: 404,
        body: { code: 'not_found' },
      });
    }
    expect((await refusal(client.application.delete(made.id))).code).toBe(404);
    expect((await client.application.create({ name: 'Again', uid: 'gone' })).id).not.toBe(made.id);
  });

  it('lists all, over several pages and both ways', async () => {
    const names = Array.from({ length: 7 }, (_, index) => `Page ${index}`);
    for (const name of names) await client.application.create({ name });
    const limit = 3;
    const oldestFirst = await bothWays(limit, (iterator) => client.application.list({ limit, iterator }));
    expect(oldestFirst.slice(-7).map(({ name }) => name)).toEqual(names);
    expect(oldestFirst[0]?.createdAt).toBeInstanceOf(Date);
    const newestFirst = await bothWays(limit, (iterator) =>
      client.application.list({ limit, iterator, order: Ordering.Descending }),
    );
    expect(newestFirst).toEqual(oldestFirst.toReversed());
    expect((await client.application.list({ order: Ordering.Ascending })).data).toEqual(oldestFirst);
  });

  it('answers a call with the same idempotency key with the same application', async () => {
    const options = { idempotencyKey: 'create-it-once' };
    const made = await client.application.create({ name: 'Idempotent' }, options);
    expect(await client.application.create({ name: 'Idempotent' }, options)).toEqual(made);
    expect(await refusal(client.application.create({ name: 'Another' }, options))).toMatchObject({
      code: 409,
      body: { code: 'idempotency_mismatch', detail: expect.any(String) },
    });
    expect((await client.application.create({ name: 'Idempotent' })).id).not.toBe(made.id);
  });

  it('throws its exception with status and body', async () => {
    expect(await refusal(client.application.get('nobody'))).toEqual({
      code: 404,
      body: { code: 'not_found', detail: expect.any(String) },
    });
    await client.application.create({ name: 'Taken', uid: 'taken' });
    expect(await refusal(client.application.create({ name: 'Taken', uid: 'taken' }))).toEqual({
      code: 409,
      body: { code: 'conflict', detail: expect.any(String) },
    });
    expect(await refusal(client.application.create({ name: '', uid: 'app_x' }))).toMatchObject({
      code: 422,
      body: {
        detail: expect.arrayContaining([
          { loc: ['body', 'uid', '__all__'], msg: expect.any(String), type: 'value_error' },
        ]),
      },
    });
    expect(await refusal(client.application.list({ limit: 251 }))).toMatchObject({
      code: 422,
      body: { detail: [{ loc: ['query', 'limit', 'limit'] }] },
    });
    const stranger = connect('phk_nobody', world.url);
    expect(await refusal(stranger.application.list())).toMatchObject({
      code: 401,
      body: { code: 'authentication_failed' },
    });
  });
});

describe('the legacy rateLimit of an application', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());

  it('is written and read by svix 1.99.1, and is the throttleRate of svix 2.5.0', async () => {
    const first = new FirstSvix(world.operatorKey, { serverUrl: world.url });
    const second = new SecondSvix(world.operatorKey, { serverUrl: world.url });
    const made = await first.application.create({ name: 'Legacy', rateLimit: 7 });
    expect(made).toMatchObject({ rateLimit: 7, throttleRate: 7 });
    expect((await second.application.get(made.id)).throttleRate).toBe(7);
    expect(
      (await first.application.update(made.id, { name: 'Legacy', rateLimit: 7, throttleRate: 9 })).rateLimit,
    ).toBe(9);
    expect(await first.application.patch(made.id, { rateLimit: 3 })).toMatchObject({
      rateLimit: 3,
      throttleRate: 3,
    });
    const cleared = await first.application.patch(made.id, { rateLimit: null });
    expect(cleared.rateLimit ?? null).toBeNull();
  });
});
