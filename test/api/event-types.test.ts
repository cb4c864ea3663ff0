import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EVENT_SCHEMAS_CHARACTERS, EVENT_SCHEMAS_DEPTH } from '../../src/limits.ts';
import { type Company, startWorld, type World } from '../helpers/world.ts';

/** The catalogue as operators change it; what is read of the first one is in reading.test.ts. */

let world: World;
let company: Company;
beforeAll(async () => {
  world = await startWorld();
  company = world.company;
});
afterAll(() => world.close());

const PATH = '/api/v1/event-type';
const create = (body: object) => world.operate('POST', PATH, { description: 'x', ...body });
const call = (method: string, name: string, body?: unknown) => world.operate(method, `${PATH}/${name}`, body);
const names = async (query: string, key = world.operatorKey): Promise<string[]> =>
  (await world.call('GET', `${PATH}?limit=250&${query}`, { key }))
    .json()
    .data.map(({ name }: { name: string }) => name);

describe('an event type', () => {
  it('is created with 201, read and listed, with every field of both generations', async () => {
    const schemas = { 1: { type: 'object', examples: [{ a: 1 }] }, 2: true };
    const body = { name: 'made.full', description: 'Full', schemas, groupName: 'made', deprecated: true };
    const answer = await create({ ...body, featureFlags: ['one', 'two', 'one'] });
    expect([answer.status, answer.json()]).toEqual([
      201,
      {
        ...body,
        archived: false,
        featureFlag: 'one',
        featureFlags: ['one', 'two'],
        validation: 'off',
        createdAt: expect.stringMatching(/Z$/),
        updatedAt: expect.stringMatching(/Z$/),
      },
    ]);
    expect((await call('GET', 'made.full')).json()).toEqual(answer.json());
    const { data } = (await world.operate('GET', `${PATH}?iterator=made.f&limit=1`)).json();
    expect(data).toEqual([{ ...answer.json(), schemas: null }]);
    const plain = (
      await create({ name: 'made.plain', schemas: null, featureFlags: [], groupName: null })
    ).json();
    expect(plain).toMatchObject({
      schemas: null,
      featureFlag: null,
      featureFlags: null,
      groupName: null,
      deprecated: false,
    });
    const single = (await create({ name: 'made.single', featureFlag: 'three' })).json();
    expect([single.featureFlag, single.featureFlags]).toEqual(['three', ['three']]);
  });

  it('answers 409 to a name that is taken, but takes back one that was archived', async () => {
    await create({ name: 'again', schemas: { 1: {} }, featureFlag: 'f', groupName: 'g' });
    const taken = await create({ name: 'again' });
    expect([taken.status, taken.json().code]).toEqual([409, 'event_type_exists']);
    expect((await call('DELETE', 'again')).status).toBe(204);
    expect((await call('GET', 'again')).json()).toMatchObject({ archived: true, schemas: { 1: {} } });
    const back = await create({ name: 'again', description: 'Back' });
    expect([back.status, back.json()]).toEqual([
      201,
      {
        name: 'again',
        description: 'Back',
        archived: false,
        deprecated: false,
        schemas: null,
        featureFlag: null,
        featureFlags: null,
        groupName: null,
        validation: 'off',
        createdAt: expect.any(String),
        updatedAt: expect.any(String),
      },
    ]);
  });

  it('is replaced by PUT, or made', async () => {
    const made = await call('PUT', 'put', {
      description: 'x',
      schemas: { 1: {} },
      featureFlag: 'f',
      groupName: 'g',
    });
    expect([made.status, made.json().name]).toEqual([201, 'put']);
    const replaced = await call('PUT', 'put', { description: 'y', name: 'ignored' });
    expect([replaced.status, replaced.json()]).toEqual([
      200,
      {
        ...made.json(),
        description: 'y',
        schemas: null,
        featureFlag: null,
        featureFlags: null,
        groupName: null,
        updatedAt: expect.any(String),
      },
    ]);
    await call('DELETE', 'put');
    expect((await call('PUT', 'put', { description: 'z', archived: true })).json().archived).toBe(true);
    const back = await call('PUT', 'put', { description: 'z' });
    expect([back.status, back.json().archived]).toEqual([200, false]);
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => call('PUT', 'put.at.once', { description: 'x' })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array(9).fill(200), 201]);
  });

  it('is changed by PATCH: absent stays, null clears', async () => {
    const schemas = { 1: { type: 'object' } };
    const made = (await create({ name: 'patch', schemas, featureFlags: ['a'], groupName: 'g' })).json();
    const changed = async (fields: object) => (await call('PATCH', 'patch', fields)).json();
    expect(await changed({})).toEqual({ ...made, updatedAt: expect.any(String) });
    expect(await changed({ description: 'y', deprecated: true, archived: true })).toMatchObject({
      description: 'y',
      deprecated: true,
      archived: true,
      schemas,
      featureFlags: ['a'],
    });
    expect((await changed({ archived: false })).archived).toBe(false);
    expect((await changed({ featureFlag: 'b' })).featureFlags).toEqual(['b']);
    expect((await changed({ featureFlags: ['c', 'd'], featureFlag: 'e' })).featureFlags).toEqual(['c', 'd']);
    expect((await changed({ featureFlags: null, featureFlag: 'e' })).featureFlags).toBeNull();
    await changed({ featureFlag: 'f' });
    expect((await changed({ featureFlag: null })).featureFlags).toBeNull();
    expect(await changed({ schemas: null, groupName: null })).toMatchObject({
      schemas: null,
      groupName: null,
    });
    expect((await call('PATCH', 'no.such', {})).status).toBe(404);
  });

  it('is archived by DELETE, or removed altogether', async () => {
    await create({ name: 'gone' });
    expect((await call('DELETE', 'gone')).status).toBe(204);
    expect((await call('DELETE', 'gone')).status).toBe(204);
    expect(await names('')).not.toContain('gone');
    expect(await names('include_archived=true')).toContain('gone');
    const removed = await call('DELETE', 'gone?expunge=true');
    expect([removed.status, removed.text]).toEqual([204, '']);
    expect((await call('GET', 'gone')).json().code).toBe('not_found');
    for (const query of ['', '?expunge=true'])
      expect((await call('DELETE', `gone${query}`)).json().code).toBe('not_found');
    expect((await call('DELETE', 'gone?expunge=yes')).json().code).toBe('generic_error');
  });

  it('is bounded in number', async () => {
    const small = await startWorld({
      store: (store) => ({
        ...store,
        eventTypeInsert: ({ eventType }) => store.eventTypeInsert({ eventType, limit: 14 }),
      }),
    });
    const more = (name: string) => small.operate('POST', PATH, { name, description: 'x' });
    expect((await more('one')).status).toBe(201);
    const over = await more('two');
    expect([over.status, over.json().code]).toEqual([400, 'limit_reached']);
    expect((await small.operate('PUT', `${PATH}/two`, { description: 'x' })).json().code).toBe(
      'limit_reached',
    );
    expect((await small.operate('PUT', `${PATH}/one`, { description: 'y' })).status).toBe(200);
    await small.close();
  });
});

describe('a list of event types', () => {
  it('goes by name in either order, both ways', async () => {
    const ascending = await names('order=ascending');
    expect(ascending).toEqual(ascending.toSorted());
    expect(await names('')).toEqual(ascending);
    const descending = ascending.toReversed();
    expect(await names('order=descending')).toEqual(descending);
    const page = async (iterator: string) =>
      (await world.operate('GET', `${PATH}?order=descending&limit=3&iterator=${iterator}`)).json();
    const second = await page(descending[2] as string);
    expect(second.data.map(({ name }: { name: string }) => name)).toEqual(descending.slice(3, 6));
    const first = await page(second.prevIterator);
    expect(first.data.map(({ name }: { name: string }) => name)).toEqual(descending.slice(0, 3));
    expect(first.done).toBe(true);
  });

  it('ends a page where its schemas come to more than 4 Mi characters, both ways', async () => {
    const large = await startWorld();
    const schemas = { 1: { enum: ['x'.repeat(128 * 1024 - 100)] } };
    const made = Array.from({ length: 70 }, (_, index) => `zz.${String(index).padStart(2, '0')}`);
    for (const name of made) {
      expect((await large.operate('PUT', `${PATH}/${name}`, { description: '', schemas })).status).toBe(201);
    }
    const page = async (iterator: string, content: boolean) => {
      const answer = await large.operate(
        'GET',
        `${PATH}?limit=250&iterator=${iterator}&with_content=${content}`,
      );
      expect(answer.text.length).toBeLessThan(5 * 1024 * 1024);
      const { data, ...rest } = answer.json();
      return { names: data.map(({ name }: { name: string }) => name), ...rest };
    };
    expect(await page('zz', false)).toMatchObject({ names: made, done: true });
    const there = [await page('zz', true)];
    while (!there.at(-1)?.done) there.push(await page(there.at(-1)?.iterator, true));
    expect(there.map(({ names }) => names.length)).toEqual([32, 32, 6]);
    expect(there.flatMap(({ names }) => names)).toEqual(made);
    const back = await page(there[2]?.prevIterator, true);
    expect([back.names, back.done]).toEqual([made.slice(32, 64), false]);
    await large.close();
  });

  it('and each of them is shown to an application only with one of its flags, if it has any', async () => {
    await create({ name: 'flag.open' });
    await create({ name: 'flag.beta', featureFlags: ['beta', 'gamma'] });
    await create({ name: 'flag.other', featureFlag: 'other' });
    const keyWith = async (featureFlags: string[]): Promise<string> =>
      (await world.operate('POST', '/api/v1/auth/app-portal-access/1', { featureFlags })).json().token;
    for (const [key, seen] of [
      [await keyWith([]), ['flag.open']],
      [company.token, ['flag.open']],
      [await keyWith(['gamma', 'unknown']), ['flag.beta', 'flag.open']],
      [await keyWith(['beta', 'other']), ['flag.beta', 'flag.open', 'flag.other']],
      [world.operatorKey, ['flag.beta', 'flag.open', 'flag.other']],
    ] as const) {
      const listed = (await names('', key)).filter((name) => name.startsWith('flag.'));
      expect(listed).toEqual(seen);
      for (const name of ['flag.beta', 'flag.open', 'flag.other']) {
        const { status } = await world.call('GET', `${PATH}/${name}`, { key });
        expect([name, status]).toEqual([name, listed.includes(name) ? 200 : 404]);
      }
    }
  });
});

describe('what is refused with 422', () => {
  it.each<[object, unknown[], string]>([
    [{ name: null }, ['body', 'name'], 'value_error.jsondecode'],
    [{ name: 'a b' }, ['body', 'name', '__all__'], 'value_error'],
    [{ name: '-a' }, ['body', 'name', '__all__'], 'value_error'],
    [{ name: 'x'.repeat(257) }, ['body', 'name', '__all__'], 'value_error'],
    [{ description: 5 }, ['body', 'description'], 'value_error.jsondecode'],
    [{ description: 'a\u0000' }, ['body', 'description'], 'value_error'],
    [{ archived: null }, ['body', 'archived'], 'value_error.jsondecode'],
    [{ deprecated: 1 }, ['body', 'deprecated'], 'value_error.jsondecode'],
    [{ featureFlag: 'a b' }, ['body', 'featureFlag'], 'value_error.jsondecode'],
    [{ featureFlags: ['a', 'b b'] }, ['body', 'featureFlags', 1], 'value_error.jsondecode'],
    [{ featureFlags: Array(51).fill('a') }, ['body', 'featureFlags'], 'value_error.jsondecode'],
    [{ groupName: 'a b' }, ['body', 'group_name', '__all__'], 'value_error'],
    [{ schemas: [] }, ['body', 'schemas'], 'value_error.jsondecode'],
    [{ schemas: { 1: {}, 2: { type: 'nonsense' } } }, ['body', 'schemas', '2'], 'value_error'],
  ])('%j', async (fields, loc, type) => {
    const answer = await create({ name: 'refused', ...fields });
    expect([answer.status, answer.json().detail]).toEqual([422, [{ loc, msg: expect.any(String), type }]]);
    expect((await call('GET', 'refused')).status).toBe(404);
  });

  it('a body without what it must have', async () => {
    const answer = await world.operate('POST', PATH, {});
    expect(answer.json().detail).toEqual(
      ['name', 'description'].map((name) => ({
        loc: ['body', '', ''],
        msg: `missing field \`${name}\``,
        type: 'value_error.jsondecode',
      })),
    );
  });

  it('the name in a path, where it would make one', async () => {
    for (const name of ['a%20b', 'x'.repeat(257), '%C3%A9', 'a%0A', '-a']) {
      const answer = await call('PUT', name, { description: 'x' });
      expect([answer.status, answer.json().detail[0].loc]).toEqual([422, ['path', 'event_type_name']]);
      expect((await call('PATCH', name, { description: 'x' })).status).toBe(404);
    }
  });
});

describe('a schema', () => {
  const nested = (depth: number): object => {
    let schema: object = {};
    for (let level = 0; level < depth; level++) schema = { not: schema };
    return schema;
  };

  it.each<[string, object]>([
    ['with references into itself', { $ref: '#/definitions/a~1b', definitions: { 'a/b': { $ref: '#' } } }],
    ['with references by id', { items: { $id: '#item' }, contains: { $ref: '#item' } }],
    ['with data that looks like references', { enum: [{ $ref: 'x' }], default: { $ref: 'y' }, const: {} }],
    ['with a property called $ref', { properties: { $ref: { type: 'string' } } }],
    [
      'of a newer draft, as far as it is one of draft 7',
      { $schema: 'https://json-schema.org/draft/2020-12/schema' },
    ],
    ['with words that draft 7 does not know', { 'x-mine': 1, format: 'no-such', examples: [1] }],
    ['that nests deep', nested(EVENT_SCHEMAS_DEPTH - 2)],
    ['with a member called __proto__', JSON.parse('{"properties":{"__proto__":{"type":"string"}}}')],
  ])('is taken %s', async (_what, schema) => {
    const answer = await call('PUT', 'schema.good', { description: 'x', schemas: { 1: schema } });
    expect(answer.json().schemas).toEqual({ 1: schema });
  });

  it.each<[string, unknown]>([
    ['no schema', 'text'],
    ['null', null],
    ['a type that there is not', { properties: { a: { type: 'text' } } }],
    ['a pattern that is none', { pattern: '(' }],
    ['a pattern of names that is none', { patternProperties: { '[': {} } }],
    ['a reference to the network', { $ref: 'http://127.0.0.1:1/schema.json' }],
    ['a reference to a file', { allOf: [{ $ref: 'file:///etc/passwd' }] }],
    ['a reference to nowhere', { $ref: '#/definitions/a' }],
    ['a reference to what is no schema', { $ref: '#/title', title: 'x' }],
    ['a reference to what every object has', { $ref: '#/constructor' }],
    ['nested too deep', nested(EVENT_SCHEMAS_DEPTH)],
    ['nested as deep as a body can be', nested(50_000)],
    ['over its size', { title: 'x'.repeat(EVENT_SCHEMAS_CHARACTERS) }],
  ])('is refused with %s', async (_what, schema) => {
    const schemas = `{"1":${schema === null || typeof schema !== 'object' ? JSON.stringify(schema) : textOf(schema)}}`;
    for (const [method, name] of [
      ['PUT', 'schema.bad'],
      ['PATCH', 'ticket.created'],
    ] as const) {
      const answer = await call(method, name, `{"description":"x","schemas":${schemas}}`);
      expect([answer.status, answer.json().detail[0].loc.slice(0, 2)]).toEqual([422, ['body', 'schemas']]);
    }
  });

  /** `JSON.stringify` cannot go as deep as a parser can. */
  function textOf(schema: object): string {
    let depth = 0;
    let left = schema as { not?: { not?: object } };
    while (left.not !== undefined) {
      left = left.not;
      depth++;
    }
    return '{"not":'.repeat(depth) + JSON.stringify(left) + '}'.repeat(depth);
  }

  it('is judged in a moment, whatever it is', async () => {
    for (const schema of [
      { enum: Array(40_000).fill({}) },
      { type: Array(40_000).fill({}) },
      { required: Array.from({ length: 15_000 }, (_one, index) => `p${index}`) },
      { anyOf: Array(20_000).fill({}) },
      { pattern: `^${'(a+)+'.repeat(20_000)}$` },
      { allOf: Array(5_000).fill({ $ref: '#/allOf/0' }) },
    ]) {
      // It takes a few ms. Done without care it takes up to 20 s, and the world's calls give up after 10.
      const answer = await call('PUT', 'schema.large', { description: 'x', schemas: { 1: schema } });
      expect([200, 201, 422]).toContain(answer.status);
    }
  });
});

describe('one world', () => {
  it('endpoints can ask only for what is there and not archived', async () => {
    await create({ name: 'asked' });
    const endpoint = { url: 'http://127.0.0.1:1', eventTypes: ['asked', 'ticket.created', 'not.there'] };
    const post = () => world.operate('POST', '/api/v1/app/1/endpoint', endpoint);
    expect((await post()).json().detail).toEqual([
      {
        loc: ['body', 'eventTypes'],
        msg: "The following event types don't exist: not.there",
        type: 'value_error',
      },
    ]);
    await call('DELETE', 'asked');
    expect((await post()).json().detail[0].msg).toBe(
      "The following event types don't exist: asked, not.there",
    );
    await call('PATCH', 'asked', { archived: false });
    await call('PUT', 'not.there', { description: 'x' });
    expect((await post()).status).toBe(201);
  });

  it('the Web Hooks API tests with what is in the catalogue now', async () => {
    const test = async (actionType: string) =>
      (
        await world.hooks('POST', '/web_hooks/test.json', {
          action_type: actionType,
          url: 'http://127.0.0.1:1',
        })
      ).json();
    expect((await test('own.action')).errors.action_type[0]).toContain('is not a known action type');
    await create({ name: 'own.action' });
    await create({ name: 'secret.action', featureFlag: 'beta' });
    expect((await test('own.action')).errors.action_type[0]).toContain('no example');
    await call('PATCH', 'own.action', { schemas: { 1: { examples: [{ a: 1 }] } } });
    expect((await test('own.action')).test).toMatchObject({ result: 'failed', action_type: 'own.action' });
    await call('DELETE', 'own.action');
    const [problem] = (await test('own.action')).errors.action_type;
    expect(problem).toContain('is not a known action type');
    expect(problem.split('known are:')[1]).not.toMatch(/own\.action|secret\.action/);
  });

  it('outlives a restart', async () => {
    const first = await startWorld();
    const body = {
      description: 'x',
      schemas: { 1: { examples: [1] } },
      featureFlags: ['a', 'b'],
      groupName: 'g',
    };
    const made = (await first.operate('PUT', `${PATH}/lasting`, body)).json();
    await first.operate('DELETE', `${PATH}/ticket.created`);
    await first.close({ keepFolder: true });
    const second = await startWorld({ folder: first.folder });
    expect((await second.operate('GET', `${PATH}/lasting`)).json()).toEqual(made);
    expect((await second.operate('GET', `${PATH}/ticket.created`)).json().archived).toBe(true);
    await second.close();
  });
});
