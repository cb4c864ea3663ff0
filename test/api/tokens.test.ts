import { Svix } from 'svix';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/system/clock.ts';
import { startTestApp } from '../helpers/app.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** `POST /api/v1/auth/app-portal-access/{app}` and `POST /api/v1/auth/logout` */

const HOUR_MS = 3_600_000;

let world: World;
let companies = 0;
/** How far the server's clock is ahead. */
let ahead = 0;
beforeAll(async () => {
  world = await startWorld({ clock: { ...systemClock, now: () => systemClock.now() + ahead } });
});
afterAll(() => world.close());

const access = (ref: string, body: unknown = {}, key = world.operatorKey) =>
  world.call('POST', `/api/v1/auth/app-portal-access/${ref}`, { key, body });
const tokenOf = async (ref: string, body?: unknown): Promise<string> =>
  (await access(ref, body)).json().token;
const logout = (key: string) => world.call('POST', '/api/v1/auth/logout', { key });
const statusOf = async (token: string) => (await world.call('GET', '/web_hooks.json', { key: token })).status;

/** A company and its token, made as an operator makes them: by the API alone. */
async function company(uid: string) {
  const made = await world.operate('POST', '/api/v1/app', { name: uid, uid });
  expect(made.status).toBe(201);
  return { ...made.json(), token: await tokenOf(uid) } as { id: string; number: number; token: string };
}

const create = (token: string, url: string) =>
  world.call('POST', '/web_hooks.json', { key: token, body: { web_hook: { url } } });

describe('a token for an application', () => {
  it('is answered with an address that signs in to the console', async () => {
    const { id } = await company('shown');
    const answer = await access(id);
    expect([answer.status, answer.json()]).toEqual([
      200,
      {
        url: expect.stringMatching(new RegExp(`^${world.url}/console/#code=phc_[\\w-]{32}$`)),
        token: expect.stringMatching(/^phk_[\w-]{32}$/),
      },
    ]);
    expect((await access(id)).json().token).not.toBe(answer.json().token);
  });

  it('works at once for the Web Hooks API, in the address and as bearer', async () => {
    const { number, token } = await company('hooks');
    const made = await create(token, 'http://example.com/hooks');
    expect(made.status).toBe(201);
    const { web_hook: hook } = made.json();
    expect(hook.id).toMatch(new RegExp(`^${number}_\\d{14}$`));
    const list = await world.call('GET', `/web_hooks.json?auth_token=${token}`);
    expect(list.json()).toEqual({ web_hooks: [hook] });
  });

  it('reads what is its own in the operator API, and nothing else', async () => {
    const { id, token } = await company('reads');
    const other = await company('read-by-others');
    const get = (path: string) => world.call('GET', `/api/v1/app/${path}`, { key: token });
    expect((await get(id)).json().uid).toBe('reads');
    expect((await get(`${id}/endpoint`)).json().data).toEqual([]);
    expect((await get(`${id}/msg`)).json().data).toEqual([]);
    for (const path of [other.id, 'read-by-others', `${other.id}/endpoint`, `${other.id}/msg`, '1']) {
      expect([path, (await get(path)).status]).toEqual([path, 404]);
    }
    expect((await world.call('POST', '/api/v1/app', { key: token, body: { name: 'a' } })).status).toBe(403);
    expect((await access(id, {}, token)).status).toBe(403);
  });

  it("leaves another company's web hook unknown on every verb", async () => {
    const one = await company('one');
    const two = await company('two');
    const ids: Record<string, string> = {};
    for (const { token } of [one, two]) {
      ids[token] = (await create(token, 'http://example.com/same')).json().web_hook.id;
    }
    for (const [mine, theirs] of [
      [one, two],
      [two, one],
    ] as const) {
      const id = ids[theirs.token];
      const body = { web_hook: { url: 'http://example.com/taken' } };
      for (const [method, path] of [
        ['PUT', `/web_hook/${id}.json`],
        ['PUT', `/web_hooks/${id}.json`],
        ['DELETE', `/web_hooks/${id}.json`],
        ['GET', `/api/v1/app/${theirs.id}/endpoint/${id}`],
        ['GET', `/api/v1/app/${mine.id}/endpoint/${id}`],
        ['GET', `/api/v1/app/${mine.id}/endpoint/${id}/secret`],
      ] as const) {
        const call = { key: mine.token, ...(method === 'PUT' ? { body } : {}) };
        expect([method, path, (await world.call(method, path, call)).status]).toEqual([method, path, 404]);
      }
      const list = await world.call('GET', '/web_hooks.json', { key: theirs.token });
      expect(list.json()).toEqual({ web_hooks: [{ id, url: 'http://example.com/same' }] });
    }
  });

  it('makes the application when the body says how', async () => {
    const body = { application: { name: 'New', uid: 'made-by-access' } };
    const tokens = await Promise.all([1, 2, 3].map(() => tokenOf('made-by-access', body)));
    for (const token of tokens) expect(await statusOf(token)).toBe(200);
    expect((await access('nobody')).status).toBe(404);
    const wrong = await access('nobody', body);
    expect([wrong.status, wrong.json().detail[0].loc]).toEqual([422, ['body', 'application', 'uid']]);
  });

  it.each([
    ['no body', undefined, ['body', '', '']],
    ['a list', [], ['body', '', '']],
    ['less than an hour', { expiry: 3_599 }, ['body', 'expiry']],
    ['more than 7 days', { expiry: 604_801 }, ['body', 'expiry']],
    ['a text as expiry', { expiry: '3600' }, ['body', 'expiry']],
    ['a fraction', { expiry: 3_600.5 }, ['body', 'expiry']],
    ['a wrong capability', { capabilities: ['Everything'] }, ['body', 'capabilities', 0]],
    ['a session id that is too long', { sessionId: 'x'.repeat(257) }, ['body', 'sessionId']],
    ['a wrong flag', { featureFlags: ['a b'] }, ['body', 'featureFlags', 0]],
  ])('is refused with 422 for %s', async (_what, body, loc) => {
    const answer = await world.operate('POST', '/api/v1/auth/app-portal-access/1', body);
    expect([answer.status, answer.json().detail[0].loc]).toEqual([422, loc]);
  });

  it.each([
    ['readOnly', { readOnly: true }, 403],
    ['readOnly, whatever else it says', { readOnly: true, capabilities: ['ManageEndpoint'] }, 403],
    ['capabilities without that', { capabilities: ['ViewEndpointSecret', 'CreateAttempts'] }, 403],
    ['capabilities with that', { capabilities: ['ManageEndpoint'] }, 201],
    ['no limit', { readOnly: false, capabilities: null }, 201],
  ])('may change web hooks or not: %s', async (_what, body, status) => {
    const { id, token: _ } = await company(`limited-${++companies}`);
    const token = await tokenOf(id, body);
    expect(await statusOf(token)).toBe(200);
    expect((await create(token, 'http://example.com/limited')).status).toBe(status);
  });

  it('shows the event types of its flags, beside those that have none', async () => {
    await world.operate('POST', '/api/v1/event-type', {
      name: 'beta.only',
      description: 'For those who try it.',
      featureFlags: ['beta'],
    });
    const names = async (token: string) => {
      const { data } = (await world.call('GET', '/api/v1/event-type?limit=250', { key: token })).json();
      return data.map(({ name }: { name: string }) => name) as string[];
    };
    expect(await names(await tokenOf('1', { featureFlags: ['beta', 'other'] }))).toContain('beta.only');
    const plain = await names(await tokenOf('1'));
    expect([plain.includes('beta.only'), plain.includes('ticket.created')]).toEqual([false, true]);
  });

  it('is also made under the name that the call had before, without a body', async () => {
    const answer = await world.call('POST', '/api/v1/auth/dashboard-access/1', { key: world.operatorKey });
    expect([answer.status, answer.json()]).toEqual([
      200,
      { url: expect.stringContaining('/console/#code=phc_'), token: expect.any(String) },
    ]);
    expect(await statusOf(answer.json().token)).toBe(200);
    const other = await company('old-name');
    const path = '/api/v1/auth/dashboard-access';
    expect((await world.call('POST', `${path}/1`, { key: other.token })).status).toBe(403);
    expect((await world.operate('POST', `${path}/nobody`)).status).toBe(404);
  });

  it('is answered with an address that the caller can not choose', async () => {
    const headers = {
      host: 'evil.example',
      'x-forwarded-host': 'evil.example',
      forwarded: 'host=evil.example',
    };
    const answer = await world.operate('POST', '/api/v1/auth/app-portal-access/1', {}, headers);
    expect(answer.json().url.split('#')[0]).toBe(`${world.url}/console/`);
  });

  it.each([
    ['https://hooks.example.com/', 'https://hooks.example.com/console/'],
    ['https://example.com/hooks/', 'https://example.com/hooks/console/'],
  ])('is answered with the public address, where a setting says %s', async (publicUrl, address) => {
    const app = await startTestApp({ POSTHORN_PUBLIC_URL: publicUrl });
    const { body } = await app.operate('POST', '/api/v1/auth/app-portal-access/1', {});
    await app.dispose();
    expect(body.url.split('#')[0]).toBe(address);
  });

  it('takes what the official clients send', async () => {
    const svix = new Svix(world.operatorKey, { serverUrl: world.url });
    const { token } = await svix.authentication.appPortalAccess('1', {
      featureFlags: ['beta'],
      readOnly: false,
      capabilities: ['ViewBase' as never],
      sessionId: 's1',
      expiry: 3_600,
    });
    expect(await statusOf(token)).toBe(200);
    await new Svix(token, { serverUrl: world.url }).authentication.logout();
    expect(await statusOf(token)).toBe(401);
  });

  it('expires when it was asked to, after 7 days, or with null never', async () => {
    const hour = await tokenOf('1', { expiry: 3_600 });
    const week = await tokenOf('1');
    const never = await tokenOf('1', { expiry: null });
    const statuses = () => Promise.all([hour, week, never].map(statusOf));
    try {
      expect(await statuses()).toEqual([200, 200, 200]);
      ahead = HOUR_MS - 60_000;
      expect(await statuses()).toEqual([200, 200, 200]);
      ahead = HOUR_MS;
      expect(await statuses()).toEqual([401, 200, 200]);
      expect((await world.call('GET', '/api/v1/app/1', { key: hour })).status).toBe(401);
      expect((await logout(hour)).status).toBe(401);
      ahead = 7 * 24 * HOUR_MS - 60_000;
      expect(await statuses()).toEqual([401, 200, 200]);
      ahead = 7 * 24 * HOUR_MS;
      expect(await statuses()).toEqual([401, 401, 200]);
      ahead = 10_000 * 24 * HOUR_MS;
      expect(await statuses()).toEqual([401, 401, 200]);
    } finally {
      ahead = 0;
    }
  });
});

describe('logging out', () => {
  it('ends that key at once, and no other', async () => {
    const [one, other] = [await tokenOf('1'), await tokenOf('1')];
    expect(await statusOf(one)).toBe(200);
    const answer = await logout(one);
    expect([answer.status, answer.text]).toEqual([204, '']);
    expect(await statusOf(one)).toBe(401);
    expect((await world.call('GET', '/api/v1/app/1', { key: one })).status).toBe(401);
    expect((await logout(one)).status).toBe(401);
    expect(await statusOf(other)).toBe(200);
  });

  it('ends it for good also while it is in use', async () => {
    const token = await tokenOf('1');
    const calls = Array.from({ length: 20 }, () => statusOf(token));
    expect((await logout(token)).status).toBe(204);
    await Promise.all(calls);
    expect(await statusOf(token)).toBe(401);
  });

  it('is refused for a token that a setting gives: it would be back at the next start', async () => {
    const answer = await logout(world.company.token);
    expect([answer.status, answer.json()]).toEqual([
      409,
      { code: 'conflict', detail: expect.stringContaining('POSTHORN_COMPANY_TOKEN') },
    ]);
    expect(await statusOf(world.company.token)).toBe(200);
  });

  it('is no error when the same token comes twice at once', async () => {
    const token = await tokenOf('1');
    const answers = await Promise.all([logout(token), logout(token)]);
    // The second may find that there is no such key any more.
    expect(answers.map(({ status }) => status)).toEqual([204, expect.toBeOneOf([204, 401])]);
  });

  it('is not for an operator key, and asks for a key', async () => {
    const answer = await logout(world.operatorKey);
    expect([answer.status, answer.json().code]).toEqual([403, 'insufficient access']);
    expect((await world.operate('GET', '/api/v1/app/1')).status).toBe(200);
    expect((await world.call('POST', '/api/v1/auth/logout')).status).toBe(401);
  });
});
