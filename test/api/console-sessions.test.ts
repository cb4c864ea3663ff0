import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SESSION_LINK_MS, SESSION_MS } from '../../src/limits.ts';
import { systemClock } from '../../src/system/clock.ts';
import { testDatabase } from '../helpers/postgres.ts';
import { type Reply, startWorld, type World } from '../helpers/world.ts';

/** `/console/session`, and the operator API as it is called with the cookie from there. */

let world: World;
/** How far the server's clock is ahead. */
let ahead = 0;
beforeAll(async () => {
  world = await startWorld({ clock: { ...systemClock, now: () => systemClock.now() + ahead } });
});
afterAll(() => world.close());

const COOKIE = /^posthorn_session=(phs_[\w-]{32}); Path=\/console; Max-Age=(\d+); HttpOnly; SameSite=Strict$/;

/** What a browser sends along with a call of the console's own page. */
function headersOf(at: World, cookie?: string): Record<string, string> {
  return {
    origin: at.url,
    'sec-fetch-site': 'same-origin',
    'x-posthorn-console': '1',
    ...(cookie && { cookie: `other=1; posthorn_session=${cookie}` }),
  };
}

const signIn = (body: unknown, at = world) =>
  at.call('POST', '/console/session', { headers: headersOf(at), body });
const asBrowser = (cookie: string, method: string, path: string, body?: unknown, at = world) =>
  at.call(method, `/console${path}`, { headers: headersOf(at, cookie), body });
const whoIs = async (cookie: string, at = world) =>
  (await asBrowser(cookie, 'GET', '/session', undefined, at)).status;

function cookieOf(reply: Reply): string {
  expect([reply.status, reply.text]).toEqual([200, expect.any(String)]);
  const [, text = ''] = COOKIE.exec(String(reply.headers['set-cookie'])) ?? [];
  expect(text).not.toBe('');
  return text;
}

async function portal(ref: string, body: object = {}) {
  const answer = await world.operate('POST', `/api/v1/auth/app-portal-access/${ref}`, body);
  const { url, token } = answer.json() as { url: string; token: string };
  const [, code = ''] = /^http:\/\/127\.0\.0\.1:\d+\/console\/#code=(phc_[\w-]{32})$/.exec(url) ?? [];
  expect(code).not.toBe('');
  return { code, token };
}

describe('signing in with a key', () => {
  it('makes an operator of who has an operator key, for 12 hours', async () => {
    const answer = await signIn({ key: ` ${world.operatorKey}\n` });
    const cookie = cookieOf(answer);
    expect(answer.json()).toMatchObject({ role: 'operator', capabilities: null, application: null });
    const lasts = Date.parse(answer.json().expiresAt) - Date.now() - ahead;
    expect(lasts).toBeGreaterThan(SESSION_MS - 60_000);
    expect(lasts).toBeLessThanOrEqual(SESSION_MS);
    expect((await asBrowser(cookie, 'GET', '/session')).json()).toEqual(answer.json());
    expect((await asBrowser(cookie, 'GET', '/api/v1/app')).json().data).toEqual([
      expect.objectContaining({ number: 1 }),
    ]);
  });

  it('shows a company what is its own, and nothing else', async () => {
    const other = await world.addCompany('Other');
    const answer = await signIn({ key: world.company.token });
    const cookie = cookieOf(answer);
    const { id, number, name } = world.company.application;
    expect(answer.json()).toMatchObject({ role: 'company', application: { id, number, name, uid: null } });
    expect((await asBrowser(cookie, 'GET', `/api/v1/app/${id}/endpoint`)).status).toBe(200);
    expect((await asBrowser(cookie, 'GET', `/api/v1/app/${other.application.id}/endpoint`)).status).toBe(404);
    expect((await asBrowser(cookie, 'GET', `/figures/${other.application.id}`)).status).toBe(404);
    expect((await asBrowser(cookie, 'GET', '/api/v1/app')).status).toBe(403);
  });

  it.each([
    ['an unknown key', { key: 'phk_nobody_has_this_key_0123456789' }, 401],
    ['no key', { key: '  ' }, 401],
    ['an unknown code', { code: 'phc_nobody_has_this_code_012345678' }, 401],
    ['both', { key: 'a', code: 'b' }, 422],
    ['neither', {}, 422],
    ['a list', [], 422],
    ['a key that is too long', { key: 'a'.repeat(513) }, 422],
  ])('is refused for %s', async (_what, body, status) => {
    const answer = await signIn(body);
    expect([answer.status, answer.headers['set-cookie']]).toEqual([status, undefined]);
  });

  it('ends no later than the key', async () => {
    const made = await world.operate('POST', '/api/v1/key', { name: 'a', application: null, expiry: 600 });
    const cookie = cookieOf(await signIn({ key: made.json().key }));
    ahead += 600_001;
    expect(await whoIs(cookie)).toBe(401);
  });

  it('ends with the key', async () => {
    const made = (await world.operate('POST', '/api/v1/key', { name: 'a', application: 1 })).json();
    const cookie = cookieOf(await signIn({ key: made.key }));
    expect(await whoIs(cookie)).toBe(200);
    await world.operate('DELETE', `/api/v1/key/${made.id}`);
    expect(await whoIs(cookie)).toBe(401);
    expect((await asBrowser(cookie, 'GET', '/api/v1/app/1/endpoint')).status).toBe(401);
  });

  it('ends when its time is over', async () => {
    const cookie = cookieOf(await signIn({ key: world.company.token }));
    ahead += SESSION_MS - 1_000;
    expect(await whoIs(cookie)).toBe(200);
    ahead += 1_001;
    expect(await whoIs(cookie)).toBe(401);
  });
});

describe('a link from app-portal-access', () => {
  it('signs in one browser, once', async () => {
    const { code } = await portal('1');
    const answers = await Promise.all([signIn({ code }), signIn({ code }), signIn({ code })]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401]);
    expect((await signIn({ code })).status).toBe(401);
    const cookie = cookieOf(answers.find(({ status }) => status === 200) as Reply);
    expect((await asBrowser(cookie, 'GET', '/session')).json()).toMatchObject({
      role: 'company',
      application: { number: 1 },
    });
  });

  it('is good for an hour, and the session then for as long as its token', async () => {
    const late = await portal('1', { expiry: 7_200 });
    const { code } = await portal('1', { expiry: 7_200 });
    const cookie = cookieOf(await signIn({ code }));
    ahead += SESSION_LINK_MS + 1;
    expect((await signIn({ code: late.code })).status).toBe(401);
    expect(await whoIs(cookie)).toBe(200);
    ahead += 7_200_000 - SESSION_LINK_MS;
    expect(await whoIs(cookie)).toBe(401);
  });

  it('may only read when it was asked for so', async () => {
    const { code } = await portal('1', { readOnly: true });
    const answer = await signIn({ code });
    const cookie = cookieOf(answer);
    expect(answer.json().capabilities).toEqual(['ViewBase']);
    const url = 'https://example.com/hooks';
    const { id } = (await world.operate('POST', '/api/v1/app/1/endpoint', { url })).json();
    const hooks = '/api/v1/app/1/endpoint';
    expect((await asBrowser(cookie, 'GET', `${hooks}/${id}`)).status).toBe(200);
    expect((await asBrowser(cookie, 'GET', `/figures/1?endpoint=${id}`)).status).toBe(200);
    for (const [method, path, body] of [
      ['POST', hooks, { url }],
      ['PATCH', `${hooks}/${id}`, { disabled: true }],
      ['DELETE', `${hooks}/${id}`, undefined],
      ['GET', `${hooks}/${id}/secret`, undefined],
      ['POST', `${hooks}/${id}/secret/rotate`, {}],
      ['POST', '/api/v1/app/1/msg', { eventType: 'ticket.created', payload: {} }],
    ] as const) {
      expect([method, path, (await asBrowser(cookie, method, path, body)).status]).toEqual([
        method,
        path,
        403,
      ]);
    }
  });

  it('has nothing secret in what is logged, nor in an address that a server sees', async () => {
    const { code, token } = await portal('1');
    const cookie = cookieOf(await signIn({ code }));
    await asBrowser(cookie, 'GET', '/api/v1/app/1/endpoint');
    await asBrowser(cookie, 'GET', '/api/v1/app/%zz/endpoint');
    const log = world.logged.join('');
    for (const secret of [code, token, cookie]) expect(log).not.toContain(secret);
  });

  it('is no key: neither its code nor the cookie is one for the API', async () => {
    const { code } = await portal('1');
    expect((await world.call('GET', '/api/v1/app/1', { key: code })).status).toBe(401);
    const cookie = cookieOf(await signIn({ code }));
    expect((await world.call('GET', '/api/v1/app/1', { key: cookie })).status).toBe(401);
    const headers = headersOf(world, cookie);
    expect((await world.call('GET', '/api/v1/app/1', { headers })).status).toBe(401);
    const bearer = { ...headersOf(world), authorization: `Bearer ${world.operatorKey}` };
    expect((await world.call('GET', '/console/api/v1/app/1', { headers: bearer })).status).toBe(401);
  });
});

describe('signing out', () => {
  it('ends this browser and no other', async () => {
    const [one, other] = [
      cookieOf(await signIn({ key: world.company.token })),
      cookieOf(await signIn({ key: world.company.token })),
    ];
    const answer = await asBrowser(one, 'DELETE', '/session', { everywhere: false });
    expect([answer.status, answer.headers['set-cookie']]).toEqual([
      204,
      expect.stringMatching(/^posthorn_session=; Path=\/console; Max-Age=0; /),
    ]);
    expect([await whoIs(one), await whoIs(other)]).toEqual([401, 200]);
  });

  it('everywhere ends all browsers of the company and its links, and none of another', async () => {
    const other = await world.addCompany('Another');
    const theirs = cookieOf(await signIn({ key: other.token }));
    const operator = cookieOf(await signIn({ key: world.operatorKey }));
    const links = [await portal('1'), await portal('1')];
    const mine = [
      cookieOf(await signIn({ key: world.company.token })),
      cookieOf(await signIn({ code: (await portal('1')).code })),
      cookieOf(await signIn({ code: links[0]?.code })),
    ];
    expect((await asBrowser(mine[0] as string, 'DELETE', '/session', { everywhere: true })).status).toBe(204);
    for (const cookie of mine) expect(await whoIs(cookie)).toBe(401);
    expect((await signIn({ code: links[1]?.code })).status).toBe(401);
    expect([await whoIs(theirs), await whoIs(operator)]).toEqual([200, 200]);
  });

  it('everywhere ends all browsers with one operator key, and none with another', async () => {
    const made = (await world.operate('POST', '/api/v1/key', { name: 'b', application: null })).json();
    const [one, two] = [cookieOf(await signIn({ key: made.key })), cookieOf(await signIn({ key: made.key }))];
    const other = cookieOf(await signIn({ key: world.operatorKey }));
    await asBrowser(one, 'DELETE', '/session', { everywhere: true });
    expect([await whoIs(one), await whoIs(two), await whoIs(other)]).toEqual([401, 401, 200]);
  });
});

describe('another page than the console', () => {
  it.each([
    ['without the header', { 'x-posthorn-console': undefined }],
    ['from another origin', { origin: 'https://evil.example' }],
    ['from no origin', { origin: 'null' }],
    ['from another site', { 'sec-fetch-site': 'cross-site' }],
    ['from a sibling of its site', { 'sec-fetch-site': 'same-site' }],
  ])('can neither read nor write %s', async (_what, changed) => {
    const cookie = cookieOf(await signIn({ key: world.operatorKey }));
    const all: Record<string, string | undefined> = { ...headersOf(world, cookie), ...changed };
    const headers = Object.fromEntries(
      Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
    const get = await world.call('GET', '/console/api/v1/app', { headers });
    const post = await world.call('POST', '/console/api/v1/app', { headers, body: { name: 'A' } });
    const begin = await world.call('POST', '/console/session', { headers, body: { key: world.operatorKey } });
    expect([get.status, post.status, begin.status]).toEqual([403, 403, 403]);
    expect(begin.headers['set-cookie']).toBeUndefined();
  });

  it('cannot write without saying where it is from, and gets no leave by a preflight', async () => {
    const cookie = cookieOf(await signIn({ key: world.operatorKey }));
    const { origin: _, ...headers } = headersOf(world, cookie);
    expect((await world.call('GET', '/console/api/v1/app', { headers })).status).toBe(200);
    const body = { name: 'A' };
    expect((await world.call('POST', '/console/api/v1/app', { headers, body })).status).toBe(403);
    const preflight = await world.call('OPTIONS', '/console/session', {
      headers: { origin: 'https://evil.example', 'access-control-request-headers': 'x-posthorn-console' },
    });
    expect(preflight.headers['access-control-allow-headers']).toBeUndefined();
  });
});

it('is valid on every node of a database', async () => {
  const database = await testDatabase();
  const [one, other] = [
    await startWorld({ database: database.url }),
    await startWorld({ database: database.url }),
  ];
  try {
    const cookie = cookieOf(await signIn({ key: one.company.token }, one));
    expect(await whoIs(cookie, other)).toBe(200);
    const write = { name: 'Renamed' };
    expect((await asBrowser(cookie, 'PATCH', '/api/v1/app/1', write, other)).status).toBe(403);
    await asBrowser(cookie, 'DELETE', '/session', { everywhere: true }, other);
    expect(await whoIs(cookie, one)).toBe(401);
  } finally {
    await one.close();
    await other.close();
    await database.dispose();
  }
});
