import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** What the operator API shows of applications, endpoints, messages, deliveries and attempts. */

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

const get = (path: string) => world.operate('GET', `/api/v1${path}`);
const post = (path: string, body: unknown) => world.operate('POST', `/api/v1${path}`, body);

/** Follows `iterator` to the end and comes back by `prevIterator`: the ids of each page. */
async function walk(path: string, key: string): Promise<{ there: string[][]; back: string[][] }> {
  const join = path.includes('?') ? '&' : '?';
  const there: string[][] = [];
  let page = (await get(path)).json();
  for (;;) {
    there.push(page.data.map((one: Record<string, string>) => one[key]));
    expect(page.iterator).toBe(there.at(-1)?.at(-1) ?? null);
    if (page.done) break;
    page = (await get(`${path}${join}iterator=${encodeURIComponent(page.iterator)}`)).json();
  }
  const back: string[][] = [];
  for (;;) {
    page = (await get(`${path}${join}iterator=${encodeURIComponent(page.prevIterator)}`)).json();
    if (page.data.length > 0) back.unshift(page.data.map((one: Record<string, string>) => one[key]));
    if (page.done) return { there, back };
  }
}

describe('applications', () => {
  it('are created with 201 and read by id, uid and number', async () => {
    const answer = await post('/app', {
      name: 'Acme',
      uid: 'acme',
      throttleRate: 5,
      metadata: { plan: 'gold' },
    });
    expect(answer.status).toBe(201);
    const application = answer.json();
    expect(application).toEqual({
      id: expect.stringMatching(/^app_[0-9A-Za-z]{27}$/),
      number: expect.any(Number),
      uid: 'acme',
      name: 'Acme',
      throttleRate: 5,
      rateLimit: 5,
      metadata: { plan: 'gold' },
      createdAt: expect.stringMatching(/Z$/),
      updatedAt: expect.stringMatching(/Z$/),
    });
    for (const ref of [application.id, 'acme', application.number]) {
      expect((await get(`/app/${ref}`)).json()).toEqual(application);
    }
    const plain = (await post('/app', { name: 'Plain', uid: null, metadata: null })).json();
    expect('uid' in plain || 'rateLimit' in plain).toBe(false);
    expect(plain).toMatchObject({ throttleRate: null, metadata: {} });
  });

  it('answer 409 to a uid that is taken, or 200 with get_if_exists', async () => {
    const first = (await post('/app', { name: 'First', uid: 'taken' })).json();
    const second = await post('/app', { name: 'Second', uid: 'taken' });
    expect([second.status, second.json().code]).toEqual([409, 'conflict']);
    const existing = await post('/app?get_if_exists=true', { name: 'Second', uid: 'taken' });
    expect([existing.status, existing.json()]).toEqual([200, first]);
    const made = await post('/app?get_if_exists=true', { name: 'New', uid: 'brand-new' });
    expect(made.status).toBe(201);
  });

  it("answer 409 to a uid that is another's number, whose path it would take", async () => {
    for (const path of ['/app', '/app?get_if_exists=true']) {
      const answer = await post(path, { name: 'Digits', uid: '1' });
      expect([answer.status, answer.json()]).toEqual([
        409,
        { code: 'conflict', detail: 'An application with the uid or number "1" already exists.' },
      ]);
    }
    expect((await get('/app/1')).json().name).toBe('Company 1');
    const { number } = (await post('/app', { name: 'Last' })).json();
    const digits = (await post('/app', { name: 'Digits', uid: String(number + 2) })).json();
    const next = (await post('/app', { name: 'Next' })).json();
    expect([digits.number, next.number]).toEqual([number + 1, number + 3]);
    for (const made of [digits, next]) {
      for (const ref of [made.number, made.uid ?? made.id]) {
        expect((await get(`/app/${ref}`)).json()).toEqual(made);
      }
    }
  });

  it.each<[object, unknown[]]>([
    [{}, ['body', '', '']],
    [{ name: '' }, ['body', 'name']],
    [{ name: 'a\u0000' }, ['body', 'name']],
    [{ name: 1 }, ['body', 'name']],
    [{ name: 'a', uid: 'app_x' }, ['body', 'uid', '__all__']],
    [{ name: 'a', uid: 'a b' }, ['body', 'uid', '__all__']],
    [{ name: 'a', throttleRate: 0 }, ['body', 'throttle_rate']],
    [{ name: 'a', metadata: { a: 1 } }, ['body', 'metadata', 'a']],
    [{ name: 'a', metadata: { a: 'x'.repeat(5_000) } }, ['body', 'metadata']],
  ])('answer 422 to %j', async (body, loc) => {
    const answer = await post('/app', body);
    expect([answer.status, answer.json().detail[0].loc]).toEqual([422, loc]);
  });
});

describe('endpoints', () => {
  it('are created, read and listed, with every field of the protocol', async () => {
    const { application } = await world.addCompany('endpoints');
    const path = `/app/${application.number}/endpoint`;
    const body = {
      url: 'https://example.com/hook',
      uid: 'first',
      description: 'The first',
      eventTypes: ['ticket.created', 'ticket.updated', 'ticket.created'],
      channels: ['one'],
      throttleRate: 9,
      metadata: { a: 'b' },
      secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    };
    const answer = await post(path, body);
    expect(answer.status).toBe(201);
    const endpoint = answer.json();
    expect(endpoint).toEqual({
      url: 'https://example.com/hook',
      uid: 'first',
      description: 'The first',
      disabled: false,
      version: 1,
      eventTypes: ['ticket.created', 'ticket.updated'],
      filterTypes: ['ticket.created', 'ticket.updated'],
      channels: ['one'],
      throttleRate: 9,
      rateLimit: 9,
      metadata: { a: 'b' },
      paused: false,
      pausedAt: null,
      disabledReason: null,
      disabledAt: null,
      maxInFlight: 32,
      ordering: 'none',
      retrySchedule: { preset: 'default', delaysSeconds: [0.02, 0.02], jitter: 0.2 },
      finalStatuses: [],
      id: expect.stringMatching(/^ep_/),
      webHookId: expect.stringMatching(new RegExp(`^${application.number}_\\d{14}$`)),
      createdAt: expect.stringMatching(/Z$/),
      updatedAt: expect.stringMatching(/Z$/),
    });
    for (const ref of [endpoint.id, 'first', endpoint.webHookId]) {
      expect((await get(`${path}/${ref}`)).json()).toEqual(endpoint);
    }
    expect((await get(`${path}/first/secret`)).json()).toEqual({ key: body.secret });
    const plain = (await post(path, { url: 'http://example.com' })).json();
    expect(plain).toMatchObject({
      uid: null,
      eventTypes: null,
      channels: null,
      throttleRate: null,
      metadata: {},
    });
    expect((await get(`${path}/${plain.id}/secret`)).json().key).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect((await get(path)).json()).toMatchObject({ data: [plain, endpoint], done: true });
    expect((await get(`${path}?order=ascending`)).json().data).toEqual([endpoint, plain]);
    const taken = await post(path, { url: 'http://example.com', uid: 'first' });
    expect([taken.status, taken.json().code]).toEqual([409, 'conflict']);
  });

  it('list in pages, there and back', async () => {
    const { application } = await world.addCompany('endpoint pages');
    const path = `/app/${application.number}/endpoint`;
    const ids: string[] = [];
    for (let made = 0; made < 5; made++)
      ids.unshift((await post(path, { url: 'http://example.com' })).json().id);
    expect(await walk(`${path}?limit=2`, 'id')).toEqual({
      there: [ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)],
      back: [ids.slice(0, 2), ids.slice(2, 4)],
    });
    ids.reverse();
    expect((await walk(`${path}?limit=3&order=ascending`, 'id')).there).toEqual([
      ids.slice(0, 3),
      ids.slice(3),
    ]);
  });

  it.each<[object, unknown[]]>([
    [{}, ['body', '', '']],
    [{ url: 'ftp://example.com' }, ['body', 'url']],
    [{ url: 'http://10.0.0.1' }, ['body', 'url']],
    [{ url: 'http://example.com/\ud800' }, ['body', 'url']],
    [{ url: 'http://example.com', uid: 'ep_1' }, ['body', 'uid', '__all__']],
    [{ url: 'http://example.com', secret: 'short' }, ['body', 'key', '__all__']],
    [{ url: 'http://example.com', secret: 'whsec_c2hvcnQ=' }, ['body', 'key', '__all__']],
    [{ url: 'http://example.com', eventTypes: [] }, ['body', 'eventTypes']],
    [
      { url: 'http://example.com', eventTypes: ['ticket.created', 'no.such', 'nor.this'] },
      ['body', 'eventTypes'],
    ],
    [{ url: 'http://example.com', channels: [] }, ['body', 'channels', '__all__']],
    [{ url: 'http://example.com', throttleRate: 70_000 }, ['body', 'throttle_rate']],
    [{ url: 'http://example.com', disabled: 'no' }, ['body', 'disabled']],
  ])('answer 422 to %j', async (body, loc) => {
    const answer = await post('/app/1/endpoint', body);
    expect([answer.status, answer.json().detail[0].loc]).toEqual([422, loc]);
  });

  it('name the event types that are not there', async () => {
    const answer = await post('/app/1/endpoint', {
      url: 'http://example.com',
      eventTypes: ['a.b', 'ticket.created', 'c.d'],
    });
    expect(answer.json().detail[0].msg).toBe("The following event types don't exist: a.b, c.d");
  });
});

describe('messages', () => {
  it('end a page early where their payloads are large, there and back', async () => {
    const { application } = await world.addCompany('large payloads');
    const path = `/app/${application.number}/msg`;
    const sizes = [1_900_000, 1_900_000, 1_900_000, 100, 1_900_000, 1_900_000];
    const ids: string[] = [];
    for (const size of sizes) {
      const message = await post(path, { eventType: 'a', payload: { text: 'x'.repeat(size) } });
      ids.unshift(message.json().id);
    }
    expect(await walk(`${path}?limit=250`, 'id')).toEqual({
      there: [ids.slice(0, 3), ids.slice(3, 5), ids.slice(5)],
      back: [ids.slice(0, 2), ids.slice(2, 5)],
    });
    expect((await walk(`${path}?limit=2`, 'id')).there).toEqual([
      ids.slice(0, 2),
      ids.slice(2, 4),
      ids.slice(4),
    ]);
    const without = (await get(`${path}?with_content=false`)).json();
    expect([without.data.length, without.done]).toEqual([6, true]);
  });

  it('show a raw payload as it is where it is an object, as text where it is not', async () => {
    const { application } = await world.addCompany('raw payloads');
    const path = `/app/${application.number}/msg`;
    const texts = [
      '{"a":1.0}',
      ' {"a":1} \n',
      '{"a":1',
      '{a}',
      '{}{}',
      '{"a":1}\u00a0',
      '[1]',
      '"x"',
      '1',
      'null',
      '',
    ];
    for (const rawPayload of texts) {
      const transformationsParams = { rawPayload };
      expect((await post(path, { eventType: 'a', payload: {}, transformationsParams })).status).toBe(202);
    }
    const { data } = (await get(path)).json();
    const shown = [{ a: 1 }, { a: 1 }, ...texts.slice(2)];
    expect(data.map(({ payload }: { payload: unknown }) => payload).reverse()).toEqual(shown);
  });

  it('list newest first, in pages, there and back, and between times', async () => {
    const { application } = await world.addCompany('message pages');
    const path = `/app/${application.number}/msg`;
    const made: { id: string; timestamp: string }[] = [];
    for (let count = 0; count < 5; count++) {
      made.unshift((await post(path, { eventType: 'a', payload: { count } })).json());
      // Ids tell times apart in steps of 4 ms.
      await new Promise((resolve) => setTimeout(resolve, 9));
    }
    const ids = made.map(({ id }) => id);
    expect(await walk(`${path}?limit=2`, 'id')).toEqual({
      there: [ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)],
      back: [ids.slice(0, 2), ids.slice(2, 4)],
    });
    const listed = async (query: string) =>
      (await get(`${path}?${query}`)).json().data.map(({ id }: { id: string }) => id);
    const [, , middle] = made.map(({ timestamp }) => encodeURIComponent(timestamp));
    expect(await listed(`before=${middle}`)).toEqual(ids.slice(3));
    expect(await listed(`after=${middle}`)).toEqual(ids.slice(0, 3));
    // Newest first with `after` too, so that `iterator` leads to the rest.
    expect(await listed(`after=${middle}&limit=1`)).toEqual([ids[0]]);
    expect(await listed(`after=${middle}&limit=1&iterator=${ids[0]}`)).toEqual([ids[1]]);
    expect(await listed(`before=${middle}&limit=1&iterator=-${ids[4]}`)).toEqual([ids[3]]);
    expect(await listed(`before=${middle}&iterator=-${ids[3]}`)).toEqual([]);
    expect((await get(`${path}?limit=1&with_content=false`)).json().data[0].payload).toEqual({});
    const { application: empty } = await world.addCompany('no messages');
    expect((await get(`/app/${empty.number}/msg`)).text).toBe('{"data":[],"iterator":null,"done":true}');
  });
});

describe('deliveries and attempts', () => {
  it('tell what happened to a message at each endpoint', async () => {
    const failing = await startReceiver((response, _received, count) =>
      response.writeHead(count < 3 ? 503 : 200).end(`answer ${count}`),
    );
    const refusing = await startReceiver((response) => response.writeHead(400).end('no'));
    const { application } = await world.addCompany('deliveries');
    const path = `/app/${application.number}`;
    const endpoints = [];
    for (const url of [`${failing.url}/f`, refusing.url, 'http://127.0.0.1:1/']) {
      endpoints.push((await post(`${path}/endpoint`, { url })).json());
    }
    await post(`${path}/endpoint`, { url: failing.url, eventTypes: ['ticket.created'] });
    const disabled = (await post(`${path}/endpoint`, { url: failing.url, disabled: true })).json();
    const message = (await post(`${path}/msg`, { eventType: 'other', payload: {} })).json();
    const deliveries = async () => (await get(`${path}/msg/${message.id}/endpoint`)).json();
    await expect
      .poll(async () => (await deliveries()).data.map(({ state }: { state: string }) => state), {
        timeout: 10_000,
      })
      .toEqual(['succeeded', 'failed', 'failed', 'held']);

    const page = await deliveries();
    expect(page).toMatchObject({ done: true, iterator: disabled.id, prevIterator: `-${endpoints[0].id}` });
    const [{ id, webHookId, uid, url, version, createdAt, updatedAt }] = endpoints;
    expect(page.data[0]).toEqual({
      ...{ id, webHookId, uid, url, version, createdAt, updatedAt },
      description: '',
      disabled: false,
      eventTypes: null,
      filterTypes: null,
      channels: null,
      rateLimit: null,
      throttleRate: null,
      status: 0,
      statusText: 'success',
      nextAttempt: null,
      state: 'succeeded',
      reason: null,
      attemptCount: 3,
      endpointDeleted: false,
    });
    expect(page.data[1]).toMatchObject({
      status: 2,
      statusText: 'fail',
      reason: 'retries_exhausted',
      attemptCount: 3,
    });
    expect(page.data[3]).toMatchObject({ status: 1, statusText: 'pending', state: 'held', attemptCount: 0 });

    const attempts = (await get(`${path}/attempt/endpoint/${endpoints[0].webHookId}`)).json();
    expect(
      attempts.data.map((one: Record<string, unknown>) => [
        one.attemptNumber,
        one.responseStatusCode,
        one.status,
        one.response,
      ]),
    ).toEqual([
      [3, 200, 0, 'answer 3'],
      [2, 503, 2, 'answer 2'],
      [1, 503, 2, 'answer 1'],
    ]);
    expect(attempts.data[0]).toEqual({
      url: `${failing.url}/f`,
      response: 'answer 3',
      responseStatusCode: 200,
      responseDurationMs: expect.any(Number),
      status: 0,
      statusText: 'success',
      triggerType: 0,
      msgId: message.id,
      endpointId: endpoints[0].id,
      id: expect.stringMatching(/^atmpt_/),
      timestamp: expect.stringMatching(/Z$/),
      attemptNumber: 3,
      errorCode: null,
      errorMessage: null,
      requestHeaders: expect.objectContaining({ 'webhook-id': message.id }),
      responseHeaders: expect.any(Object),
    });
    const refused = (await get(`${path}/attempt/endpoint/${endpoints[2].id}`)).json().data[0];
    expect(refused).toMatchObject({ status: 2, responseStatusCode: 0, errorCode: 'connection_refused' });
    expect(refused.errorMessage).toMatch(/\w/);

    const ofMessage = `${path}/attempt/msg/${message.id}`;
    const all = (await get(ofMessage)).json().data.map(({ id }: { id: string }) => id);
    expect(all).toHaveLength(9);
    expect((await walk(`${ofMessage}?limit=4`, 'id')).there.flat()).toEqual(all);
    expect((await walk(`${ofMessage}?limit=4`, 'id')).back.flat()).toEqual(all.slice(0, 8));
    expect((await get(`${ofMessage}?with_content=false`)).json().data[0].response).toBe('{}');
    await failing.close();
    await refusing.close();
  });

  it('remember an endpoint that was deleted', async () => {
    const company = await world.addCompany('deleted endpoint');
    const path = `/app/${company.application.number}`;
    const endpoint = (await post(`${path}/endpoint`, { url: 'http://127.0.0.1:1', disabled: true })).json();
    const message = (await post(`${path}/msg`, { eventType: 'other', payload: {} })).json();
    await world.hooks('DELETE', `/web_hooks/${endpoint.webHookId}.json`, undefined, company);
    await expect
      .poll(async () => (await get(`${path}/msg/${message.id}/endpoint`)).json().data[0])
      .toMatchObject({
        id: endpoint.id,
        endpointDeleted: true,
        state: 'cancelled',
        status: 2,
        reason: 'endpoint_deleted',
      });
  });
});

describe('event types', () => {
  it('list by name in pages, with schemas when asked for', async () => {
    const { there, back } = await walk('/event-type?limit=5', 'name');
    expect(there.flat()).toHaveLength(13);
    expect(there.flat()).toEqual(there.flat().sort());
    expect(back.flat()).toEqual(there.slice(0, -1).flat());
    expect((await get('/event-type')).json().data[0].schemas).toBeNull();
    const [first] = (await get('/event-type?with_content=true')).json().data;
    expect(first.schemas['1']).toMatchObject({ type: 'object', examples: [expect.any(Object)] });
  });

  it('read one by name', async () => {
    const answer = await get('/event-type/ticket.created');
    expect(answer.json()).toMatchObject({
      name: 'ticket.created',
      archived: false,
      deprecated: false,
      featureFlag: null,
    });
    expect((await get('/event-type/no.such')).status).toBe(404);
  });
});

describe("an application's own key", () => {
  it('reads what is its own, and nothing of another', async () => {
    const mine = await world.addCompany('mine', 'mine');
    const yours = await world.addCompany('yours', 'yours');
    for (const { application } of [mine, yours]) {
      const path = `/app/${application.number}`;
      await post(`${path}/endpoint`, { url: 'http://example.com', uid: 'e', disabled: true });
      await post(`${path}/msg`, { eventType: 'a', payload: {}, eventId: 'm' });
    }
    const paths = [
      '',
      '/endpoint',
      '/endpoint/e',
      '/endpoint/e/secret',
      '/msg',
      '/msg/m',
      '/msg/m/endpoint',
      '/attempt/msg/m',
      '/attempt/endpoint/e',
    ];
    const as = (path: string) => world.call('GET', path, { key: mine.token });
    for (const path of paths) {
      for (const ref of ['mine', mine.application.id, mine.application.number]) {
        expect((await as(`/api/v1/app/${ref}${path}`)).status).toBe(200);
      }
      for (const ref of ['yours', yours.application.id, yours.application.number]) {
        const foreign = await as(`/api/v1/app/${ref}${path}`);
        const unknown = await as(`/api/v1/app/nobody${path}`);
        expect(foreign.status).toBe(404);
        expect(foreign.text.replace(String(ref), 'nobody')).toBe(unknown.text);
      }
    }
    // Ids of the other are not found within one's own either.
    const theirs = (await get('/app/yours/msg')).json().data[0].id;
    expect((await as(`/api/v1/app/mine/msg/${theirs}`)).status).toBe(404);
    expect((await as('/api/v1/event-type')).status).toBe(200);
  });

  it('makes endpoints for itself alone, and no applications', async () => {
    const mine = await world.addCompany('makes');
    const as = (path: string, body: object) => world.call('POST', path, { key: mine.token, body });
    const body = { url: 'http://example.com' };
    expect((await as(`/api/v1/app/${mine.application.number}/endpoint`, body)).status).toBe(201);
    expect((await as(`/api/v1/app/${world.company.application.id}/endpoint`, body)).status).toBe(404);
    const application = await as('/api/v1/app', { name: 'x' });
    expect([application.status, application.json().code]).toEqual([403, 'insufficient access']);
  });
});
