import { Svix as FirstSvix } from 'svix';
import { AppPortalCapability } from 'svix2';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startWorld, type World } from '../../helpers/world.ts';
import { type Client, generations } from './clients.ts';

const url = 'http://127.0.0.1:1/';

describe.each(generations)('$name: authentication', ({ connect, refusal }) => {
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

  it('works when the address of the server ends with a slash', async () => {
    const slashed = connect(world.operatorKey, `${world.url}/`);
    expect((await slashed.application.get(app)).id).toBe(app);
    expect((await slashed.message.create(app, { eventType: 'a', payload: {} })).id).toMatch(/^msg_/);
  });

  it('gives an application a token for all that is its own, and nothing else', async () => {
    const access = await client.authentication.appPortalAccess(app);
    expect(access).toEqual({
      url: expect.stringContaining(world.url),
      token: expect.stringMatching(/^phk_/),
    });
    const own = connect(access.token, world.url);
    expect((await own.application.get(app)).id).toBe(app);
    const endpoint = await own.endpoint.create(app, { url });
    expect((await own.endpoint.getSecret(app, endpoint.id)).key).toMatch(/^whsec_/);
    expect((await own.message.list(app)).data).toEqual([]);
    expect(await refusal(own.application.get('1'))).toMatchObject({ code: 404, body: { code: 'not_found' } });
    expect((await refusal(own.endpoint.list('1'))).code).toBe(404);
    for (const call of [
      () => own.application.list(),
      () => own.application.create({ name: 'x' }),
      () => own.message.create(app, { eventType: 'a', payload: {} }),
      () => own.eventType.create({ name: 'a.b', description: 'x' }),
      () => own.authentication.appPortalAccess(app),
    ]) {
      expect(await refusal(call())).toMatchObject({ code: 403, body: { code: 'insufficient access' } });
    }
  });

  it('makes the application on the way', async () => {
    const application = { name: 'New', uid: 'made-with-access' };
    const { token } = await client.authentication.appPortalAccess('made-with-access', { application });
    expect((await connect(token, world.url).application.get('made-with-access')).name).toBe('New');
    expect((await refusal(client.authentication.appPortalAccess('nobody'))).code).toBe(404);
  });

  it('may be for reading only', async () => {
    const { id } = await client.endpoint.create(app, { url });
    const { token } = await client.authentication.appPortalAccess(app, { readOnly: true });
    const reader = connect(token, world.url);
    expect((await reader.endpoint.list(app)).data.map((each) => each.id)).toEqual([id]);
    expect((await reader.message.list(app)).data).toEqual([]);
    for (const call of [
      () => reader.endpoint.create(app, { url }),
      () => reader.endpoint.patch(app, id, { description: 'x' }),
      () => reader.endpoint.delete(app, id),
      () => reader.endpoint.getSecret(app, id),
      () => reader.endpoint.rotateSecret(app, id),
      () => reader.endpoint.setHeaders(app, id, { headers: {} }),
      () => reader.endpoint.recover(app, id, { since: new Date() }),
    ]) {
      expect(await refusal(call())).toMatchObject({ code: 403, body: { code: 'insufficient access' } });
    }
  });

  it('may have some capabilities only', async () => {
    const { id } = await client.endpoint.create(app, { url });
    const { token } = await client.authentication.appPortalAccess(app, {
      capabilities: [AppPortalCapability.ViewBase, AppPortalCapability.ManageEndpointSecret],
    });
    const keeper = connect(token, world.url);
    const before = await keeper.endpoint.getSecret(app, id);
    await keeper.endpoint.rotateSecret(app, id);
    expect(await keeper.endpoint.getSecret(app, id)).not.toEqual(before);
    expect((await keeper.endpoint.get(app, id)).id).toBe(id);
    expect((await refusal(keeper.endpoint.create(app, { url }))).code).toBe(403);
  });

  it('shows flagged event types to those who have the flag', async () => {
    await client.eventType.upsert('beta.thing', { description: 'x', featureFlags: ['beta'] });
    const seen = async (featureFlags: string[]) => {
      const { token } = await client.authentication.appPortalAccess(app, { featureFlags });
      const own = connect(token, world.url);
      const names = (await own.eventType.list({ limit: 250 })).data.map(({ name }) => name);
      expect(names).toContain('ticket.created');
      return { listed: names.includes('beta.thing'), own };
    };
    const without = await seen([]);
    expect(without.listed).toBe(false);
    expect((await refusal(without.own.eventType.get('beta.thing'))).code).toBe(404);
    const having = await seen(['alpha', 'beta']);
    expect(having.listed).toBe(true);
    expect((await having.own.eventType.get('beta.thing')).name).toBe('beta.thing');
  });

  it('expires, within bounds', async () => {
    const { token } = await client.authentication.appPortalAccess(app, {
      expiry: 3_600,
      sessionId: 'session-1',
    });
    expect((await connect(token, world.url).application.get(app)).id).toBe(app);
    const refused = client.authentication.appPortalAccess(app, { expiry: 604_801 });
    expect(await refusal(refused)).toMatchObject({
      code: 422,
      body: { detail: [{ loc: ['body', 'expiry'] }] },
    });
  });

  it('ends with a logout, which an operator cannot do', async () => {
    const { token } = await client.authentication.appPortalAccess(app);
    const kept = await client.authentication.appPortalAccess(app);
    const own = connect(token, world.url);
    await own.authentication.logout();
    expect(await refusal(own.application.get(app))).toMatchObject({
      code: 401,
      body: { code: 'authentication_failed' },
    });
    expect((await connect(kept.token, world.url).application.get(app)).id).toBe(app);
    expect((await refusal(client.authentication.logout())).code).toBe(403);
  });

  it('asks for a key, and knows only its own', async () => {
    for (const key of ['phk_unknown', 'x', '']) {
      expect(await refusal(connect(key, world.url).application.get(app))).toMatchObject({ code: 401 });
    }
  });

  it('says that it is well, to anybody', async () => {
    await client.health.get();
    await connect('phk_unknown', world.url).health.get();
  });
});

describe('dashboardAccess of svix 1.99.1', () => {
  it('gives a token, as appPortalAccess does', async () => {
    const world = await startWorld();
    const first = new FirstSvix(world.operatorKey, { serverUrl: world.url });
    const { url: page, token } = await first.authentication.dashboardAccess('1');
    expect(page).toContain(world.url);
    const own = new FirstSvix(token, { serverUrl: world.url });
    expect((await own.application.get('1')).id).toBe(world.company.application.id);
    await world.close();
  });
});
