import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/system/clock.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** `/api/v1/key`: the keys to the API, for operators. What each key may do is walked in scope.test.ts. */

const DAY_MS = 86_400_000;

let world: World;
/** How far the server's clock is ahead. */
let ahead = 0;
beforeAll(async () => {
  world = await startWorld({ clock: { ...systemClock, now: () => systemClock.now() + ahead } });
});
afterAll(() => world.close());

const post = (fields: object) =>
  world.operate('POST', '/api/v1/key', { name: 'CI', application: null, ...fields });
async function create(fields: Record<string, unknown> = {}) {
  const answer = await post(fields);
  expect([answer.status, answer.text]).toEqual([201, expect.any(String)]);
  return answer.json() as { id: string; key: string; expiresAt: string | null; lastUsedAt: string | null };
}
const get = (id: string) => world.operate('GET', `/api/v1/key/${id}`);
const revoke = (id: string) => world.operate('DELETE', `/api/v1/key/${id}`);
const rotate = (id: string, body?: unknown) => world.operate('POST', `/api/v1/key/${id}/rotate`, body);
const statusOf = async (key: string, path = '/api/v1/app/1') =>
  (await world.call('GET', path, { key })).status;

describe('a new key', () => {
  it('is for operators when its application is null, and works at once', async () => {
    const made = await create({ name: 'deploy' });
    expect(made).toEqual({
      id: expect.stringMatching(/^key_[0-9A-Za-z]{27}$/),
      key: expect.stringMatching(/^phk_[\w-]{32}$/),
      name: 'deploy',
      applicationId: null,
      capabilities: null,
      featureFlags: [],
      slot: null,
      createdAt: expect.any(String),
      expiresAt: null,
      lastUsedAt: null,
    });
    expect(await statusOf(made.key, '/api/v1/key')).toBe(200);
  });

  it.each(['id', 'uid', 'number'])('is for the application that is named by its %s', async (by) => {
    const name = `named-by-${by}`;
    const application = (await world.operate('POST', '/api/v1/app', { name, uid: name })).json();
    const made = await create({ application: application[by] });
    expect(made).toMatchObject({ applicationId: application.id });
    expect(await statusOf(made.key, `/api/v1/app/${name}`)).toBe(200);
    expect([await statusOf(made.key), await statusOf(made.key, '/api/v1/key')]).toEqual([404, 403]);
  });

  it('may do what its capabilities say, and always read', async () => {
    const limited = await create({ application: 1, capabilities: ['CreateAttempts', 'CreateAttempts'] });
    expect(limited).toMatchObject({ capabilities: ['ViewBase', 'CreateAttempts'] });
    const readOnly = await create({ application: 1, readOnly: true, capabilities: ['ManageEndpoint'] });
    expect(readOnly).toMatchObject({ capabilities: ['ViewBase'] });
    expect(await create({ application: 1, capabilities: [] })).toMatchObject({ capabilities: ['ViewBase'] });
    for (const { key } of [limited, readOnly]) expect(await statusOf(key)).toBe(200);
    const hook = { key: readOnly.key, body: { web_hook: { url: 'http://example.com' } } };
    const refused = await world.call('POST', '/web_hooks.json', hook);
    expect([refused.status, refused.json()]).toEqual([
      403,
      { errors: { auth_token: ['is limited: this call takes a token with ManageEndpoint'] } },
    ]);
  });

  it('is shown by the name that it was given', async () => {
    const { id } = await create({ name: 'Größe “1” 日本 🦊 \u00a0' });
    expect((await get(id)).json().name).toBe('Größe “1” 日本 🦊 \u00a0');
  });

  it('expires when it was asked to', async () => {
    const { key, expiresAt } = await create({ expiry: 60 });
    expect(Date.parse(String(expiresAt)) - systemClock.now()).toBeLessThanOrEqual(60_000);
    expect(await statusOf(key)).toBe(200);
    try {
      ahead = 60_000;
      expect(await statusOf(key)).toBe(401);
    } finally {
      ahead = 0;
    }
  });

  it.each([
    ['no name', { name: undefined }, ['body', '', '']],
    ['an empty name', { name: '' }, ['body', 'name']],
    ['a name that is too long', { name: 'x'.repeat(257) }, ['body', 'name']],
    ['a wrong capability', { application: '1', capabilities: ['All'] }, ['body', 'capabilities', 0]],
    ['less than a minute', { expiry: 59 }, ['body', 'expiry']],
    ['more than ten years', { expiry: 3650 * 86_400 + 1 }, ['body', 'expiry']],
    ['a wrong flag', { application: '1', featureFlags: ['a b'] }, ['body', 'featureFlags', 0]],
    ['an operator key that only reads', { readOnly: true }, ['body', 'readOnly']],
    ['an operator key that reads and more', { readOnly: false }, ['body', 'readOnly']],
    ['an operator key with capabilities', { capabilities: ['ViewBase'] }, ['body', 'capabilities']],
    ['an operator key with no capabilities', { capabilities: [] }, ['body', 'capabilities']],
    ['an operator key with flags', { featureFlags: ['a'] }, ['body', 'featureFlags']],
    ['an operator key with no flags', { featureFlags: [] }, ['body', 'featureFlags']],
    ['no word of the application', { application: undefined }, ['body', '', '']],
    ['a field of the answer', { applicationId: 'app_1' }, ['body', 'applicationId']],
    ['a line break', { name: 'a\nkey_1' }, ['body', 'name']],
    ['an escape sequence', { name: 'a\u001b[2J' }, ['body', 'name']],
    ['a C1 control character', { name: 'a\u009b2J' }, ['body', 'name']],
    ['DEL', { name: 'a\u007f' }, ['body', 'name']],
    ['text that turns around', { name: 'a\u202eb' }, ['body', 'name']],
    ['half of a surrogate pair', { name: 'a\ud800' }, ['body', 'name']],
  ])('is refused with 422 for %s', async (_what, fields, loc) => {
    const answer = await post(fields);
    expect([answer.status, answer.json().detail[0].loc]).toEqual([422, loc]);
  });

  it('is never one for operators because a name was misspelt', async () => {
    const answer = await post({ application: undefined, aplication: 'acme' });
    expect([answer.status, answer.json().detail]).toEqual([
      422,
      [
        { loc: ['body', '', ''], msg: 'missing field `application`', type: 'value_error.jsondecode' },
        { loc: ['body', 'aplication'], msg: 'is not a field of this call', type: 'value_error' },
      ],
    ]);
  });

  it('is refused with 404 for an application that is not there', async () => {
    const answer = await post({ application: 'nobody' });
    expect([answer.status, answer.json().code]).toEqual([404, 'not_found']);
  });
});

it('an operator key that has limits, however it came into the store, makes and changes nothing', async () => {
  const limited = await startWorld({
    store: (store) => ({
      ...store,
      keyFind: async (params) => {
        const key = await store.keyFind(params);
        return key?.name === 'limited' ? { ...key, capabilities: ['ViewBase'] } : key;
      },
    }),
  });
  const body = { name: 'limited', application: null };
  const { key } = (await limited.operate('POST', '/api/v1/key', body)).json();
  for (const [method, path] of [
    ['POST', '/api/v1/key'],
    ['GET', '/api/v1/key'],
    ['POST', '/api/v1/app'],
    ['POST', '/api/v1/app/1/msg'],
  ] as const) {
    const answer = await limited.call(method, path, { key, ...(method === 'POST' && { body }) });
    expect([path, answer.status, answer.json().code]).toEqual([path, 403, 'insufficient access']);
  }
  await limited.close();
});

describe('the list of keys', () => {
  it('is paged both ways, and shows neither text nor hash', async () => {
    const { application } = await world.addCompany('paged');
    const made = [];
    for (let count = 0; count < 4; count++) made.push(await create({ application: application.id }));
    const path = `/api/v1/key?limit=2&application=${application.id}`;
    const first = (await world.operate('GET', path)).json();
    const ids = (page: { data: { id: string }[] }) => page.data.map(({ id }) => id);
    // The company's own came first.
    expect([ids(first)[1], first.done]).toEqual([made[0]?.id, false]);
    const second = (await world.operate('GET', `${path}&iterator=${first.iterator}`)).json();
    expect([ids(second), second.done]).toEqual([[made[1]?.id, made[2]?.id], false]);
    const third = (await world.operate('GET', `${path}&iterator=${second.iterator}`)).json();
    expect([ids(third), third.done]).toEqual([[made[3]?.id], true]);
    const back = (await world.operate('GET', `${path}&iterator=${third.prevIterator}`)).json();
    expect(ids(back)).toEqual(ids(second));
    const all = await world.operate('GET', '/api/v1/key?limit=250');
    for (const { key } of made) expect(all.text).not.toContain(key);
    expect(all.text).not.toContain('hash');
    expect(ids(all.json())).toEqual([...ids(all.json())].sort());
    expect((await world.operate('GET', '/api/v1/key?application=nobody')).status).toBe(404);
    expect((await world.operate('GET', '/api/v1/key?iterator=app_1')).status).toBe(422);
  });

  it('says when a key was last used, also after a restart', async () => {
    const before = await startWorld();
    const { key, id } = (
      await before.operate('POST', '/api/v1/key', { name: 'used', application: null })
    ).json();
    const lastUsed = async (at: World) =>
      (await at.operate('GET', `/api/v1/key/${id}`)).json().lastUsedAt as string | null;
    expect(await lastUsed(before)).toBeNull();
    await before.call('GET', '/api/v1/app/1', { key });
    const usedAt = await lastUsed(before);
    expect(usedAt).not.toBeNull();
    await before.close({ keepFolder: true });
    const after = await startWorld({ folder: before.folder });
    expect(await lastUsed(after)).toBe(usedAt);
    await after.close();
  });
});

describe('revoking a key', () => {
  it('ends it at once and for good', async () => {
    const { id, key } = await create();
    expect(await statusOf(key)).toBe(200);
    const answer = await revoke(id);
    expect([answer.status, answer.text]).toEqual([204, '']);
    expect(await statusOf(key)).toBe(401);
    expect([(await revoke(id)).status, (await get(id)).status, (await rotate(id)).status]).toEqual([
      404, 404, 404,
    ]);
  });

  it('is refused with 409 for a key that a setting gives', async () => {
    const { data } = (await world.operate('GET', '/api/v1/key?limit=250')).json();
    const given = data.filter(({ slot }: { slot: string | null }) => slot !== null);
    expect(given.map(({ slot }: { slot: string }) => slot)).toEqual(['operator', 'company 1']);
    for (const { id } of given) {
      for (const answer of [await revoke(id), await rotate(id)]) {
        expect([answer.status, answer.json().code]).toEqual([409, 'conflict']);
        expect(answer.json().detail).toMatch(/setting POSTHORN_(OPERATOR_KEY|COMPANY_TOKEN)/);
      }
    }
  });
});

describe('rotating a key', () => {
  it('gives a new one of the same scope; the old one stays good for a day', async () => {
    const old = await create({ name: 'both', application: 1, capabilities: ['CreateAttempts'] });
    const answer = await rotate(old.id);
    expect(answer.status).toBe(200);
    const made = answer.json();
    expect(made).toMatchObject({
      name: 'both',
      capabilities: ['ViewBase', 'CreateAttempts'],
      expiresAt: null,
    });
    expect([made.id === old.id, made.key === old.key]).toEqual([false, false]);
    try {
      ahead = DAY_MS - 60_000;
      expect([await statusOf(old.key), await statusOf(made.key)]).toEqual([200, 200]);
      ahead = DAY_MS + 1_000;
      expect([await statusOf(old.key), await statusOf(made.key)]).toEqual([401, 200]);
      const again = await rotate(old.id);
      expect([again.status, again.json().detail]).toEqual([409, expect.stringContaining('expired')]);
    } finally {
      ahead = 0;
    }
  });

  it('ends the old one when it is asked to, at once or later', async () => {
    const [now, later] = [await create(), await create()];
    await rotate(now.id, { gracePeriodSeconds: 0 });
    await rotate(later.id, { gracePeriodSeconds: 604_800 });
    expect([await statusOf(now.key), await statusOf(later.key)]).toEqual([401, 200]);
    const { expiresAt } = (await get(later.id)).json();
    expect(Date.parse(expiresAt) - systemClock.now()).toBeGreaterThan(6.9 * DAY_MS);
  });

  it('is done once: the key that is in its place is rotated next', async () => {
    const old = await create();
    const next = (await rotate(old.id)).json();
    const again = await rotate(old.id);
    expect([again.status, again.json().detail]).toEqual([409, expect.stringContaining(next.id)]);
    expect([await statusOf(old.key), await statusOf(next.key)]).toEqual([200, 200]);
    expect((await rotate(next.id)).status).toBe(200);
    expect((await revoke(old.id)).status).toBe(204);
  });

  it('keeps the end, unless another one is asked for', async () => {
    const old = await create({ expiry: 3_600 });
    const same = (await rotate(old.id, { gracePeriodSeconds: 0 })).json();
    expect(same.expiresAt).toBe(old.expiresAt);
    const never = (await rotate(same.id, { expiry: null })).json();
    expect(never.expiresAt).toBeNull();
    const soon = (await rotate(never.id, { expiry: 60 })).json();
    expect(Date.parse(soon.expiresAt)).toBeLessThanOrEqual(systemClock.now() + 60_000);
  });

  it.each([
    [{ gracePeriodSeconds: -1 }, 'grace_period_seconds'],
    [{ gracePeriodSeconds: 604_801 }, 'grace_period_seconds'],
    [{ expiry: 1 }, 'expiry'],
    [{ gracePeriod: 0 }, 'gracePeriod'],
  ])('is refused with 422 for %j', async (body, field) => {
    const { id } = await create();
    const answer = await rotate(id, body);
    expect([answer.status, answer.json().detail[0].loc.slice(0, 2)]).toEqual([422, ['body', field]]);
  });
});

it('the keys of an application end with it', async () => {
  const { application, token } = await world.addCompany('deleted');
  expect(await statusOf(token, '/web_hooks.json')).toBe(200);
  expect((await world.operate('DELETE', `/api/v1/app/${application.id}`)).status).toBe(204);
  expect(await statusOf(token, '/web_hooks.json')).toBe(401);
  expect(await statusOf(token, `/api/v1/app/${application.id}`)).toBe(401);
});
