import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** Payloads that are held to the schema of their event type. */

let world: World;
beforeAll(async () => {
  world = await startWorld();
  const types = {
    schemas: {
      1: { type: 'string' },
      // The highest version counts.
      10: {
        type: 'object',
        required: ['id'],
        properties: { id: { type: 'integer' }, tags: { type: 'array', items: { type: 'string' } } },
        examples: [{ id: 1 }],
      },
    },
  };
  for (const validation of ['off', 'warn', 'reject']) {
    const body = { name: `checked.${validation}`, description: '', validation, ...types };
    expect((await world.operate('POST', '/api/v1/event-type', body)).status).toBe(201);
  }
});
afterAll(() => world.close());

const MSG = '/api/v1/app/1/msg';
const publish = (validation: string, fields: object) =>
  world.operate('POST', MSG, { eventType: `checked.${validation}`, ...fields });
const count = async () => (await world.operate('GET', `${MSG}?limit=250`)).json().data.length;

const wrong = { id: 'x', tags: ['a', 1] };
const problems = [
  { loc: ['body', 'payload', 'id'], msg: 'must be integer' },
  { loc: ['body', 'payload', 'tags', 1], msg: 'must be string' },
];
const raw = (rawPayload: string) => ({ payload: {}, transformationsParams: { rawPayload } });

describe('a publish', () => {
  it('is refused where each problem is, and stores nothing, not even the application', async () => {
    const before = await count();
    const answer = await publish('reject', { payload: wrong });
    expect([answer.status, answer.json().detail]).toEqual([
      422,
      problems.map((each) => ({ ...each, type: 'value_error' })),
    ]);
    expect(await count()).toBe(before);
    const application = { name: 'New', uid: 'new-one' };
    const body = { eventType: 'checked.reject', payload: {}, application };
    const made = await world.operate('POST', '/api/v1/app/new-one/msg', body);
    expect(made.json().detail[0].loc).toEqual(['body', 'payload', 'id']);
    expect((await world.operate('GET', '/api/v1/app/new-one')).status).toBe(404);
  });

  it('is taken with a warning, and what is stored has none', async () => {
    const answer = await publish('warn', { payload: wrong });
    expect([answer.status, answer.json().schemaProblems]).toEqual([202, problems]);
    const { schemaProblems: _, ...message } = answer.json();
    expect((await world.operate('GET', `${MSG}/${message.id}`)).json()).toEqual(message);
  });

  it.each(['off', 'warn', 'reject'])('of what is allowed is as ever: %s', async (validation) => {
    for (const fields of [{ payload: { id: 1 } }, { data: { id: 1 } }, raw('{"id": 1}')]) {
      const answer = await publish(validation, fields);
      expect([answer.status, 'schemaProblems' in answer.json()]).toEqual([202, false]);
    }
  });

  it('that nobody checks may have anything', async () => {
    for (const fields of [{ payload: wrong }, raw('no JSON'), raw('{"id":"x"}')]) {
      const answer = await publish('off', fields);
      expect([answer.status, 'schemaProblems' in answer.json()]).toEqual([202, false]);
    }
  });

  it.each<[object, (string | number)[], string]>([
    [{ data: {} }, ['body', 'data', 'id'], 'must have required property'],
    [raw('{"id":"x"}'), ['body', 'transformationsParams', 'rawPayload', 'id'], 'must be integer'],
    [raw('[1]'), ['body', 'transformationsParams', 'rawPayload'], 'must be object'],
    [raw('no JSON'), ['body', 'transformationsParams', 'rawPayload'], 'must be JSON'],
    [raw(''), ['body', 'transformationsParams', 'rawPayload'], 'must be JSON'],
  ])('names the place of %j', async (fields, loc, msg) => {
    const [detail] = (await publish('reject', fields)).json().detail;
    expect(detail).toMatchObject({ loc, msg: expect.stringContaining(msg) });
    const { type: _, ...problem } = detail;
    expect((await publish('warn', fields)).json().schemaProblems).toEqual([problem]);
  });

  it('tells some of very many problems', async () => {
    const payload = { id: 1, tags: Array(1_000).fill(5) };
    expect((await publish('reject', { payload })).json().detail).toHaveLength(20);
    expect((await publish('warn', { payload })).json().schemaProblems).toHaveLength(20);
  });

  it('repeated under its key has the same answer', async () => {
    const body = { eventType: 'checked.warn', payload: wrong };
    const headers = { 'idempotency-key': 'warned' };
    const first = await world.operate('POST', MSG, body, headers);
    const again = await world.operate('POST', MSG, body, headers);
    expect([again.status, again.json()]).toEqual([202, first.json()]);
  });

  it('repeated under its key is the first one, also when it would be refused by now', async () => {
    const name = 'checked.later';
    const schemas = { 1: { required: ['id'] } };
    const type = { name, description: '', schemas, validation: 'off' };
    await world.operate('POST', '/api/v1/event-type', type);
    const send = (key: string, path = MSG) =>
      world.operate('POST', path, body(path), { 'idempotency-key': key });
    const body = (path: string) => {
      const one = { eventType: name, payload: {} };
      return path === MSG ? one : { messages: [one] };
    };
    const first = await send('later');
    const batch = await send('later-batch', `${MSG}/batch`);
    await world.operate('PATCH', `/api/v1/event-type/${name}`, { validation: 'reject' });
    const again = await send('later');
    expect([again.status, again.text]).toEqual([202, first.text]);
    expect((await send('later-batch', `${MSG}/batch`)).text).toBe(batch.text);
    expect((await send('new')).status).toBe(422);
    const elsewhere = await world.operate('POST', '/api/v1/app/nobody/msg', body(MSG), {
      'idempotency-key': 'later',
    });
    expect(elsewhere.status).toBe(422);
    await world.operate('PATCH', `/api/v1/event-type/${name}`, { validation: 'warn' });
    expect((await send('later')).json().id).toBe(first.json().id);
  });
});

describe('a payload made to be hard', () => {
  it('is answered all the same: very deep, or with a very long name', async () => {
    const schemas = { 1: { type: 'object', additionalProperties: { $ref: '#' }, maxProperties: 1 } };
    const name = 'checked.tree';
    const type = { name, description: '', schemas, validation: 'reject' };
    expect((await world.operate('POST', '/api/v1/event-type', type)).status).toBe(201);
    const send = (payload: string) =>
      world.operate('POST', MSG, `{"eventType":"${name}","payload":${payload}}`);
    const deep = (depth: number, inmost: string) => `${'{"a":'.repeat(depth)}${inmost}${'}'.repeat(depth)}`;
    expect((await send(deep(100, '{}'))).status).toBe(202);
    const wrongInside = await send(deep(100, '1'));
    expect([wrongInside.status, wrongInside.json().detail[0].loc.length]).toEqual([422, 52]);
    const tooDeep = await send(deep(150_000, '{}'));
    expect([tooDeep.status, tooDeep.json().detail]).toEqual([
      422,
      [{ loc: ['body', 'payload'], msg: expect.stringContaining('deep'), type: 'value_error' }],
    ]);
    const long = await send(`{"${'x'.repeat(500_000)}":1}`);
    expect([long.status, long.text.length < 2_000]).toEqual([422, true]);
  });
});

describe('a batch', () => {
  const batch = (...items: [string, object][]) =>
    world.operate('POST', `${MSG}/batch`, {
      messages: items.map(([validation, payload]) => ({ eventType: `checked.${validation}`, payload })),
    });

  it('is refused whole, naming the message', async () => {
    const before = await count();
    const answer = await batch(['reject', { id: 1 }], ['warn', {}], ['reject', wrong], ['reject', {}]);
    expect([answer.status, answer.json().detail.map(({ loc }: { loc: unknown }) => loc)]).toEqual([
      422,
      [
        ['body', 'messages', 2, 'payload', 'id'],
        ['body', 'messages', 2, 'payload', 'tags', 1],
        ['body', 'messages', 3, 'payload', 'id'],
      ],
    ]);
    expect(await count()).toBe(before);
    const all = await batch(...Array.from({ length: 50 }, (): [string, object] => ['reject', {}]));
    expect(all.json().detail).toHaveLength(20);
  });

  it('is taken with the warnings of each', async () => {
    const { data } = (await batch(['warn', { id: 1 }], ['warn', wrong], ['off', wrong])).json();
    const told = data.map(({ schemaProblems }: { schemaProblems?: unknown }) => schemaProblems);
    const at = ['body', 'messages', 1, 'payload'];
    expect(told).toEqual([
      undefined,
      [
        { loc: [...at, 'id'], msg: 'must be integer' },
        { loc: [...at, 'tags', 1], msg: 'must be string' },
      ],
      undefined,
    ]);
    expect(data[0].matched).toBe(false);
  });
});

describe('a schema that takes its time', () => {
  const name = 'checked.slow';
  const slow = { a: `${'a'.repeat(40)}!` };
  beforeAll(async () => {
    const schemas = { 1: { properties: { a: { type: 'string', pattern: '^(a+)+$' } } } };
    const type = { name, description: '', schemas, validation: 'reject' };
    expect((await world.operate('POST', '/api/v1/event-type', type)).status).toBe(201);
  });

  it('refuses what it cannot judge in time', async () => {
    const answer = await world.operate('POST', MSG, { eventType: name, payload: slow });
    expect([answer.status, answer.json().detail[0]]).toMatchObject([
      422,
      { loc: ['body', 'payload'], msg: 'took too long to be checked' },
    ]);
  });

  it('takes no longer for a batch, while others publish', async () => {
    const begin = performance.now();
    const messages = Array.from({ length: 100 }, () => ({ eventType: name, payload: slow }));
    const [answer, other] = await Promise.all([
      world.operate('POST', `${MSG}/batch`, { messages }),
      publish('off', { payload: {} }),
    ]);
    expect(
      answer
        .json()
        .detail.map(({ msg }: { msg: string }) => msg)
        .slice(1, 4),
    ).toEqual([
      'took too long to be checked',
      'was not checked: the checks of those before it took too long',
      'was not checked: the checks of those before it took too long',
    ]);
    expect([answer.status, other.status]).toEqual([422, 202]);
    expect(performance.now() - begin).toBeLessThan(3_000);
  });
});

describe('an example that is sent', () => {
  it('is held to the schema as well: that of another version may have it', async () => {
    const receiver = await startReceiver();
    const endpoint = (await world.operate('POST', '/api/v1/app/1/endpoint', { url: receiver.url })).json();
    const schemas = { 1: { examples: [{ a: 1 }, { b: 1 }] }, 2: { required: ['b'] } };
    const name = 'checked.example';
    await world.operate('POST', '/api/v1/event-type', { name, description: '', schemas });
    const send = (exampleIndex: number) =>
      world.operate('POST', `/api/v1/app/1/endpoint/${endpoint.id}/send-example`, {
        eventType: name,
        exampleIndex,
      });
    const change = (validation: string) =>
      world.operate('PATCH', `/api/v1/event-type/${name}`, { validation });
    expect((await send(0)).json()).not.toHaveProperty('schemaProblems');
    await change('warn');
    expect((await send(0)).json().schemaProblems).toEqual([
      { loc: ['payload', 'b'], msg: expect.any(String) },
    ]);
    await change('reject');
    const refused = await send(0);
    expect([refused.status, refused.json()]).toEqual([
      400,
      { code: 'invalid_scheme', detail: expect.stringContaining('payload.b') },
    ]);
    expect((await send(1)).status).toBe(200);
    await receiver.has(3);
    await receiver.close();
    await world.operate('DELETE', `/api/v1/app/1/endpoint/${endpoint.id}`);
  });
});

describe('validation of an event type', () => {
  const PATH = '/api/v1/event-type';
  const name = 'modes';

  it('is off at first, stays where a PUT leaves it out, and is off again in one that comes back', async () => {
    const shown = async (method: string, path: string, body: object) =>
      (await world.operate(method, `${PATH}${path}`, body)).json().validation;
    expect(await shown('PUT', `/${name}`, { description: '' })).toBe('off');
    const schemas = { 1: { type: 'object' } };
    expect(await shown('PUT', `/${name}`, { description: '', schemas, validation: 'reject' })).toBe('reject');
    expect(await shown('PUT', `/${name}`, { description: 'x', schemas })).toBe('reject');
    expect(await shown('PATCH', `/${name}`, { description: 'y' })).toBe('reject');
    expect(await shown('PATCH', `/${name}`, { validation: null })).toBe('off');
    expect(await shown('PATCH', `/${name}`, { validation: 'warn' })).toBe('warn');
    const { data } = (await world.operate('GET', `${PATH}?limit=250`)).json();
    expect(data.find((each: { name: string }) => each.name === name).validation).toBe('warn');
    await world.operate('DELETE', `${PATH}/${name}`);
    expect(await shown('POST', '', { name, description: '' })).toBe('off');
  });

  it('takes back what GET answers', async () => {
    const before = (await world.operate('GET', `${PATH}/checked.warn`)).json();
    const after = (await world.operate('PUT', `${PATH}/checked.warn`, before)).json();
    expect(after).toEqual({ ...before, updatedAt: expect.any(String) });
  });

  it.each(['on', true])('can not be %j', async (validation) => {
    const answer = await world.operate('PATCH', `${PATH}/checked.off`, { validation });
    expect([answer.status, answer.json().detail[0].loc]).toEqual([422, ['body', 'validation']]);
  });

  it('without a schema has nothing to say, and asks for one that can check', async () => {
    const wanted = { name: 'no.schema', description: '', validation: 'reject' };
    const nothing = await world.operate('POST', PATH, wanted);
    expect([nothing.status, nothing.json().detail[0]]).toMatchObject([
      422,
      { loc: ['body', 'validation'], msg: expect.stringContaining('Give it schemas first') },
    ]);
    await world.operate('POST', PATH, { ...wanted, validation: 'off' });
    const checked = await world.operate('PATCH', `${PATH}/no.schema`, { validation: 'warn' });
    expect(checked.json().detail[0].loc).toEqual(['body', 'validation']);
    const body = { eventType: 'no.schema', payload: { any: 'thing' } };
    expect((await world.operate('POST', MSG, body)).status).toBe(202);
    // Good enough to be looked at, but no code can be made of it.
    const schemas = { 1: { properties: { a: { $ref: '#/definitions/missing~2x' } }, definitions: {} } };
    const answer = await world.operate('PATCH', `${PATH}/no.schema`, { schemas, validation: 'reject' });
    expect(answer.status).toBe(422);
    const good = { schemas: { 1: { type: 'object' } }, validation: 'reject' };
    expect((await world.operate('PATCH', `${PATH}/no.schema`, good)).status).toBe(200);
    const cleared = await world.operate('PATCH', `${PATH}/no.schema`, { schemas: null });
    expect([cleared.status, cleared.json().detail[0].loc]).toEqual([422, ['body', 'schemas']]);
    const both = { schemas: null, validation: 'off' };
    expect((await world.operate('PATCH', `${PATH}/no.schema`, both)).status).toBe(200);
  });
});
