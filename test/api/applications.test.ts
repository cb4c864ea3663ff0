import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Store } from '../../src/store/store.ts';
import { startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** Applications that change and go; what is read of new ones is in reading.test.ts. */

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

const get = (path: string) => world.operate('GET', `/api/v1${path}`);
const post = (path: string, body: unknown) => world.operate('POST', `/api/v1${path}`, body);
const put = (path: string, body: unknown) => world.operate('PUT', `/api/v1${path}`, body);
const patch = (path: string, body: unknown) => world.operate('PATCH', `/api/v1${path}`, body);
const remove = (path: string) => world.operate('DELETE', `/api/v1${path}`);

describe('a list of applications', () => {
  it('goes both ways in either order', async () => {
    const own = await startWorld();
    const ids: string[] = [(await own.operate('GET', '/api/v1/app/1')).json().id];
    for (const name of ['a', 'b', 'c', 'd'])
      ids.push((await own.operate('POST', '/api/v1/app', { name })).json().id);
    const page = async (query: string) => {
      const { data, iterator, prevIterator, done } = (
        await own.operate('GET', `/api/v1/app?${query}`)
      ).json();
      return { ids: data.map(({ id }: { id: string }) => id), iterator, prevIterator, done };
    };
    for (const order of ['ascending', 'descending']) {
      const all = order === 'ascending' ? ids : ids.toReversed();
      const query = `order=${order}&limit=2`;
      const first = await page(query);
      expect(first).toEqual({
        ids: all.slice(0, 2),
        iterator: all[1],
        prevIterator: `-${all[0]}`,
        done: false,
      });
      const second = await page(`${query}&iterator=${first.iterator}`);
      const third = await page(`${query}&iterator=${second.iterator}`);
      expect([second.ids, third.ids, second.done, third.done]).toEqual([
        all.slice(2, 4),
        all.slice(4),
        false,
        true,
      ]);
      const back = await page(`${query}&iterator=${third.prevIterator}`);
      const start = await page(`${query}&iterator=${back.prevIterator}`);
      expect([back.ids, back.done, start.ids, start.done]).toEqual([second.ids, false, first.ids, true]);
      const before = await page(`${query}&iterator=${first.prevIterator}`);
      expect(before).toEqual({ ids: [], iterator: null, prevIterator: undefined, done: true });
    }
    expect((await page('limit=250')).ids).toEqual(ids);
    await own.close();
  });

  it('refuses what is no order and no iterator of it', async () => {
    expect((await get('/app?order=sideways')).json().code).toBe('generic_error');
    for (const iterator of ['app_', 'ep_2nZK5wzbb7UWeTYsEaK6mSrEQhY', `app_${'z'.repeat(27)}`, '-', '--']) {
      const answer = await get(`/app?iterator=${iterator}`);
      expect([answer.status, answer.json().detail[0].loc]).toEqual([422, ['query', 'iterator']]);
    }
  });
});

describe('PUT', () => {
  it('replaces everything of the one that the path names', async () => {
    const made = (
      await post('/app', { name: 'Before', uid: 'put', throttleRate: 5, metadata: { a: 'b' } })
    ).json();
    const answer = await put('/app/put', { name: 'After', uid: 'put', rateLimit: 7 });
    expect(answer.status).toBe(200);
    expect(answer.json()).toEqual({
      ...made,
      name: 'After',
      throttleRate: 7,
      rateLimit: 7,
      metadata: {},
      updatedAt: expect.any(String),
    });
    expect((await get(`/app/${made.number}`)).json()).toEqual(answer.json());
    const cleared = (await put(`/app/${made.number}`, { name: 'After' })).json();
    expect([cleared.id, 'uid' in cleared, cleared.throttleRate]).toEqual([made.id, false, null]);
    expect((await get('/app/put')).status).toBe(404);
  });

  it('makes a new one where the path names none: with an id of its own, and the uid of the body', async () => {
    const id = 'app_2nZK5wzbb7UWeTYsEaK6mSrEQhY';
    const answer = await put(`/app/${id}`, { name: 'New', uid: 'put-new' });
    expect([answer.status, answer.json().uid]).toEqual([201, 'put-new']);
    expect(answer.json().id).not.toBe(id);
    expect((await get(`/app/${id}`)).status).toBe(404);
    const other = await put('/app/put-unknown', { name: 'Other', uid: 'put-other' });
    expect([other.status, other.json().uid]).toEqual([201, 'put-other']);
    expect((await get('/app/put-unknown')).status).toBe(404);
  });

  it('answers 409 to the uid of another, also where it would make a new one', async () => {
    await post('/app', { name: 'A', uid: 'put-a' });
    await post('/app', { name: 'B', uid: 'put-b' });
    for (const path of ['/app/put-b', '/app/put-nobody']) {
      const answer = await put(path, { name: 'B', uid: 'put-a' });
      expect([answer.status, answer.json().code]).toEqual([409, 'conflict']);
    }
    expect((await put('/app/put-b', { name: 'B', uid: '1' })).status).toBe(409);
    expect((await get('/app/put-b')).json().name).toBe('B');
  });

  it('makes one of a uid however many come at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_one, index) =>
        put('/app/put-at-once', { name: `${index}`, uid: 'put-at-once' }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array(19).fill(200), 201]);
    expect(new Set(answers.map((answer) => answer.json().id)).size).toBe(1);
    const made = await Promise.all(
      Array.from({ length: 10 }, () => post('/app?get_if_exists=true', { name: 'x', uid: 'get-at-once' })),
    );
    expect(made.map(({ status }) => status).sort()).toEqual([...Array(9).fill(200), 201]);
  });
});

describe('PATCH', () => {
  it('keeps what is absent, and clears by null what may be empty', async () => {
    const body = { name: 'Patch', uid: 'patch', throttleRate: 5, metadata: { a: 'b', c: 'd' } };
    const made = (await post('/app', body)).json();
    const changed = async (fields: object) =>
      (await patch(`/app/${made.id}`, { unknown: 1, ...fields })).json();
    expect(await changed({})).toEqual({ ...made, updatedAt: expect.any(String) });
    expect(await changed({ name: 'Patched' })).toMatchObject({ ...body, name: 'Patched' });
    expect((await changed({ metadata: { e: 'f' } })).metadata).toEqual({ e: 'f' });
    expect((await changed({ metadata: null })).metadata).toEqual({});
    expect((await changed({ rateLimit: 6 })).throttleRate).toBe(6);
    expect((await changed({ throttleRate: 7, rateLimit: 8 })).throttleRate).toBe(7);
    expect((await changed({ throttleRate: null, rateLimit: 8 })).throttleRate).toBeNull();
    await changed({ rateLimit: 9 });
    expect((await changed({ rateLimit: null })).throttleRate).toBeNull();
    expect('uid' in (await changed({ uid: null }))).toBe(false);
    expect((await get('/app/patch')).status).toBe(404);
    expect(await changed({})).toMatchObject({ name: 'Patched', metadata: {} });
  });

  it.each<[object, unknown[], string]>([
    [{ name: null }, ['body', 'name'], 'value_error.jsondecode'],
    [{ name: '' }, ['body', 'name'], 'value_error'],
    [{ uid: 'app_x' }, ['body', 'uid', '__all__'], 'value_error'],
    [{ throttleRate: 0 }, ['body', 'throttle_rate'], 'value_error'],
    [{ rateLimit: 65_536 }, ['body', 'rate_limit'], 'value_error'],
    [{ metadata: { 'a\nb': 1 } }, ['body', 'metadata', 'a\nb'], 'value_error.jsondecode'],
    [{ metadata: { a: 'ü'.repeat(2_100) } }, ['body', 'metadata'], 'value_error'],
    [[], ['body', '', ''], 'value_error.jsondecode'],
  ])('answers 422 to %j', async (body, loc, type) => {
    const answer = await patch('/app/1', body);
    expect([answer.status, answer.json().detail]).toEqual([422, [{ loc, msg: expect.any(String), type }]]);
  });

  it('answers 404 to an unknown one, and 409 to the uid of another', async () => {
    await post('/app', { name: 'A', uid: 'patch-a' });
    expect((await patch('/app/nobody', { name: 'x' })).json().code).toBe('not_found');
    const answer = await patch('/app/1', { uid: 'patch-a' });
    expect([answer.status, answer.json().code]).toEqual([409, 'conflict']);
  });

  it('gives a uid free for another at once', async () => {
    const first = (await post('/app', { name: 'First', uid: 'moves' })).json();
    // In memory, under that uid.
    expect((await post('/app/moves/msg', { eventType: 'a', payload: {} })).status).toBe(202);
    await patch('/app/moves', { uid: 'moved' });
    expect((await get('/app/moves')).status).toBe(404);
    expect((await post('/app/moves/msg', { eventType: 'a', payload: {} })).status).toBe(404);
    const second = (await post('/app', { name: 'Second', uid: 'moves' })).json();
    expect((await get('/app/moves')).json().id).toBe(second.id);
    expect((await get('/app/moved')).json().id).toBe(first.id);
  });
});

describe('DELETE', () => {
  it('takes everything of it along: endpoints, keys, number', async () => {
    const company = await world.addCompany('Gone', 'gone');
    const { number, id } = company.application;
    await world.hooks('POST', '/web_hooks.json', { web_hook: { url: 'http://127.0.0.1:1' } }, company);
    const message = (await post('/app/gone/msg', { eventType: 'a', payload: {} })).json();
    const answer = await remove('/app/gone');
    expect([answer.status, answer.text]).toEqual([204, '']);
    for (const ref of ['gone', id, number]) {
      expect((await get(`/app/${ref}`)).status).toBe(404);
      expect((await get(`/app/${ref}/endpoint`)).status).toBe(404);
      expect((await get(`/app/${ref}/msg/${message.id}`)).status).toBe(404);
      expect((await post(`/app/${ref}/msg`, { eventType: 'a', payload: {} })).status).toBe(404);
    }
    expect((await world.hooks('GET', '/web_hooks.json', undefined, company)).status).toBe(401);
    expect((await remove('/app/gone')).json().code).toBe('not_found');
    const again = (await post('/app', { name: 'Again', uid: 'gone' })).json();
    expect(again.number).toBeGreaterThan(number);
    expect((await get('/app/gone/endpoint')).json().data).toEqual([]);
  });

  it('cancels what waits for its endpoints', async () => {
    const refusing = await startReceiver((response) => response.writeHead(500).end());
    let store: Store | undefined;
    const own = await startWorld({
      retryScheduleMs: [60_000],
      store: (opened) => {
        store = opened;
        return opened;
      },
    });
    const { id } = (await own.operate('POST', '/api/v1/app', { name: 'a' })).json();
    for (const disabled of [false, true])
      await own.operate('POST', `/api/v1/app/${id}/endpoint`, { url: refusing.url, disabled });
    await own.operate('POST', `/api/v1/app/${id}/msg`, { eventType: 'a', payload: {} });
    await refusing.has(1);
    const open = () => store?.deliveryCountOpen({});
    await expect.poll(open).toEqual({ pending: 1, sending: 0, held: 1 });
    await own.operate('DELETE', `/api/v1/app/${id}`);
    await expect.poll(open).toEqual({ pending: 0, sending: 0, held: 0 });
    expect(refusing.received).toHaveLength(1);
    await own.close();
    await refusing.close();
  });

  it('and what comes for it at the same time never meet halfway', async () => {
    for (let round = 0; round < 10; round++) {
      const { id } = (await post('/app', { name: 'race' })).json();
      const answers = await Promise.all([
        ...Array.from({ length: 5 }, () => post(`/app/${id}/endpoint`, { url: 'http://127.0.0.1:1' })),
        remove(`/app/${id}`),
        ...Array.from({ length: 5 }, () => post(`/app/${id}/endpoint`, { url: 'http://127.0.0.1:1' })),
        patch(`/app/${id}`, { name: 'raced' }),
      ]);
      for (const { status } of answers) expect([200, 201, 204, 404]).toContain(status);
      expect((await get(`/app/${id}/endpoint`)).status).toBe(404);
    }
  });
});

describe('one world', () => {
  it('shows what one face makes in the other, with what only the other has', async () => {
    const made = (await post('/app', { name: 'World', uid: 'world' })).json();
    const { token } = (await post('/auth/app-portal-access/world', {})).json();
    const key = { key: token };
    const hook = (
      await world.call('POST', '/web_hooks.json', {
        ...key,
        body: { web_hook: { url: 'http://127.0.0.1:1' } },
      })
    ).json().web_hook;
    expect(hook.id).toMatch(new RegExp(`^${made.number}_`));
    expect((await get('/app/world/endpoint')).json().data).toMatchObject([{ webHookId: hook.id }]);
    await put('/app/world', { name: 'World' });
    expect((await world.call('GET', '/web_hooks.json', key)).json().web_hooks).toEqual([hook]);
  });
});
