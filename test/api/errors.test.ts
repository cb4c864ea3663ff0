import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ErrorCode, errorTable } from '../../src/errors.ts';
import { SECRETS_ROTATED_OUT } from '../../src/limits.ts';
import { StoreError } from '../../src/store/store.ts';
import { type Reply, startWorld, type World } from '../helpers/world.ts';

/** Errors, headers and cross-origin calls of the operator API, and what every answer has. */

let world: World;
let storeFails = false;
let connectionBreaks = false;
/** What messages wait for before they are stored. */
let storeOpens: Promise<void> = Promise.resolve();
beforeAll(async () => {
  world = await startWorld({
    store: (store) => ({
      ...store,
      applicationInsert: async (params) => {
        if (params.name === 'bug') throw new TypeError('a bug with phk_operator_key in its text');
        if (params.name === 'full') throw new StoreError('unavailable', 'The disk is full.');
        if (params.name === 'lost') throw new StoreError('unknown', 'The connection broke.');
        return store.applicationInsert(params);
      },
      messageAccept: async (params) => {
        if (storeFails) throw new StoreError('unavailable', 'The disk is full.');
        if (connectionBreaks) throw new StoreError('unknown', 'The connection broke.');
        await storeOpens;
        return store.messageAccept(params);
      },
    }),
  });
});
afterAll(() => world.close());

describe('health', () => {
  it.each(['GET', 'HEAD'])('ping answers 204 to %s, without a key', async (method) => {
    const answer = await world.call(method, '/api/v1/health/ping');
    expect([answer.status, answer.text]).toEqual([204, '']);
  });

  it('says how the store is', async () => {
    const well = await world.call('GET', '/api/v1/health');
    expect([well.status, well.text]).toEqual([200, '{"database":{"status":"ok"}}']);
    expect((await world.call('HEAD', '/api/v1/health')).status).toBe(200);
    let checks = 0;
    const check = async () => {
      checks++;
      throw new StoreError('unavailable', 'The disk is full.');
    };
    const illWorld = await startWorld({ store: (store) => ({ ...store, check }) });
    const ill = await Promise.all(Array.from({ length: 5 }, () => illWorld.call('GET', '/api/v1/health')));
    for (const { status, text } of ill)
      expect([status, text]).toEqual([500, '{"database":{"status":"error"}}']);
    expect(checks).toBe(1);
    await illWorld.close();
  });
});

describe('an error', () => {
  it('of a commit whose end nobody knows does not say that nothing was done', async () => {
    const made = await world.operate('POST', '/api/v1/app', { name: 'lost' });
    connectionBreaks = true;
    const message = { eventType: 'ticket.created', payload: {} };
    const published = await world.operate('POST', '/api/v1/app/1/msg', message);
    connectionBreaks = false;
    for (const { status, headers, text } of [made, published]) {
      expect([status, headers['retry-after']]).toEqual([503, '2']);
      expect(text).toContain('not known');
      expect(text).not.toContain('Nothing was taken');
    }
  });

  it('of no route is 404, with code and detail', async () => {
    for (const path of ['/nothing', '/api/v1', '/api/v1/nothing', '/api/v2/app', '/api/v1/app/1/msg/x/y/z']) {
      const answer = await world.operate('GET', path);
      expect([answer.status, Object.keys(answer.json()), answer.json().code]).toEqual([
        404,
        ['code', 'detail'],
        'not_found',
      ]);
    }
  });

  it.each([
    ['DELETE', '/api/v1/health', 'GET, HEAD'],
    ['PUT', '/api/v1/app/1/msg', 'GET, HEAD, POST'],
    ['GET', '/api/v1/app/1/msg/batch/x', null],
    ['POST', '/api/v1/app/1/endpoint/x', 'DELETE, GET, HEAD, PATCH, PUT'],
    ['PATCH', '/api/v1/app/1/endpoint/x/secret', 'GET, HEAD'],
    ['PUT', '/openapi.json', 'GET, HEAD'],
  ])('of a wrong verb is 405 with Allow: %s %s', async (method, path, allow) => {
    const answer = await world.operate(method, path);
    if (allow === null) {
      expect(answer.status).toBe(404);
      return;
    }
    expect([answer.status, answer.json().code, answer.headers.allow]).toEqual([
      405,
      'method_not_allowed',
      allow,
    ]);
  });

  it('of the key is 401 with a challenge, and 403 for the wrong kind', async () => {
    for (const path of ['/api/v1/app/1', '/api/v1/app/1/msg', '/api/v1/event-type']) {
      const answer = await world.call('GET', path);
      expect([answer.status, answer.json().code]).toEqual([401, 'authentication_failed']);
      expect(answer.headers['www-authenticate']).toBe('Bearer realm="posthorn"');
    }
  });

  it('of the query is 400, and of a limit or iterator 422', async () => {
    for (const query of [
      'limit=x',
      'limit=1.5',
      'with_content=2',
      'before=soon',
      'after=2026-13-01',
      'status=5',
      'channel=',
    ]) {
      const answer = await world.operate('GET', `/api/v1/app/1/msg?${query}`);
      expect([query, answer.status, answer.json().code]).toEqual([query, 400, 'generic_error']);
    }
    for (const query of ['limit=0', 'limit=-1', 'limit=251']) {
      const answer = await world.operate('GET', `/api/v1/app/1/msg?${query}`);
      expect([answer.status, answer.json().detail[0].loc]).toEqual([422, ['query', 'limit', 'limit']]);
    }
    expect((await world.operate('GET', '/api/v1/app/1/msg?limit=251')).json().detail[0].msg).toBe(
      'Given limit must not exceed 250',
    );
    for (const path of ['/app/1/msg', '/app/1/endpoint', '/event-type']) {
      // The iterators of event types are names.
      const ids = path === '/event-type' ? [] : ['msg_', '--msg_2nZK5wzbb7UWeTYsEaK6mSrEQhY', 'x'.repeat(31)];
      for (const iterator of ['x y', '-', 'ü', ...ids]) {
        const answer = await world.operate('GET', `/api/v1${path}?iterator=${encodeURIComponent(iterator)}`);
        expect([answer.status, answer.json().detail?.[0].loc]).toEqual([422, ['query', 'iterator']]);
      }
    }
  });

  it('of a path that is not valid is 400', async () => {
    const answer = await world.operate('GET', '/api/v1/app/%zz');
    expect([answer.status, answer.json().code]).toEqual([400, 'generic_error']);
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
    expect((await world.operate('POST', '/api/v1/app/%zz/msg', '{}')).status).toBe(400);
    expect((await world.hooks('PUT', '/web_hook/%zz.json', '{}')).json()).toEqual({
      errors: { path: ['The path is not valid.'] },
    });
  });

  it('of ours is 500 with a request id under which the log has the reason, and nothing else', async () => {
    const answer = await world.operate('POST', '/api/v1/app', { name: 'bug' });
    expect(answer.status).toBe(500);
    expect(answer.json().code).toBe('internal_error');
    expect(answer.text).not.toContain('a bug');
    const [requestId] = /req_[\w-]+/.exec(answer.text) ?? [];
    const [line] = world.logged.filter((each) => each.includes(String(requestId)));
    expect(JSON.parse(line ?? '{}')).toMatchObject({
      level: 50,
      method: 'POST',
      route: '/api/v1/app',
      err: { type: 'TypeError' },
    });
  });

  it('of the store is 503 with Retry-After, on both faces', async () => {
    const answer = await world.operate('POST', '/api/v1/app', { name: 'full' });
    expect([answer.status, answer.json().code]).toEqual([503, 'unavailable']);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    storeFails = true;
    const publish = await world.operate('POST', '/api/v1/app/1/msg', { eventType: 'a', payload: {} });
    storeFails = false;
    expect([publish.status, publish.json().code]).toEqual([503, 'unavailable']);
    expect(Number(publish.headers['retry-after'])).toBeGreaterThan(0);
    expect((await world.operate('POST', '/api/v1/app/1/msg', { eventType: 'a', payload: {} })).status).toBe(
      202,
    );
  });
});

describe('each code of the table', () => {
  const message = { eventType: 'a', payload: {} };
  const create = (name: string) => world.operate('POST', '/api/v1/app', { name, uid: 'errors' });
  const publish = (body: unknown, key?: string) =>
    world.operate('POST', '/api/v1/app/1/msg', body, key === undefined ? {} : { 'idempotency-key': key });
  const endpointOf = async (uid: string, fields: object = {}) => {
    await world.operate('POST', '/api/v1/app?get_if_exists=true', { name: 'x', uid });
    const body = { url: 'http://127.0.0.1:1/', ...fields };
    const { id } = (await world.operate('POST', `/api/v1/app/${uid}/endpoint`, body)).json();
    return `/api/v1/app/${uid}/endpoint/${id}`;
  };
  /** Publishes to an application with one endpoint; the path to send it there again. */
  const resendPath = async (uid: string, fields: object = {}) => {
    const endpoint = await endpointOf(uid, fields);
    const { id } = (await world.operate('POST', `/api/v1/app/${uid}/msg`, message)).json();
    return {
      message: `/api/v1/app/${uid}/msg/${id}`,
      resend: endpoint.replace('/endpoint', `/msg/${id}/endpoint`),
    };
  };
  const calls: Record<ErrorCode, () => Promise<Reply>> = {
    validation: () => publish('{'),
    generic_error: () => world.operate('GET', '/api/v1/app/1/msg?limit=x'),
    invalid_range: async () =>
      world.operate('GET', `${await endpointOf('range')}/stats?until=2999-01-01T00:00:00Z`),
    invalid_scheme: async () =>
      world.operate('POST', `${await endpointOf('scheme')}/send-example`, {
        eventType: 'ticket.created',
        exampleIndex: 1_000,
      }),
    missing_payload: async () => {
      const path = await resendPath('payload');
      await world.operate('DELETE', `${path.message}/content`);
      return world.operate('POST', `${path.resend}/resend`);
    },
    endpoint_disabled: async () =>
      world.operate('POST', `${(await resendPath('disabled', { disabled: true })).resend}/resend`),
    limit_reached: async () => {
      const path = `${await endpointOf('limit')}/secret/rotate`;
      for (let rotation = 0; rotation < SECRETS_ROTATED_OUT; rotation++)
        await world.operate('POST', path, {});
      return world.operate('POST', path, {});
    },
    event_type_exists: () =>
      world.operate('POST', '/api/v1/event-type', { name: 'ticket.created', description: 'x' }),
    authentication_failed: () => world.call('GET', '/api/v1/app/1'),
    'insufficient access': () => world.call('POST', '/api/v1/app', { key: world.company.token, body: '{}' }),
    not_found: () => world.operate('GET', '/api/v1/app/nobody'),
    method_not_allowed: () => world.operate('POST', '/api/v1/app/1'),
    conflict: async () => {
      await create('Acme');
      return create('Acme');
    },
    idempotency_mismatch: async () => {
      await publish(message, 'same');
      return publish({ ...message, eventType: 'b' }, 'same');
    },
    payload_too_large: () => publish('x'.repeat(2 * 1024 * 1024 + 1)),
    too_many_requests: async () => {
      let open = () => {};
      storeOpens = new Promise((resolve) => {
        open = resolve;
      });
      const large = `{"eventType":"a","payload":{"text":"${'x'.repeat(2_000_000)}"}}`;
      const answers = Array.from({ length: 50 }, () => publish(large));
      const refused = await Promise.race(answers);
      open();
      const statuses = new Set((await Promise.all(answers)).map(({ status }) => status));
      expect(statuses).toEqual(new Set([202, 429]));
      return refused;
    },
    internal_error: () => world.operate('POST', '/api/v1/app', { name: 'bug' }),
    unavailable: () => world.operate('POST', '/api/v1/app', { name: 'full' }),
  };

  it.each(Object.entries(calls))('is reached: %s', async (code, call) => {
    const answer = await call();
    const { status } = errorTable[code as ErrorCode];
    // 422 is told apart by `type` and `loc`.
    expect([answer.status, answer.json().code]).toEqual([status, status === 422 ? undefined : code]);
  });
});

describe('every answer', () => {
  it.each([
    ['GET', '/web_hooks.json'],
    ['GET', '/api/v1/app/1'],
    ['POST', '/api/v1/app/1/msg'],
    ['GET', '/nothing'],
    ['GET', '/openapi.json'],
    ['GET', '/docs'],
    ['GET', '/api/v1/health/ping'],
  ])('is neither cached nor sniffed nor named elsewhere: %s %s', async (method, path) => {
    for (const key of [undefined, world.operatorKey, world.company.token]) {
      const { headers } = await world.call(method, path, {
        key,
        body: method === 'POST' ? { eventType: 'a', payload: {} } : undefined,
      });
      expect(headers['cache-control']).toBe('no-store');
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['referrer-policy']).toBe('no-referrer');
      expect(headers['x-powered-by'] ?? headers.server).toBeUndefined();
    }
  });

  it('of the operator API may be read by any page, of the Web Hooks API by none', async () => {
    for (const [method, path, key] of [
      ['GET', '/api/v1/app/1', world.operatorKey],
      ['GET', '/api/v1/app/1', 'wrong'],
      ['POST', '/api/v1/app/1/msg', world.operatorKey],
      ['POST', '/api/v1/app/1/msg', 'wrong'],
    ] as const) {
      const body = method === 'POST' ? { eventType: 'a', payload: {} } : undefined;
      expect((await world.call(method, path, { key, body })).headers['access-control-allow-origin']).toBe(
        '*',
      );
    }
    const { headers } = await world.hooks('GET', '/web_hooks.json');
    expect(headers['access-control-allow-origin']).toBeUndefined();
  });

  it('to a preflight names the verbs and mirrors the headers', async () => {
    const headers = {
      origin: 'https://console.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization, idempotency-key',
    };
    for (const path of ['/api/v1/app/1/msg', '/api/v1/app/1/msg/']) {
      const answer = await world.call('OPTIONS', path, { headers });
      expect(answer.status).toBe(204);
      expect(answer.headers).toMatchObject({
        'access-control-allow-origin': '*',
        'access-control-allow-methods': 'GET, HEAD, POST',
        'access-control-allow-headers': 'authorization, idempotency-key',
        'access-control-max-age': '600',
      });
    }
  });
});
