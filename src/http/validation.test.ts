import Type from 'typebox';
import { Compile } from 'typebox/compile';
import { describe, expect, it } from 'vitest';
import { bodyCheck, type Problem, type ValidationError } from './validation.ts';

const Short = Type.Array(Type.String(), { maxItems: 3 });
const Body = Type.Object({
  channels: Type.Optional(Short),
  tags: Type.Optional(Type.Union([Short, Type.Null()])),
  names: Type.Optional(Type.Array(Type.String())),
});
const check: ReturnType<typeof bodyCheck<typeof Body>> = bodyCheck(Body);

function problemsOf(value: unknown, at?: string[]): readonly Problem[] {
  try {
    check(value, at);
    return [];
  } catch (error) {
    return (error as ValidationError).problems;
  }
}

/** An array that tells how many of its items were looked at. */
function watched(length: number) {
  const seen = new Set<string | symbol>();
  const items = new Proxy(new Array<string>(length).fill('a'), {
    get(target, name, receiver) {
      if (typeof name === 'string' && /^\d+$/.test(name)) seen.add(name);
      return Reflect.get(target, name, receiver);
    },
  });
  return { items, seen };
}

describe('an array with too many items', () => {
  it.each(['channels', 'tags'])('is refused without a look at any of them: %s', (name) => {
    const { items, seen } = watched(100_000);
    expect(problemsOf({ [name]: items })).toHaveLength(1);
    expect(seen.size).toBe(0);
  });

  it('is one problem in the words and at the place of every other', () => {
    const value = { channels: ['a', 'b', 'c', 'd'], tags: ['a', 'b', 'c', 'd'] };
    const [{ message } = { message: '' }] = Compile(Short).Errors(value.tags);
    expect(problemsOf(value)).toEqual([
      { loc: ['body', 'channels', '__all__'], msg: message, type: 'value_error' },
    ]);
    expect(problemsOf({ tags: value.tags })).toEqual([
      { loc: ['body', 'tags'], msg: message, type: 'value_error' },
    ]);
    expect(problemsOf({ tags: [1, 2, 3, 4] }, ['body', 'messages', '0'])).toEqual([
      { loc: ['body', 'messages', '0', 'tags'], msg: message, type: 'value_error' },
    ]);
  });
});

it.each([{ channels: ['a', 'b', 'c'] }, { tags: null }, { names: ['a', 'b', 'c', 'd'] }, {}])(
  'takes %j',
  (value) => {
    expect(problemsOf(value)).toEqual([]);
  },
);

it.each([null, 'text', 5, [], [1, 2, 3, 4], { channels: 'abcd' }, { channels: { length: 4 } }])(
  'refuses %j as what it is',
  (value) => {
    expect(problemsOf(value).map(({ msg }) => msg)).toEqual([expect.stringMatching(/^must be /)]);
  },
);
