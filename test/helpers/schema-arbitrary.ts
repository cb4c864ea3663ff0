import fc, { type Arbitrary } from 'fast-check';

/** JSON Schema, as far as the server's own document uses it. */
export interface JsonSchema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly format?: string;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly multipleOf?: number;
  readonly items?: JsonSchema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>;
}

export interface ArbitraryOptions {
  readonly components: Readonly<Record<string, JsonSchema>>;
  /** What a property of this name is made of, whatever its schema says: to hit what is there, and nothing else. */
  readonly named: Readonly<Record<string, Arbitrary<unknown>>>;
}

const SOME = 3;
const DATE_RANGE = {
  min: new Date('1969-12-31T00:00:00Z'),
  max: new Date('2040-01-01T00:00:00Z'),
  noInvalidDate: true,
};

/** Values that the schema allows. */
export function valuesOf(schema: JsonSchema, options: ArbitraryOptions): Arbitrary<unknown> {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.slice(schema.$ref.lastIndexOf('/') + 1);
    return valuesOf(options.components[name] as JsonSchema, options);
  }
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.const !== undefined) return fc.constant(schema.const);
  const branches = schema.anyOf ?? schema.oneOf;
  if (branches) return fc.oneof(...branches.map((branch) => valuesOf(branch, options)));
  if (Array.isArray(schema.type)) {
    return fc.oneof(...schema.type.map((type) => valuesOf({ ...schema, type }, options)));
  }
  switch (schema.type) {
    case 'string':
      return textsOf(schema);
    case 'integer':
      return integersOf(schema);
    case 'number':
      return fc.double({ ...boundsOf(schema), noNaN: true });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array': {
      const { items = {}, minItems = 0, maxItems = minItems + SOME } = schema;
      return fc.array(valuesOf(items, options), {
        minLength: minItems,
        maxLength: Math.min(maxItems, minItems + SOME),
      });
    }
    case 'object':
      return objectsOf(schema, options);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

function textsOf({
  format,
  pattern,
  minLength = 0,
  maxLength = Number.MAX_SAFE_INTEGER,
}: JsonSchema): Arbitrary<string> {
  if (format === 'date-time') return fc.date(DATE_RANGE).map((date) => date.toISOString());
  if (pattern === undefined) {
    return fc.string({ unit: 'grapheme', minLength, maxLength: Math.min(maxLength, minLength + 20) });
  }
  // fast-check makes no texts for what must not follow; those few it makes against it are cases of their own.
  const plain = new RegExp(pattern.replaceAll(/\(\?![^)]*\)/g, ''));
  return fc
    .stringMatching(plain)
    .filter((text) => text.length >= minLength)
    .map((text) => text.slice(0, maxLength));
}

function boundsOf({ minimum = -1_000_000, maximum = 1_000_000_000 }: JsonSchema): {
  min: number;
  max: number;
} {
  return { min: minimum, max: Math.max(minimum, maximum) };
}

function integersOf(schema: JsonSchema): Arbitrary<number> {
  const { min, max } = boundsOf(schema);
  const { multipleOf: step = 1 } = schema;
  return fc.integer({ min: Math.ceil(min / step), max: Math.floor(max / step) }).map((each) => each * step);
}

function objectsOf(schema: JsonSchema, options: ArbitraryOptions): Arbitrary<Record<string, unknown>> {
  const { properties = {}, required = [], additionalProperties, patternProperties } = schema;
  const model = Object.fromEntries(
    Object.entries(properties).map(([name, each]) => [name, options.named[name] ?? valuesOf(each, options)]),
  );
  const [free] = Object.values(patternProperties ?? {});
  const member = typeof additionalProperties === 'object' ? additionalProperties : free;
  if (Object.keys(model).length > 0) {
    const requiredKeys = required.filter((name) => name in model);
    return fc.record(model, { requiredKeys, noNullPrototype: true });
  }
  const values = member ? valuesOf(member, options) : fc.jsonValue({ maxDepth: 2 });
  return fc.dictionary(fc.string({ maxLength: 12 }), values, { maxKeys: SOME, noNullPrototype: true });
}

const deep = (levels: number) => JSON.parse('['.repeat(levels) + ']'.repeat(levels)) as unknown;

/** What belongs nowhere: wrong types, bounds of numbers and texts, and names that mean something to JavaScript. */
const nasty: Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, 0, -1, 1, 1.5, 65_535, 65_536, 2 ** 31, 2 ** 53, 1e308, -1e308),
  fc.constantFrom<unknown>(
    '',
    ' ',
    '0',
    '\u0000',
    '\ud800',
    '\udc00a',
    '😀',
    '__proto__',
    'constructor',
    'null',
  ),
  fc.constantFrom<unknown>(
    '2026-02-30T00:00:00Z',
    '9999-12-31T23:59:59Z',
    '0000-01-01T00:00:00Z',
    '+275760-09-13T00:00:00Z',
  ),
  fc.constantFrom<unknown>(
    [],
    {},
    [null],
    [[]],
    { a: {} },
    deep(50),
    deep(3_000),
    JSON.parse('{"__proto__":{"a":1}}'),
  ),
  fc.nat({ max: 3 }).map((size) => 'x'.repeat(100 * 10 ** size)),
  fc.string({ unit: 'binary' }),
  fc.jsonValue({ maxDepth: 3 }),
);

const ODD_NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '', '\ud800', 'a.b', '0'];

/** A value with something wrong in one place of it: a field changed, gone, or one too many. */
export function mutated(values: Arbitrary<unknown>): Arbitrary<unknown> {
  const change = fc.record({
    kind: fc.constantFrom('change', 'change', 'remove', 'add'),
    steps: fc.array(fc.nat({ max: 30 }), { minLength: 1, maxLength: SOME }),
    value: nasty,
    name: fc.constantFrom(...ODD_NAMES),
  });
  return fc.tuple(values, change).map(([value, { kind, steps, value: wrong, name }]) => {
    const copy: unknown = structuredClone(value);
    const place = placeIn(copy, steps);
    if (place === null) return wrong;
    if (kind === 'remove') delete place.owner[place.key];
    else own(place.owner, kind === 'add' ? name : place.key, wrong);
    return copy;
  });
}

/** Walks down by the numbers, as far as there is something; null when there is nothing to change. */
function placeIn(
  value: unknown,
  steps: readonly number[],
): { owner: Record<string, unknown>; key: string } | null {
  let place: { owner: Record<string, unknown>; key: string } | null = null;
  let at = value;
  for (const step of steps) {
    if (typeof at !== 'object' || at === null || Object.keys(at).length === 0) break;
    const owner = at as Record<string, unknown>;
    const keys = Object.keys(owner);
    const key = keys[step % keys.length] as string;
    place = { owner, key };
    at = owner[key];
  }
  return place;
}

/** Sets a member of that very name: `__proto__` is none with `=`. */
function own(owner: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(owner, name, { value, enumerable: true, configurable: true, writable: true });
}
