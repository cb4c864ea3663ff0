import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fuzzSeed } from '../helpers/fuzz-seed.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** Whatever is sent to either face, the answer is one of the documented ones, and comes. */

let world: World;
beforeAll(async () => {
  world = await startWorld();
  await world.hooks('POST', '/web_hooks.json', { web_hook: { url: 'http://127.0.0.1:1' } });
});
afterAll(() => world.close());

const RUNS = 400;

const fieldName = fc.constantFrom(
  ...[
    'web_hook',
    'url',
    'action_type',
    'eventType',
    'payload',
    'data',
    'eventId',
    'channels',
    'tags',
    'messages',
  ],
  ...[
    'application',
    'uid',
    'name',
    'metadata',
    'transformationsParams',
    'rawPayload',
    'payloadRetentionPeriod',
  ],
  ...[
    'secret',
    'eventTypes',
    'filterTypes',
    'throttleRate',
    'description',
    'disabled',
    '__proto__',
    'constructor',
    'toString',
  ],
);
const leaf = fc.oneof(
  fc.constantFrom(
    'ticket.created',
    'http://127.0.0.1:1',
    'http://[',
    'http://a.b:99999',
    'a',
    '',
    'app_x',
    'msg_x',
    'é',
  ),
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.double(),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
);
const { document } = fc.letrec((tie) => ({
  document: fc.oneof(
    { depthSize: 'medium', withCrossShrink: true },
    leaf,
    fc.array(tie('document'), { maxLength: 4 }),
    fc.dictionary(
      fc.oneof({ weight: 5, arbitrary: fieldName }, { weight: 1, arbitrary: fc.string() }),
      tie('document'),
      {
        maxKeys: 6,
      },
    ),
  ),
}));
const body = fc.oneof(
  { weight: 5, arbitrary: document.map((value) => Buffer.from(JSON.stringify(value))) },
  { weight: 1, arbitrary: fc.uint8Array().map((bytes) => Buffer.from(bytes)) },
  { weight: 1, arbitrary: fc.json().map((text) => Buffer.from(text.slice(0, -1))) },
);

const step = fc.oneof(
  fc.constantFrom(
    'api',
    'v1',
    'app',
    '1',
    'msg',
    'batch',
    'endpoint',
    'secret',
    'attempt',
    'event-type',
    'health',
    'ping',
  ),
  fc.constantFrom(
    'web_hooks.json',
    'web_hook',
    'web_hooks',
    'test.json',
    '1_20120501073314.json',
    'docs',
    'openapi.json',
  ),
  fc.constantFrom(
    '%00',
    '%zz',
    '%2F',
    '..',
    '.',
    '',
    '%E0%A4%A',
    'ticket.created',
    'constructor',
    '__proto__',
    '*',
    ':id',
  ),
  fc.string().map((text) => encodeURIComponent(text.toWellFormed())),
);
const known = fc.constantFrom(
  ...['/web_hooks.json', '/web_hook/1_20120501073314.json', '/web_hooks/1_1.json'],
  ...[
    '/api/v1/app',
    '/api/v1/app/1',
    '/api/v1/app/1/msg',
    '/api/v1/app/1/msg/batch',
    '/api/v1/app/1/endpoint',
  ],
  ...['/api/v1/app/1/attempt/msg/x', '/api/v1/event-type', '/api/v1/event-type/x'],
);
const query = fc.oneof(
  fc.constant(''),
  fc
    .array(
      fc.tuple(
        fc.constantFrom(
          'limit',
          'iterator',
          'before',
          'after',
          'with_content',
          'order',
          'get_if_exists',
          'auth_token',
          '__proto__',
          'a[]',
        ),
        fc.oneof(
          fc.constantFrom('1', '-1', '1e3', 'true', '-msg_', '2026-01-01T00:00:00Z', '-x'),
          fc.string(),
        ),
      ),
      { maxLength: 3 },
    )
    .map(
      (pairs) =>
        `?${pairs.map(([name, value]) => `${name}=${encodeURIComponent(value.toWellFormed())}`).join('&')}`,
    ),
);
const path = fc.tuple(
  fc.oneof(
    known,
    fc.array(step, { maxLength: 7 }).map((steps) => `/${steps.join('/')}`),
  ),
  query,
);
const method = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD');

const DOCUMENTED = [200, 201, 202, 204, 307, 400, 401, 403, 404, 405, 409, 413, 422];

describe(`no request leads to a 5xx or hangs, seed ${fuzzSeed}`, () => {
  it.each(['operator', 'company', 'nobody'])(
    'as %s',
    async (who) => {
      const key = { operator: world.operatorKey, company: world.company.token, nobody: undefined }[who];
      await fc.assert(
        fc.asyncProperty(method, path, body, async (verb, [where, tail], bytes) => {
          // A test call answers 500 when its target fails: that is its own matter.
          fc.pre(!where.includes('test.json'));
          // And company 1 is what the other tests speak of.
          fc.pre(verb !== 'DELETE' || !/^\/api\/v1\/app\/1\/*$/.test(where));
          const bodied = verb !== 'GET' && verb !== 'HEAD' && verb !== 'OPTIONS';
          const answer = await world.call(verb, where + tail, { key, body: bodied ? bytes : undefined });
          expect(DOCUMENTED).toContain(answer.status);
          if (answer.status >= 400 && verb !== 'HEAD')
            expect(Object.keys(answer.json()).length).toBeGreaterThan(0);
        }),
        { seed: fuzzSeed, numRuns: RUNS },
      );
      expect(world.logged.filter((line) => line.includes('"level":50'))).toEqual([]);
    },
    60_000,
  );

  it('in a test call but its own 500', async () => {
    await fc.assert(
      fc.asyncProperty(body, async (bytes) => {
        const answer = await world.hooks('POST', '/web_hooks/test.json', bytes);
        expect([400, 500]).toContain(answer.status);
        if (answer.status === 500) expect(answer.json().test.result).toBe('failed');
      }),
      { seed: fuzzSeed, numRuns: RUNS },
    );
  }, 60_000);

  it('in headers that are odd', async () => {
    const header = fc.string({
      unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
    });
    await fc.assert(
      fc.asyncProperty(header, header, header, known, async (authorization, type, idempotency, where) => {
        const headers = {
          authorization: `Bearer ${authorization}`,
          'content-type': type,
          'idempotency-key': idempotency,
        };
        for (const key of [undefined, world.operatorKey]) {
          const answer = await world.call('POST', where, { headers, key: undefined, body: '{}' });
          expect(DOCUMENTED).toContain(answer.status);
          const again = key && { ...headers, authorization: `Bearer ${key}` };
          if (again)
            expect(DOCUMENTED).toContain(
              (await world.call('POST', where, { headers: again, body: '{}' })).status,
            );
        }
      }),
      { seed: fuzzSeed, numRuns: 100 },
    );
  }, 60_000);
});

describe('whatever is published is what is kept', () => {
  it('as JSON text, to the byte', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.nat({ max: 3 }),
        async (payload, indent) => {
          const text = JSON.stringify(payload, null, indent);
          const answer = await world.operate(
            'POST',
            '/api/v1/app/1/msg',
            `{"payload":${text},"eventType":"a"}`,
          );
          expect(answer.status).toBe(202);
          expect(answer.text).toContain(`"payload":${text},"channels":null`);
          const id = /"id":"(msg_\w+)","timestamp"/.exec(answer.text)?.[1];
          expect((await world.operate('GET', `/api/v1/app/1/msg/${id}`)).text).toBe(answer.text);
        },
      ),
      { seed: fuzzSeed, numRuns: 200 },
    );
  }, 60_000);
});
