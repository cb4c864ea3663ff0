import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { elementSpans, memberSpan, valueStart } from './raw-json.ts';

/** A JSON document as its author wrote it: white space and escapes anywhere they may be, names that repeat. */
interface Written {
  readonly text: string;
}
interface WrittenObject extends Written {
  /** Name as parsed, and its value's text. */
  readonly members: readonly { name: string; value: string }[];
}

const space = fc.string({ unit: fc.constantFrom(' ', '\n', '\r', '\t'), maxLength: 2 });
/** Few names, so that they repeat. */
const name = fc.oneof(
  fc.constantFrom('payload', 'data', 'messages', '', 'é', '__proto__', 'a"b', 'a\\'),
  fc.string(),
);

/** A string's JSON text, some of its characters escaped though they need not be. */
const stringText = (value: string) =>
  fc.array(fc.boolean(), { minLength: value.length, maxLength: value.length }).map((escapes) => {
    const parts = escapes.map((escaped, index) => {
      const unit = value[index] as string;
      if (escaped) return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
      return unit === '"' || unit === '\\' || unit < ' ' || /[\ud800-\udfff]/.test(unit)
        ? JSON.stringify(unit).slice(1, -1)
        : unit;
    });
    return `"${parts.join('')}"`;
  });

const primitive = fc.oneof(
  fc.constantFrom(
    'null',
    'true',
    'false',
    '1.0',
    '-0',
    '1e400',
    '12345678901234567890',
    '"]}"',
    '"\\\\"',
    '"\\""',
  ),
  fc.string().chain(stringText),
);

const { value, object } = fc.letrec<{ value: string; object: WrittenObject; array: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    primitive,
    tie('array'),
    tie('object').map(({ text }) => text),
  ),
  array: fc
    .tuple(fc.array(fc.tuple(space, tie('value'), space), { maxLength: 5 }), space)
    .map(([elements, inside]) => {
      return elements.length === 0 ? `[${inside}]` : `[${elements.map((parts) => parts.join('')).join(',')}]`;
    }),
  object: fc
    .tuple(
      space,
      fc.array(
        fc.tuple(name, space, space, space, space, tie('value')).chain(([key, ...rest]) => {
          return stringText(key).map((keyText) => ({ key, keyText, rest }));
        }),
        { maxLength: 6 },
      ),
    )
    .map(([inside, members]) => ({
      text:
        members.length === 0
          ? `{${inside}}`
          : `{${members.map(({ keyText, rest: [a, b, c, d, text] }) => [a, keyText, b, ':', c, text, d].join('')).join(',')}}`,
      members: members.map(({ key, rest }) => ({ name: key, value: rest[4] })),
    })),
}));

function slice(text: string, span: { start: number; end: number } | null): string | null {
  return span && text.slice(span.start, span.end);
}

describe('memberSpan', () => {
  it('finds the text of any member of any object: of duplicates the last', () => {
    fc.assert(
      fc.property(space, object, space, name, (before, written, after, wanted) => {
        const text = before + written.text + after;
        JSON.parse(text);
        const last = written.members.findLast((member) => member.name === wanted);
        expect(slice(text, memberSpan(text, valueStart(text), wanted))).toBe(last?.value ?? null);
      }),
      { numRuns: 500 },
    );
  });

  it('agrees with JSON.parse', () => {
    fc.assert(
      fc.property(object, ({ text, members }) => {
        const parsed = JSON.parse(text);
        for (const { name: key } of members) {
          expect(JSON.parse(slice(text, memberSpan(text, 0, key)) ?? '')).toEqual(parsed[key]);
        }
      }),
    );
  });

  it.each([
    ['{"payload":1.0}', '1.0'],
    ['{ "payload" : { "a" : 1 } , "b" : 2 }', '{ "a" : 1 }'],
    ['{"a":{"payload":1},"payload":2}', '2'],
    ['{"a":"\\"payload\\":1","payload":2}', '2'],
    ['{"p\\u0061yload":{"x":1}}', '{"x":1}'],
    ['{"payload":1,"payload":{}}', '{}'],
    ['{"payload":1,"\\u0070ayload":3}', '3'],
    ['{"a":"\\\\","payload":[]}', '[]'],
    ['{"payloads":1,"payloa":2}', null],
    ['{}', null],
  ])('of %s is %s', (text, expected) => {
    expect(slice(text, memberSpan(text, 0, 'payload'))).toBe(expected);
  });

  it('gets through any depth', () => {
    const deep = '['.repeat(500_000) + ']'.repeat(500_000);
    const text = `{"x":${deep},"payload":${deep}}`;
    expect(slice(text, memberSpan(text, 0, 'payload'))).toBe(deep);
  });

  it('takes time in proportion to the length, also of backslashes and quotes', () => {
    for (const inside of ['\\\\', '\\"', '\\\\\\"']) {
      const long = `"${inside.repeat(500_000)}"`;
      const text = `{"x":${long},"payload":${long}}`;
      expect(slice(text, memberSpan(text, 0, 'payload'))).toBe(long);
    }
  });

  // Escapes apart: only JSON.parse knows a bad one.
  it('ends on any text, JSON or not', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'{}[]",: ap1') }), (text) => {
        memberSpan(text, 0, 'a');
        elementSpans(text, 0);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('elementSpans', () => {
  it('finds the text of every element', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(space, value, space)), space, (elements, inside) => {
        const texts = elements.map(([, text]) => text);
        const text =
          elements.length === 0 ? `[${inside}]` : `[${elements.map((parts) => parts.join('')).join(',')}]`;
        expect(elementSpans(text, 0).map((span) => slice(text, span))).toEqual(texts);
      }),
      { numRuns: 300 },
    );
  });
});
