import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Receiver, startReceiver } from '../helpers/receiver.ts';
import { type Company, startWorld, type World } from '../helpers/world.ts';

/** Endpoints that change and go; what is read of new ones is in reading.test.ts. */

let world: World;
let company: Company;
let path: string;
beforeAll(async () => {
  world = await startWorld();
});
beforeEach(async () => {
  company = await world.addCompany('endpoints');
  path = `/api/v1/app/${company.application.number}/endpoint`;
});
afterAll(() => world.close());

const url = 'http://127.0.0.1:1/';
const full = {
  url,
  uid: 'full',
  description: 'Full',
  disabled: true,
  eventTypes: ['ticket.created', 'ticket.updated'],
  channels: ['one', 'two'],
  throttleRate: 9,
  version: 3,
  metadata: { a: 'b' },
};
const create = async (body: object = full) => {
  const answer = await world.operate('POST', path, body);
  expect(answer.status).toBe(201);
  return answer.json();
};
const call = (method: string, ref: string, body?: unknown) => world.operate(method, `${path}/${ref}`, body);
const secretOf = async (ref: string) => (await call('GET', `${ref}/secret`)).json().key;
const publish = (body: object = {}) =>
  world.operate('POST', `/api/v1/app/${company.application.number}/msg`, {
    eventType: 'ticket.created',
    payload: {},
    ...body,
  });

describe('a uid', () => {
  it('can not be the web hook id of another endpoint: both would be found by it', async () => {
    const [one, other] = [await create({ url }), await create({ url })];
    const uid = one.webHookId;
    const answers = [
      await world.operate('POST', path, { url, uid }),
      await call('PUT', other.id, { url, uid }),
      await call('PATCH', other.id, { uid }),
    ];
    for (const answer of answers) expect([answer.status, answer.json().code]).toEqual([409, 'conflict']);
    expect((await call('GET', uid)).json().id).toBe(one.id);
    expect((await call('PATCH', one.id, { uid })).json()).toMatchObject({ id: one.id, uid });
    expect((await call('GET', uid)).json().id).toBe(one.id);
  });
});

describe('PUT', () => {
  it('replaces everything but the secret, the headers and what names it', async () => {
    const made = await create({ ...full, headers: { 'x-one': '1' } });
    const secret = await secretOf('full');
    const answer = await call('PUT', 'full', { url: 'http://127.0.0.1:2/', secret: 'ignored', headers: 5 });
    expect(answer.status).toBe(200);
    expect(answer.json()).toEqual({
      ...made,
      url: 'http://127.0.0.1:2/',
      uid: null,
      description: '',
      disabled: false,
      disabledReason: null,
      disabledAt: null,
      eventTypes: null,
      filterTypes: null,
      channels: null,
      throttleRate: null,
      rateLimit: null,
      version: 1,
      metadata: {},
      updatedAt: expect.any(String),
    });
    expect((await call('GET', made.id)).json()).toEqual(answer.json());
    expect(await secretOf(made.id)).toBe(secret);
    expect((await call('GET', `${made.id}/headers`)).json().headers).toEqual({ 'x-one': '1' });
    expect((await call('GET', 'full')).status).toBe(404);
    expect((await call('PUT', made.webHookId, full)).json()).toMatchObject({ ...full, id: made.id });
  });

  it('makes a new one where the path names none', async () => {
    const id = 'ep_2nZK5wzbb7UWeTYsEaK6mSrEQhY';
    const answer = await call('PUT', id, { url, uid: 'put' });
    expect([answer.status, answer.json().uid]).toEqual([201, 'put']);
    expect(answer.json().id).not.toBe(id);
    expect((await call('GET', 'put')).json()).toEqual(answer.json());
    expect(await secretOf('put')).toMatch(/^whsec_/);
    const taken = await call('PUT', 'unknown', { url, uid: 'put' });
    expect([taken.status, taken.json().code]).toEqual([409, 'conflict']);
  });
});

describe('PATCH', () => {
  it('keeps what is absent, and clears by null what may be empty', async () => {
    const made = await create();
    const changed = async (fields: object) => (await call('PATCH', made.id, fields)).json();
    expect(await changed({})).toEqual({ ...made, updatedAt: expect.any(String) });
    expect(await changed({ description: 'x', disabled: false, version: 4 })).toMatchObject({
      ...full,
      description: 'x',
      disabled: false,
      version: 4,
    });
    expect((await changed({ metadata: null })).metadata).toEqual({});
    const cleared = await changed({ uid: null, eventTypes: null, channels: null, throttleRate: null });
    expect(cleared).toMatchObject({
      url,
      uid: null,
      eventTypes: null,
      filterTypes: null,
      channels: null,
      throttleRate: null,
      rateLimit: null,
    });
    expect((await call('GET', 'full')).status).toBe(404);
  });

  it('takes the names of both generations of clients, of which the newer wins, also as null', async () => {
    const { id } = await create({ url, filterTypes: ['ticket.created'], rateLimit: 4 });
    const changed = async (fields: object) => (await call('PATCH', id, fields)).json();
    expect(await changed({})).toMatchObject({ eventTypes: ['ticket.created'], throttleRate: 4 });
    expect(await changed({ filterTypes: ['ticket.updated'], rateLimit: 5 })).toMatchObject({
      eventTypes: ['ticket.updated'],
      filterTypes: ['ticket.updated'],
      throttleRate: 5,
      rateLimit: 5,
    });
    expect(
      await changed({ eventTypes: null, filterTypes: ['ticket.created'], throttleRate: null, rateLimit: 6 }),
    ).toMatchObject({ eventTypes: null, throttleRate: null });
    await changed({ filterTypes: ['ticket.created'], rateLimit: 7 });
    expect(await changed({ filterTypes: null, rateLimit: null })).toMatchObject({
      eventTypes: null,
      throttleRate: null,
    });
  });

  it('puts a secret in the place of the current one', async () => {
    const { id } = await create({ url });
    const secret = `whsec_${Buffer.alloc(24, 3).toString('base64')}`;
    expect((await call('PATCH', id, { secret })).status).toBe(200);
    expect(await secretOf(id)).toBe(secret);
  });

  it.each<[object, unknown[], string]>([
    [{ url: null }, ['body', 'url'], 'value_error.jsondecode'],
    [{ url: 'ftp://a.b' }, ['body', 'url'], 'value_error'],
    [{ url: 'http://10.0.0.1' }, ['body', 'url'], 'value_error'],
    [{ description: null }, ['body', 'description'], 'value_error.jsondecode'],
    [{ description: 'a\u0007' }, ['body', 'description'], 'value_error'],
    [{ disabled: null }, ['body', 'disabled'], 'value_error.jsondecode'],
    [{ version: null }, ['body', 'version'], 'value_error.jsondecode'],
    [{ version: 0 }, ['body', 'version'], 'value_error'],
    [{ secret: null }, ['body', 'secret'], 'value_error.jsondecode'],
    [{ secret: 'short' }, ['body', 'key', '__all__'], 'value_error'],
    [{ uid: 'ep_x' }, ['body', 'uid', '__all__'], 'value_error'],
    [{ eventTypes: [] }, ['body', 'eventTypes'], 'value_error'],
    [{ eventTypes: ['no.such'] }, ['body', 'eventTypes'], 'value_error'],
    [{ filterTypes: ['no.such'] }, ['body', 'eventTypes'], 'value_error'],
    [{ channels: [] }, ['body', 'channels', '__all__'], 'value_error'],
    [{ throttleRate: 0 }, ['body', 'throttle_rate'], 'value_error'],
    [{ metadata: { a: null } }, ['body', 'metadata', 'a'], 'value_error.jsondecode'],
  ])('answers 422 to %j, and changes nothing', async (body, loc, type) => {
    const made = await create();
    const answer = await call('PATCH', made.id, { description: 'changed', ...body });
    expect([answer.status, answer.json().detail]).toEqual([422, [{ loc, msg: expect.any(String), type }]]);
    expect((await call('GET', made.id)).json()).toEqual(made);
  });

  it('answers 404 to an unknown one, and 409 to the uid of another', async () => {
    await create();
    const other = await create({ url });
    expect((await call('PATCH', 'unknown', {})).json().code).toBe('not_found');
    const answer = await call('PATCH', other.id, { uid: 'full' });
    expect([answer.status, answer.json().code]).toEqual([409, 'conflict']);
    expect((await call('PATCH', 'full', { uid: 'full' })).status).toBe(200);
  });

  it('loses no change of many at once', async () => {
    const { id } = await create({ url });
    const fields = [
      { description: 'changed' },
      { throttleRate: 77 },
      { metadata: { a: 'b' } },
      { channels: ['c'] },
      { uid: 'changed' },
      { version: 9 },
    ];
    await Promise.all(fields.map((each) => call('PATCH', id, each)));
    expect((await call('GET', id)).json()).toMatchObject(Object.assign({}, ...fields));
  });

  it('gives a uid free for another at once', async () => {
    const first = await create({ url, uid: 'moves' });
    await call('PATCH', 'moves', { uid: 'moved' });
    expect((await call('GET', 'moves')).status).toBe(404);
    const second = await create({ url, uid: 'moves' });
    expect((await call('GET', 'moves')).json().id).toBe(second.id);
    expect((await call('GET', 'moved')).json().id).toBe(first.id);
  });
});

describe('DELETE', () => {
  it('takes it away from both faces; its uid is free again', async () => {
    const made = await create({ url, uid: 'gone' });
    const answer = await call('DELETE', 'gone');
    expect([answer.status, answer.text]).toEqual([204, '']);
    for (const ref of [made.id, 'gone', made.webHookId]) {
      for (const [method, more, body] of [
        ['GET', '', undefined],
        ['GET', '/secret', undefined],
        ['GET', '/headers', undefined],
        ['PATCH', '', {}],
        ['DELETE', '', undefined],
        ['PUT', '/headers', { headers: {} }],
        ['POST', '/secret/rotate', {}],
      ] as const) {
        expect((await call(method, `${ref}${more}`, body)).status).toBe(404);
      }
    }
    const { web_hooks: hooks } = (await world.hooks('GET', '/web_hooks.json', undefined, company)).json();
    expect(hooks).toEqual([]);
    expect((await create({ url, uid: 'gone' })).id).not.toBe(made.id);
  });
});

describe('a change', () => {
  let receiver: Receiver;
  beforeEach(async () => {
    receiver = await startReceiver();
  });
  afterEach(() => receiver.close());

  it('holds for the next publish', async () => {
    const { id } = await create({ url: `${receiver.url}/one` });
    const arrives = async (expected: string) => {
      const count = receiver.received.length + 1;
      await publish();
      await receiver.has(count);
      expect(receiver.received.at(-1)?.path).toBe(expected);
    };
    await arrives('/one');
    await call('PATCH', id, { url: `${receiver.url}/two` });
    await arrives('/two');
    await call('PUT', id, { url: `${receiver.url}/three` });
    await arrives('/three');
    await call('PATCH', id, { eventTypes: ['ticket.updated'] });
    expect(await statesOf((await publish()).json().id)).toEqual([]);
    await call('PATCH', id, { eventTypes: null, channels: ['c'] });
    expect(await statesOf((await publish()).json().id)).toEqual([]);
    await call('PATCH', id, { channels: null, disabled: true });
    expect(await statesOf((await publish()).json().id)).toEqual(['held']);
    await call('PATCH', id, { disabled: false });
    await arrives('/three');
    await call('DELETE', id);
    expect(await statesOf((await publish()).json().id)).toEqual([]);
  });

  async function statesOf(messageId: string): Promise<string[]> {
    const answer = await world.operate(
      'GET',
      `/api/v1/app/${company.application.number}/msg/${messageId}/endpoint`,
    );
    return answer.json().data.map(({ state }: { state: string }) => state);
  }

  it('through one face is one in the other, and leaves what that does not know', async () => {
    const made = await create({
      ...full,
      url: `${receiver.url}/made`,
      disabled: false,
      headers: { 'x-a': 'b' },
    });
    const secret = await secretOf(made.id);
    const hook = `/web_hooks/${made.webHookId}.json`;
    const moved = { web_hook: { url: `${receiver.url}/moved` } };
    expect((await world.hooks('PUT', hook, moved, company)).json()).toEqual({
      web_hook: { id: made.webHookId, ...moved.web_hook },
    });
    expect((await call('GET', made.id)).json()).toEqual({
      ...made,
      url: `${receiver.url}/moved`,
      updatedAt: expect.any(String),
    });
    expect([await secretOf(made.id), (await call('GET', `${made.id}/headers`)).json().headers]).toEqual([
      secret,
      { 'x-a': 'b' },
    ]);
    await publish({ channels: ['one'] });
    await receiver.has(1);
    expect(receiver.received[0]).toMatchObject({ path: '/moved', headers: { 'x-a': 'b' } });
    await call('PATCH', made.id, { url: `${receiver.url}/back` });
    expect((await world.hooks('GET', '/web_hooks.json', undefined, company)).json().web_hooks).toEqual([
      { id: made.webHookId, url: `${receiver.url}/back` },
    ]);
    expect((await world.hooks('DELETE', hook, undefined, company)).status).toBe(204);
    expect((await call('GET', made.id)).status).toBe(404);
  });
});

describe('how many an application may have', () => {
  it('is bounded, in both faces', async () => {
    const small = await startWorld({
      store: (store) => ({
        ...store,
        endpointInsert: (params) => store.endpointInsert({ ...params, limit: 2 }),
      }),
    });
    for (let made = 0; made < 2; made++) await small.operate('POST', '/api/v1/app/1/endpoint', { url });
    const over = await small.operate('POST', '/api/v1/app/1/endpoint', { url });
    expect([over.status, over.json().code]).toEqual([400, 'limit_reached']);
    expect((await small.operate('PUT', '/api/v1/app/1/endpoint/x', { url })).json().code).toBe(
      'limit_reached',
    );
    const hook = await small.hooks('POST', '/web_hooks.json', { web_hook: { url } });
    expect([hook.status, Object.keys(hook.json().errors)]).toEqual([400, ['web_hook']]);
    await small.close();
  });
});
