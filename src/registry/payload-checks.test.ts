import { describe, expect, it } from 'vitest';
import { PAYLOAD_CHECK_MS, SCHEMA_COMPILE_MS } from '../limits.ts';
import type { EventType, Validation } from '../model/event-type.ts';
import { CompiledSchema } from './compiled-schema.ts';
import { compiledSchema, PayloadChecks } from './payload-checks.ts';

const SCHEMA = {
  type: 'object',
  required: ['ticket'],
  properties: {
    ticket: {
      type: 'object',
      properties: {
        id: { type: 'integer' },
        'a/b': { type: 'string' },
        tags: { type: 'array', items: { type: 'string' } },
        mail: { type: 'string', format: 'email' },
      },
      additionalProperties: false,
    },
  },
};

function checks(schemas: EventType['schemas'], validation: Validation = 'reject'): PayloadChecks {
  const made = new PayloadChecks();
  made.set({ name: 'a', schemas, validation } as EventType);
  return made;
}

/** Where the problems are. */
const paths = (made: PayloadChecks, payload: unknown) =>
  made.problems('a', payload, JSON.stringify(payload).length)?.problems.map(({ path }) => path) ?? null;

describe('a payload', () => {
  it('is as its schema says, or has problems, each with its place', () => {
    const made = checks({ 1: SCHEMA });
    expect(made.problems('a', { ticket: { id: 1, tags: ['x'], mail: 'a@b.example' } }, 2)).toBeNull();
    expect(made.problems('a', { ticket: { id: 'one' } }, 2)).toEqual({
      validation: 'reject',
      problems: [{ path: ['ticket', 'id'], message: 'must be integer' }],
      timedOut: false,
    });
    const wrong = { ticket: { 'a/b': 1, tags: ['x', 2], more: 1, mail: 'nobody' } };
    expect(paths(made, wrong)?.toSorted()).toEqual([
      ['ticket', 'a/b'],
      ['ticket', 'mail'],
      ['ticket', 'more'],
      ['ticket', 'tags', 1],
    ]);
    expect(paths(made, {})).toEqual([['ticket']]);
    expect(paths(made, [])).toEqual([[]]);
  });

  it('has no more problems than a person reads', () => {
    const made = checks({ 1: SCHEMA });
    expect(paths(made, { ticket: { tags: Array(1_000).fill(0) } })).toHaveLength(20);
  });

  it('is looked at only when its event type asks for that, as it is now', () => {
    expect(checks({ 1: SCHEMA }, 'off').problems('a', {}, 2)).toBeNull();
    expect(checks(null).problems('a', {}, 2)).toBeNull();
    const made = checks({ 1: SCHEMA }, 'warn');
    expect(made.problems('b', {}, 2)).toBeNull();
    expect(made.problems('a', {}, 2)?.validation).toBe('warn');
    made.set({ name: 'a', schemas: { 1: true }, validation: 'reject' } as unknown as EventType);
    expect(made.problems('a', {}, 2)).toBeNull();
    made.set({ name: 'a', schemas: { 1: SCHEMA }, validation: 'reject' } as unknown as EventType);
    made.delete('a');
    expect(made.problems('a', {}, 2)).toBeNull();
  });

  it('goes by the version with the highest number', () => {
    const made = checks({ 10: true, draft: false, 9: false, 2: false });
    expect(made.problems('a', {}, 2)).toBeNull();
  });
});

describe('a schema', () => {
  it.each([
    [
      'of another draft, whose name alone is known',
      { $schema: 'https://json-schema.org/draft/2020-12/schema' },
    ],
    ['with a name that another has, too', { $id: 'https://example.com/a' }],
    ['with words and formats that no draft has', { 'x-note': 1, properties: { a: { format: 'ticket' } } }],
    ['that refers to a place in itself', { $ref: '#/definitions/a', definitions: { a: { type: 'object' } } }],
  ])('%s checks', (_, schema) => {
    for (let times = 0; times < 2; times++)
      expect(compiledSchema({ 1: schema })).toBeInstanceOf(CompiledSchema);
    expect(checks({ 1: schema }).problems('a', {}, 2)).toBeNull();
  });

  it.each([
    ['refers to what is not there', { $ref: 'https://example.com/b' }],
    ['has a pattern that is none', { properties: { a: { pattern: '(' } } }],
    ['is asynchronous', { $async: true, type: 'object' }],
  ])('that %s does not', (_, schema) => {
    expect(compiledSchema({ 1: schema })).toEqual(expect.any(String));
  });
});

/** A look at it, with its time in ms. */
function timed<Result>(look: () => Result): { result: Result; ms: number } {
  const begin = performance.now();
  const result = look();
  return { result, ms: performance.now() - begin };
}

const named = (count: number, of: (index: number) => unknown) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, of(index)]));

describe('the time of a schema', () => {
  it('does not grow with what it would be without references', () => {
    const one = { type: 'object', properties: named(60, () => ({ type: 'string', minLength: 1 })) };
    const schema = { definitions: { one }, properties: named(800, () => ({ $ref: '#/definitions/one' })) };
    const { result, ms } = timed(() => compiledSchema({ 1: schema }));
    expect(result).toBeInstanceOf(CompiledSchema);
    expect(ms).toBeLessThan(SCHEMA_COMPILE_MS);
  });

  it('is up some day', () => {
    const schema = { properties: named(3_000, () => ({ oneOf: Array(10).fill({ enum: [1, 'a', {}] }) })) };
    const { result, ms } = timed(() => compiledSchema({ 1: schema }));
    expect(result).toBe('it takes too long to compile');
    expect(ms).toBeLessThan(3 * SCHEMA_COMPILE_MS);
  });
});

describe('the time of a check', () => {
  const comment = {
    required: ['id'],
    properties: { children: { type: 'array', items: { $ref: '#/definitions/comment' } } },
  };
  const LONG = 'a'.repeat(40);
  const unfit = 'took too long to be checked';

  it.each([
    [
      'a pattern that tries all ways',
      { properties: { a: { pattern: '^(a+)+$' } } },
      { a: `${LONG}!` },
      unfit,
    ],
    ['names by such a pattern', { propertyNames: { pattern: '^(a+)+$' } }, { [`${LONG}!`]: 1 }, unfit],
    [
      'objects that must differ',
      { properties: { a: { uniqueItems: true } } },
      { a: Array.from({ length: 20_000 }, (_, id) => ({ id })) },
      unfit,
    ],
    [
      'very many problems',
      { definitions: { comment }, properties: { a: { items: { $ref: '#/definitions/comment' } } } },
      { a: Array(100_000).fill({}) },
      "must have required property 'id'",
    ],
    ['a format', { properties: { a: { format: 'url' } } }, { a: `http://${':'.repeat(100_000)}` }, unfit],
  ])('with %s is over after a moment', (_, schema, payload, message) => {
    const made = checks({ 1: schema });
    const characters = JSON.stringify(payload).length;
    const { result, ms } = timed(() => made.problems('a', payload, characters));
    expect(result?.problems.map((each) => each.message)).toEqual([message]);
    expect(result?.timedOut).toBe(message === unfit);
    expect(ms).toBeLessThan(10 * PAYLOAD_CHECK_MS);
  });

  it('ends where a schema refers to itself alone, and where a payload is as deep as it is long', () => {
    expect(compiledSchema({ 1: { $ref: '#' } })).toBe('it is too large, or refers to itself without end');
    const again = { allOf: [{ $ref: '#/definitions/a' }] };
    const loop = { definitions: { a: again }, properties: { a: again } };
    const made = checks({ 1: loop });
    expect(made.problems('a', {}, 2)).toBeNull();
    expect(made.problems('a', { a: 1 }, 7)?.problems).toEqual([
      {
        path: [],
        message: 'cannot be checked: its schema is too large for that, or refers to itself without end',
      },
    ]);
    let deep: object = {};
    for (let level = 0; level < 100_000; level++) deep = { a: deep };
    const tree = checks({ 1: { properties: { a: { $ref: '#' } } } });
    expect(tree.problems('a', deep, 500_000)?.problems).toEqual([
      { path: [], message: 'is too deep to be checked' },
    ]);
  });
});

it('a definition that refers to itself by two ways is looked at no longer than the deadline', () => {
  const filter = (name: string) => ({
    type: 'object',
    required: [name],
    properties: { [name]: { type: 'array', items: { $ref: '#/definitions/expression' } } },
  });
  const expression = { oneOf: [{ allOf: [filter('of')] }, { allOf: [filter('of')] }, { type: 'integer' }] };
  const made = checks({ 1: { definitions: { expression }, $ref: '#/definitions/expression' } });
  let payload: object | number = 1;
  for (let depth = 0; depth < 60; depth++) payload = { of: [payload] };
  const startedAt = performance.now();
  expect(made.problems('a', payload, 600)).toMatchObject({
    problems: [{ message: 'took too long to be checked' }],
    timedOut: true,
  });
  // Far from the hours that it would take.
  expect(performance.now() - startedAt).toBeLessThan(20 * SCHEMA_COMPILE_MS);
});

it('a large definition that V8 finds too nested when it is first entered is looked at in another way', () => {
  const properties = Object.fromEntries(
    Array.from({ length: 1_900 }, (_, index) => [`f${index}`, { type: 'string' }]),
  );
  const made = checks({
    1: { properties: { a: { $ref: '#/definitions/e' } }, definitions: { e: { type: 'object', properties } } },
  });
  expect(made.problems('a', { a: { f1: 'x' } }, 20)).toBeNull();
  expect(paths(made, { a: { f1: 1, f2: 2 } })).toEqual([
    ['a', 'f1'],
    ['a', 'f2'],
  ]);
});

it('patterns are those of draft 7, in which a dash may be escaped', () => {
  const made = checks({ 1: { properties: { a: { pattern: '^\\d{4}\\-\\d{2}$' } } } });
  expect(made.problems('a', { a: '2026-11' }, 15)).toBeNull();
  expect(paths(made, { a: '2026' })).toEqual([['a']]);
});

it('names that are not allowed are told', () => {
  const made = checks({ 1: { propertyNames: { maxLength: 1 }, dependencies: { a: ['b'] } } });
  expect(paths(made, { abc: 1 })).toEqual([['abc'], ['abc']]);
  expect(paths(made, { a: 1 })).toEqual([['b']]);
});
