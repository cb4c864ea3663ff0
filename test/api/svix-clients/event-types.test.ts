import { Svix as FirstSvix } from 'svix';
import { Svix as SecondSvix } from 'svix2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorld, type World } from '../../helpers/world.ts';
import { type Client, generations } from './clients.ts';
import { bothWays } from './pages.ts';

const schemas = {
  1: {
    type: 'object',
    required: ['id'],
    properties: { id: { type: 'string' } },
    examples: [{ id: 'inv_1' }],
  },
};

describe.each(generations)('$name: event types', ({ connect, refusal }) => {
  let world: World;
  let client: Client;
  beforeAll(async () => {
    world = await startWorld();
    client = connect(world.operatorKey, world.url);
  });
  afterAll(() => world.close());

  it('creates one, with the values that were left out', async () => {
    const made = await client.eventType.create({ name: 'invoice.paid', description: 'An invoice was paid.' });
    expect(made).toMatchObject({
      name: 'invoice.paid',
      description: 'An invoice was paid.',
      archived: false,
      deprecated: false,
    });
    expect(made.schemas ?? null).toBeNull();
    expect(made.groupName ?? null).toBeNull();
    expect(made.createdAt).toBeInstanceOf(Date);
    expect(made.updatedAt).toBeInstanceOf(Date);
    expect(await client.eventType.get('invoice.paid')).toEqual(made);
  });

  it('creates one with everything', async () => {
    const fields = {
      name: 'invoice.full',
      description: 'Everything.',
      deprecated: true,
      schemas,
      groupName: 'invoice',
      featureFlags: ['beta'],
    };
    expect(await client.eventType.create(fields)).toMatchObject(fields);
    expect(await client.eventType.get('invoice.full')).toMatchObject(fields);
  });

  it('upserts: replaces all of one, or creates it', async () => {
    const created = await client.eventType.upsert('invoice.upserted', {
      description: 'Made by PUT.',
      schemas,
    });
    expect(created).toMatchObject({ name: 'invoice.upserted', schemas });
    const replaced = await client.eventType.upsert('invoice.upserted', {
      description: 'Replaced.',
      deprecated: true,
    });
    expect(replaced).toMatchObject({ description: 'Replaced.', deprecated: true });
    expect(replaced.schemas ?? null).toBeNull();
    expect(replaced.createdAt).toEqual(created.createdAt);
  });

  it('patches what is named; null clears what may be empty', async () => {
    await client.eventType.create({
      name: 'invoice.patched',
      description: 'Before.',
      schemas,
      featureFlags: ['beta'],
      groupName: 'invoice',
    });
    const described = await client.eventType.patch('invoice.patched', { description: 'After.' });
    expect(described).toMatchObject({
      description: 'After.',
      schemas,
      featureFlags: ['beta'],
      groupName: 'invoice',
    });
    const cleared = await client.eventType.patch('invoice.patched', {
      schemas: null,
      featureFlags: null,
      groupName: null,
    });
    expect([cleared.schemas ?? null, cleared.featureFlags ?? null, cleared.groupName ?? null]).toEqual([
      null,
      null,
      null,
    ]);
    expect((await client.eventType.patch('invoice.patched', { archived: true })).archived).toBe(true);
    const refused = client.eventType.patch('invoice.patched', { description: null as unknown as string });
    expect((await refusal(refused)).code).toBe(422);
    expect((await refusal(client.eventType.patch('no.such', { description: 'x' }))).code).toBe(404);
  });

  it('archives one, which can be read still, and takes it back by creating it again', async () => {
    await client.eventType.create({ name: 'invoice.archived', description: 'First.' });
    await client.eventType.delete('invoice.archived');
    expect((await client.eventType.get('invoice.archived')).archived).toBe(true);
    const listed = async (includeArchived: boolean) =>
      (await client.eventType.list({ limit: 250, includeArchived })).data.map(({ name }) => name);
    expect(await listed(false)).not.toContain('invoice.archived');
    expect(await listed(true)).toContain('invoice.archived');
    const again = await client.eventType.create({ name: 'invoice.archived', description: 'Second.' });
    expect(again).toMatchObject({ archived: false, description: 'Second.' });
    expect(await listed(false)).toContain('invoice.archived');
  });

  it('expunges one', async () => {
    await client.eventType.create({ name: 'invoice.expunged', description: 'Soon gone.' });
    await client.eventType.delete('invoice.expunged', { expunge: true });
    expect(await refusal(client.eventType.get('invoice.expunged'))).toMatchObject({
      code: 404,
      body: { code: 'not_found' },
    });
  });

  it('lists by name, over several pages and both ways', async () => {
    const limit = 4;
    const all = await bothWays(limit, (iterator) => client.eventType.list({ limit, iterator }));
    const names = all.map(({ name }) => name);
    expect(names.length).toBeGreaterThanOrEqual(13);
    expect(names).toEqual(names.toSorted());
    expect(all.map((each) => each.schemas ?? null)).toEqual(all.map(() => null));
    const full = await bothWays(limit, (iterator) =>
      client.eventType.list({ limit, iterator, withContent: true }),
    );
    expect(full.map(({ name }) => name)).toEqual(names);
    expect(full.find(({ name }) => name === 'ticket.created')?.schemas).toMatchObject({
      1: { type: 'object' },
    });
  });

  it('throws its exception with status and body', async () => {
    expect(await refusal(client.eventType.create({ name: 'ticket.created', description: 'x' }))).toEqual({
      code: 409,
      body: { code: 'event_type_exists', detail: expect.any(String) },
    });
    const broken = { name: 'invoice.broken', description: 'x', schemas: { 1: { type: 'no such type' } } };
    expect((await refusal(client.eventType.create(broken))).code).toBe(422);
    expect(await refusal(client.eventType.create({ name: 'a b', description: 'x' }))).toMatchObject({
      code: 422,
      body: { detail: [{ loc: ['body', 'name', '__all__'] }] },
    });
    const twice = { idempotencyKey: 'one-event-type' };
    const made = await client.eventType.create({ name: 'invoice.once', description: 'x' }, twice);
    expect(await client.eventType.create({ name: 'invoice.once', description: 'x' }, twice)).toEqual(made);
  });
});

describe('the one feature flag of svix 1.99.1', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());

  it('is the first of the feature flags of svix 2.5.0', async () => {
    const first = new FirstSvix(world.operatorKey, { serverUrl: world.url });
    const second = new SecondSvix(world.operatorKey, { serverUrl: world.url });
    await first.eventType.create({ name: 'flagged.one', description: 'x', featureFlag: 'beta' });
    expect((await first.eventType.get('flagged.one')).featureFlag).toBe('beta');
    expect((await second.eventType.get('flagged.one')).featureFlags).toEqual(['beta']);

    await second.eventType.create({ name: 'flagged.two', description: 'x', featureFlags: ['beta', 'gamma'] });
    expect((await first.eventType.get('flagged.two')).featureFlag).toBe('beta');
    expect(
      (await first.eventType.patch('flagged.two', { featureFlag: null })).featureFlag ?? null,
    ).toBeNull();
    expect((await second.eventType.get('flagged.two')).featureFlags ?? null).toBeNull();
    const replaced = await first.eventType.update('flagged.two', { description: 'x', featureFlag: 'delta' });
    expect([replaced.featureFlag, replaced.featureFlags]).toEqual(['delta', ['delta']]);
  });
});
