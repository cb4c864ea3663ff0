import { readdir, readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { StoreError } from '../../src/store/store.ts';
import { systemClock } from '../../src/system/clock.ts';
import { startWorld, type World } from '../helpers/world.ts';

describe('the idempotency key of a publish', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());

  const MSG = '/api/v1/app/1/msg';
  const send = (key: string, body: unknown, path = MSG) =>
    world.operate('POST', path, body, { 'idempotency-key': key });
  const body = { eventType: 'a.b', payload: { n: 1 }, channels: ['c'], tags: ['t'] };

  it('gives the first answer again, byte for byte', async () => {
    const text = '{"eventType":"a.b","payload":{"n": 1.0 , "n":2},"eventId":"e-1","channels":["c"]}';
    const first = await send('same', text);
    const second = await send('same', text);
    expect([second.status, second.text]).toEqual([202, first.text]);
    const third = await world.operate('POST', MSG, text, { 'IDEMPOTENCY-KEY': 'same' });
    expect(third.text).toBe(first.text);
  });

  it('gives a batch its first ids again', async () => {
    const batch = { messages: [body, { ...body, eventId: 'e-2' }] };
    const first = await send('batch', batch, `${MSG}/batch`);
    const second = await send('batch', batch, `${MSG}/batch`);
    expect([second.status, second.text]).toEqual([202, first.text]);
  });

  it('takes one of many equal calls at once', async () => {
    const company = await world.addCompany('concurrent');
    const path = `/api/v1/app/${company.application.number}/msg`;
    const answers = await Promise.all(Array.from({ length: 50 }, () => send('at-once', body, path)));
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(answers[0]?.status).toBe(202);
    expect((await world.operate('GET', path)).json().data).toHaveLength(1);
  });

  it('refuses another body with 409', async () => {
    await send('mismatch', body);
    const answer = await send('mismatch', { ...body, payload: { n: 2 } });
    expect([answer.status, answer.json().code]).toEqual([409, 'idempotency_mismatch']);
  });

  it('belongs to one call: another path, query or application is another call', async () => {
    const other = await world.addCompany('another');
    const ids = new Set<string>();
    for (const path of [MSG, `${MSG}?with_content=false`, `/api/v1/app/${other.application.number}/msg`]) {
      ids.add((await send('paths', body, path)).json().id);
    }
    expect(ids.size).toBe(3);
  });

  it('ends with the application: the next one of that uid gets a message of its own', async () => {
    const path = '/api/v1/app/reused';
    const application = { name: 'Reused', uid: 'reused' };
    const publish = async () => (await send('reused', { ...body, application }, `${path}/msg`)).json().id;
    const first = await publish();
    expect(await publish()).toBe(first);
    expect((await world.operate('DELETE', path)).status).toBe(204);
    const second = await publish();
    expect(second).not.toBe(first);
    expect((await world.operate('GET', `${path}/msg/${second}`)).status).toBe(200);
  });

  it('is looked at before an application is made', async () => {
    const application = { name: 'Unmade', uid: 'unmade' };
    expect((await send('with space', { ...body, application }, '/api/v1/app/unmade/msg')).status).toBe(422);
    expect((await world.operate('GET', '/api/v1/app/unmade')).status).toBe(404);
  });

  it('is not used up by a call that was refused', async () => {
    expect((await send('refused', { ...body, eventType: 'a b' })).status).toBe(422);
    expect((await send('refused', body)).status).toBe(202);
    await world.operate('POST', MSG, { ...body, eventId: 'taken' });
    expect((await send('conflict', { ...body, eventId: 'taken' })).status).toBe(409);
    expect((await send('conflict', { ...body, eventId: 'free' })).status).toBe(202);
  });

  it.each(['', ' ', 'with space', 'ü', 'x'.repeat(257)])(
    'must be 1 to 256 visible ASCII characters, not %.20j',
    async (key) => {
      const answer = await world.operate('POST', MSG, body, {
        'idempotency-key': Buffer.from(key).toString('latin1'),
      });
      expect(answer.status).toBe(422);
      expect(answer.json().detail[0].loc).toEqual(['header', 'idempotency-key']);
    },
  );

  it('outlives a restart', async () => {
    const before = await startWorld();
    const first = await before.operate('POST', MSG, body, { 'idempotency-key': 'restart' });
    await before.close({ keepFolder: true });
    const after = await startWorld({ folder: before.folder });
    const second = await after.operate('POST', MSG, body, { 'idempotency-key': 'restart' });
    expect(second.text).toBe(first.text);
    await after.close();
  });
});

it('of a publish that expired meanwhile, its first answer comes all the same', async () => {
  let aheadMs = 0;
  const world = await startWorld({ clock: { ...systemClock, now: () => systemClock.now() + aheadMs } });
  const expiresAt = new Date(Date.now() + 60_000).toISOString();
  const body = { eventType: 'a.b', payload: {}, expiresAt };
  const send = (key: string) => world.operate('POST', '/api/v1/app/1/msg', body, { 'idempotency-key': key });
  const first = await send('expiring');
  aheadMs = 3_600_000;
  const again = await send('expiring');
  expect([again.status, again.text]).toEqual([202, first.text]);
  const late = await send('late');
  expect([late.status, late.json().detail[0].loc]).toEqual([422, ['body', 'expiresAt']]);
  await world.close();
});

describe('the idempotency key of another POST', () => {
  let world: World;
  let appId: string;
  /** How often an application was inserted under each name, and what that waits for. */
  const inserted = new Map<string, number>();
  let insertWaits: Promise<void> = Promise.resolve();
  let keepingFails = false;
  beforeAll(async () => {
    world = await startWorld({
      store: (store) => ({
        ...store,
        applicationInsert: async (params) => {
          inserted.set(params.name, (inserted.get(params.name) ?? 0) + 1);
          await insertWaits;
          if (params.name === 'full') throw new StoreError('unavailable', 'The disk is full.');
          return store.applicationInsert(params);
        },
        answerInsert: async (params) => {
          if (keepingFails) throw new StoreError('unavailable', 'The disk is full.');
          return store.answerInsert(params);
        },
      }),
    });
    appId = (await world.operate('POST', '/api/v1/app', { name: 'Acme' })).json().id;
  });
  afterAll(() => world.close());

  const post = (path: string, body: unknown, key: string, as = world.operatorKey) =>
    world.call('POST', path, { key: as, body, headers: { 'idempotency-key': key } });
  const endpoint = { url: 'http://127.0.0.1:1/hooks' };
  const newEndpoint = async () =>
    (await world.operate('POST', `/api/v1/app/${appId}/endpoint`, endpoint)).json().id as string;
  const key = { name: 'a', application: null };
  const newKey = async () => (await world.operate('POST', '/api/v1/key', key)).json().id as string;

  it.each<
    [what: string, path: () => string | Promise<string>, body: unknown, other: unknown, status: number]
  >([
    ['an application', () => '/api/v1/app', { name: 'One' }, { name: 'Other' }, 201],
    [
      'an endpoint',
      () => `/api/v1/app/${appId}/endpoint`,
      endpoint,
      { ...endpoint, description: 'other' },
      201,
    ],
    [
      'an event type',
      () => '/api/v1/event-type',
      { name: 'made.once', description: '' },
      { name: 'made.otherwise', description: '' },
      201,
    ],
    ['a key', () => '/api/v1/key', key, { ...key, name: 'other' }, 201],
    ['a token', () => `/api/v1/auth/app-portal-access/${appId}`, {}, { readOnly: true }, 200],
    [
      'a rotation of a secret',
      async () => `/api/v1/app/${appId}/endpoint/${await newEndpoint()}/secret/rotate`,
      {},
      { gracePeriodSeconds: 1 },
      204,
    ],
    [
      'a rotation of a key',
      async () => `/api/v1/key/${await newKey()}/rotate`,
      {},
      { gracePeriodSeconds: 1 },
      200,
    ],
  ])('gives the first answer again, byte for byte, for %s', async (what, path, body, other, status) => {
    const at = await path();
    const first = await post(at, body, `same ${what}`.replaceAll(' ', '-'));
    expect([first.status, first.text]).toEqual([status, expect.any(String)]);
    const second = await post(at, body, `same ${what}`.replaceAll(' ', '-'));
    expect([second.status, second.text]).toEqual([status, first.text]);
    expect(second.headers['content-type']).toBe(first.headers['content-type']);
    const mismatch = await post(at, other, `same ${what}`.replaceAll(' ', '-'));
    expect([mismatch.status, mismatch.json().code]).toEqual([409, 'idempotency_mismatch']);
  });

  it('does the work once', async () => {
    for (let count = 0; count < 3; count++) await post('/api/v1/app', { name: 'once' }, 'once');
    expect(inserted.get('once')).toBe(1);
    const id = await newEndpoint();
    const secretPath = `/api/v1/app/${appId}/endpoint/${id}/secret`;
    await post(`${secretPath}/rotate`, {}, 'rotate-once');
    const secret = (await world.operate('GET', secretPath)).text;
    await post(`${secretPath}/rotate`, {}, 'rotate-once');
    expect((await world.operate('GET', secretPath)).text).toBe(secret);
  });

  it('does the work once for many equal calls at once, and all get its answer', async () => {
    let open = () => {};
    insertWaits = new Promise((resolve) => {
      open = resolve;
    });
    const body = { name: 'at-once' };
    const all = Promise.all(Array.from({ length: 20 }, () => post('/api/v1/app', body, 'at-once')));
    const other = post('/api/v1/app', { name: 'other' }, 'at-once');
    await vi.waitFor(() => expect(inserted.get('at-once')).toBe(1));
    open();
    const answers = await all;
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect([answers[0]?.status, inserted.get('at-once')]).toEqual([201, 1]);
    // One of the two bodies was first.
    expect((await other).status).toBe(409);
  });

  it('lets the next one try when the first was refused', async () => {
    const answers = await Promise.all([1, 2, 3].map(() => post('/api/v1/app', { name: 'full' }, 'full')));
    expect(answers.map(({ status }) => status)).toEqual([503, 503, 503]);
    expect(inserted.get('full')).toBe(3);
    expect((await post('/api/v1/app', { name: 'not full' }, 'full')).status).toBe(201);
    expect((await post('/api/v1/app', {}, 'invalid')).status).toBe(422);
    expect((await post('/api/v1/app', { name: 'valid' }, 'invalid')).status).toBe(201);
  });

  it('lets the next one try when the first went away', async () => {
    let open = () => {};
    insertWaits = new Promise((resolve) => {
      open = resolve;
    });
    const gone = new AbortController();
    const first = fetch(`${world.url}/api/v1/app`, {
      method: 'POST',
      headers: { authorization: `Bearer ${world.operatorKey}`, 'idempotency-key': 'gone' },
      body: JSON.stringify({ name: 'gone' }),
      signal: gone.signal,
    }).catch(() => null);
    await vi.waitFor(() => expect(inserted.get('gone')).toBe(1));
    const second = post('/api/v1/app', { name: 'gone' }, 'gone');
    gone.abort();
    await first;
    open();
    // Its work went on without it, and the second gets that.
    expect([(await second).status, inserted.get('gone')]).toEqual([201, 1]);
  });

  it('keeps nothing of calls that were not let in', async () => {
    const body = { name: 'let in' };
    expect((await post('/api/v1/app', body, 'let-in', 'phk_unknown')).status).toBe(401);
    expect((await post('/api/v1/app', body, 'let-in', world.company.token)).status).toBe(403);
    expect((await post('/api/v1/app', { name: 'otherwise' }, 'let-in')).status).toBe(201);
  });

  it('belongs to one key and one call', async () => {
    const operator = (await world.operate('POST', '/api/v1/key', key)).json().key as string;
    const ids = new Set<string>();
    for (const [path, key] of [
      ['/api/v1/app', world.operatorKey],
      ['/api/v1/app?get_if_exists=true', world.operatorKey],
      ['/api/v1/app', operator],
    ] as const) {
      ids.add((await post(path, { name: 'mine' }, 'mine', key)).json().id);
    }
    expect(ids.size).toBe(3);
  });

  it('ends with the application: the next one of that uid gets an endpoint of its own', async () => {
    const ids: string[] = [];
    for (let count = 0; count < 2; count++) {
      await world.operate('POST', '/api/v1/app', { name: 'Reused', uid: 'reused' });
      for (let call = 0; call < 2; call++) {
        ids.push((await post('/api/v1/app/reused/endpoint', endpoint, 'reused')).json().id);
      }
      await world.operate('DELETE', '/api/v1/app/reused');
    }
    expect([ids[0] === ids[1], ids[1] === ids[2], ids[2] === ids[3]]).toEqual([true, false, true]);
  });

  it('holds for a token also where the first call made the application', async () => {
    const path = '/api/v1/auth/app-portal-access/made-by-access';
    const body = { application: { name: 'A', uid: 'made-by-access' } };
    const first = await post(path, body, 'made-by-access');
    expect(first.status).toBe(200);
    expect((await post(path, body, 'made-by-access')).text).toBe(first.text);
  });

  it('answers with what was done also when the answer can not be kept', async () => {
    keepingFails = true;
    const answer = await post('/api/v1/app', { name: 'unkept' }, 'unkept');
    keepingFails = false;
    expect(answer.status).toBe(201);
    expect(world.logged.some((line) => line.includes('could not be kept'))).toBe(true);
  });

  it('must be visible ASCII, as for a publish', async () => {
    const answer = await post('/api/v1/app', { name: 'a' }, 'with space');
    expect([answer.status, answer.json().detail[0].loc]).toEqual([422, ['header', 'idempotency-key']]);
  });

  it('serves calls without a body', async () => {
    const path = '/api/v1/auth/dashboard-access/1';
    const headers = { 'idempotency-key': 'bodyless' };
    const first = await world.call('POST', path, { key: world.operatorKey, headers });
    const second = await world.call('POST', path, { key: world.operatorKey, headers });
    expect([second.status, second.text]).toEqual([200, first.text]);
  });

  it('outlives a restart, and what is kept is not readable', async () => {
    const before = await startWorld();
    const operate = (at: World) => at.operate('POST', '/api/v1/key', key, { 'idempotency-key': 'restart' });
    const first = await operate(before);
    await before.close({ keepFolder: true });
    const files = await Promise.all(
      (await readdir(before.folder)).map((name) => readFile(join(before.folder, name), 'latin1')),
    );
    expect(files.some((text) => text.includes(first.json().key))).toBe(false);
    const after = await startWorld({ folder: before.folder });
    expect((await operate(after)).text).toBe(first.text);
    await after.close();
  });
});

it('of a dry run that was broken off, nothing is kept of it', async () => {
  let goOn: () => void = () => {};
  let begun: () => void = () => {};
  const hasBegun = new Promise<void>((resolve) => {
    begun = resolve;
  });
  let steps = 0;
  const world = await startWorld({
    store: (store) => ({
      ...store,
      messageCount: async (params) => {
        const counted = await store.messageCount(params);
        if (++steps > 1) return counted;
        const held = new Promise<void>((resolve) => {
          goOn = resolve;
        });
        begun();
        await held;
        return { ...counted, scannedTo: params.from };
      },
    }),
  });
  const path = '/api/v1/app/1/endpoint';
  await world.operate('POST', path, { url: 'http://127.0.0.1:1/', uid: 'e', paused: true });
  await world.operate('POST', '/api/v1/app/1/msg', { eventType: 'a', payload: {} });
  const body = JSON.stringify({ since: new Date(Date.now() - 60_000).toISOString(), dryRun: true });
  const headers = { authorization: `Bearer ${world.operatorKey}`, 'idempotency-key': 'dry' };
  const broken = request(`${world.url}${path}/e/bulk-replay`, { method: 'POST', headers });
  broken.on('error', () => {});
  broken.end(body);
  await hasBegun;
  broken.destroy();
  // A round trip, after which the server knows that the first one is gone.
  await world.operate('GET', '/api/v1/app/1');
  goOn();
  const again = await world.operate('POST', `${path}/e/bulk-replay`, body, { 'idempotency-key': 'dry' });
  expect([again.status, again.json()]).toEqual([200, { count: 1, scanned: 1, complete: true }]);
  await world.close();
});
