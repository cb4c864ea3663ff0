import fc, { type Arbitrary } from 'fast-check';
import type { Operation, Parameter } from './conformance.ts';
import { type ArbitraryOptions, type JsonSchema, mutated, valuesOf } from './schema-arbitrary.ts';

/** A call as it is sent. */
export interface Called {
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer | undefined;
}

/** Ids that there are, by the name of the path's parameter. */
export type Known = Readonly<Record<string, readonly string[]>>;

/** Calls of an operation: most of them right in most of their parts. Some are made with `token` in place of the usual key. */
export function callsOf(
  components: Readonly<Record<string, JsonSchema>>,
  { method, path, operation }: { method: string; path: string; operation: Operation },
  { known, token }: { known: Known; token: string },
): Arbitrary<Called> {
  const options = { components, named };
  const body = operation.requestBody?.content['application/json']?.schema as JsonSchema | undefined;
  const query = (operation.parameters ?? []).filter((each) => each.in === 'query');
  return fc.record<Called>({
    path: fc.tuple(pathsOf(path, known), queriesOf(query, known, options)).map(([bare, tail]) => bare + tail),
    headers: headersOf(method, token),
    body: body ? bodiesOf(body, options) : fc.constant(undefined),
  });
}

/** The path with ids that there are. */
export function realPath(path: string, known: Known): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => known[name]?.[0] ?? 'x');
}

const words = (text: string) => text.split(' ');
const binaryText = fc.string({ unit: 'binary' });

const ODD_PATH_VALUES = [
  ...words('%00 %zz %2F %25 %E0%A4%A %C3%BC %F0%9F%98%80 %ED%A0%80 a%0Ab * {id} :id -1 0 1'),
  ...words('__proto__ constructor app_ ep_ msg_x atmpt_ 1_20120501073314'),
  ...words('app_2nZK5wzbb7UWeTYsEaK6mSrEQhY msg_2nZK5wzbb7UWeTYsEaK6mSrEQhY'),
  ...['', '9'.repeat(40), 'x'.repeat(300), 'x'.repeat(12_000)],
];

function pathsOf(path: string, known: Known): Arbitrary<string> {
  const unicode = binaryText.map((text) => encodeURIComponent(text.toWellFormed()));
  const steps = path.split(/\{(\w+)\}/).map((text, index) => {
    if (index % 2 === 0) return fc.constant(text);
    return fc.oneof(
      { weight: 8, arbitrary: fc.constantFrom(...(known[text] ?? ['x'])) },
      { weight: 1, arbitrary: fc.constantFrom(...Object.values(known).flat()) },
      { weight: 1, arbitrary: fc.constantFrom(...ODD_PATH_VALUES) },
      { weight: 1, arbitrary: unicode },
    );
  });
  return fc.tuple(...steps).map((parts) => parts.join(''));
}

const oddQueryValue = fc.oneof(
  fc.constantFrom(...words('0 -1 1.5 251 1e3 99999999999 true TRUE null [] undefined - a,b,, __proto__'), ''),
  fc.constantFrom(...words('2026-01-01T00:00:00Z 2026-13-01 -msg_x msg_x'), 'x'.repeat(2_000), '\u0000'),
  binaryText,
);

type Pairs = [string, string][];

/** Each parameter left out, right, near it, wrong, twice, or as a list; and some that there are not. */
function queriesOf(
  parameters: readonly Parameter[],
  known: Known,
  options: ArbitraryOptions,
): Arbitrary<string> {
  const none = fc.constant<Pairs>([]);
  const pairsOf = ({ name, schema }: Parameter): Arbitrary<Pairs> => {
    const right = valuesOf(schema as JsonSchema, options).map(String);
    const ids = fc.constantFrom(...Object.values(known).flat());
    const iterator = fc.tuple(fc.constantFrom('', '-'), ids).map((parts) => parts.join(''));
    const value = fc.oneof(
      { weight: 6, arbitrary: name === 'iterator' ? iterator : right },
      { weight: 1, arbitrary: oddQueryValue },
    );
    const twice = fc.tuple(value, value).map(
      ([a, b]): Pairs => [
        [name, a],
        [name, b],
      ],
    );
    const list = value.map(
      (text): Pairs => [
        [`${name}[]`, text],
        [`${name}[0]`, text],
      ],
    );
    return fc.oneof(
      { weight: 20, arbitrary: none },
      { weight: 6, arbitrary: value.map((text): Pairs => [[name, text]]) },
      { weight: 1, arbitrary: twice },
      { weight: 1, arbitrary: list },
    );
  };
  const unknown = fc
    .tuple(fc.constantFrom(...words('__proto__ constructor x auth_token %zz'), ''), oddQueryValue)
    .map((pair): Pairs => [pair]);
  const strange = fc.oneof({ weight: 9, arbitrary: none }, { weight: 1, arbitrary: unknown });
  const encoded = (text: string) => (text === '%zz' ? text : encodeURIComponent(text.toWellFormed()));
  return fc.tuple(...parameters.map(pairsOf), strange).map((pairs) => {
    const text = pairs.flat().map(([name, value]) => `${encoded(name)}=${encoded(value)}`);
    return text.length === 0 ? '' : `?${text.join('&')}`;
  });
}

/** Visible ASCII: what a header may hold. */
const headerText = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 1,
  maxLength: 400,
});

function headersOf(method: string, token: string): Arbitrary<Record<string, string>> {
  /** In so many of ten calls. */
  const often = (weight: number, values: Arbitrary<string>) =>
    fc.oneof({ weight: 10 - weight, arbitrary: fc.constant(undefined) }, { weight, arbitrary: values });
  const idempotencyKey = fc.oneof(fc.constantFrom('once', 'twice', ' ', '"', '__proto__'), headerText);
  const contentType = fc.oneof(fc.constantFrom('text/plain', 'application/xml', ';'), headerText);
  const authorization = fc.oneof(
    { weight: 3, arbitrary: fc.constant(`Bearer ${token}`) },
    { weight: 1, arbitrary: headerText },
    { weight: 1, arbitrary: headerText.map((text) => `Bearer ${text}`) },
  );
  return fc
    .tuple(often(method === 'post' ? 4 : 1, idempotencyKey), often(1, contentType), often(2, authorization))
    .map(([key, type, who]) => ({
      ...(key !== undefined && { 'idempotency-key': key }),
      ...(type !== undefined && { 'content-type': type }),
      ...(who !== undefined && { authorization: who }),
    }));
}

/** Whatever an endpoint is given, nothing is sent to but a closed port of this machine. */
const url = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(...words('http://127.0.0.1:1/ http://127.0.0.1:1/a?b=c#d http://[::1]:1')),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<unknown>(
      ...words('http:// http://[ ftp://127.0.0.1 http://127.0.0.1:99999 http://a:b@127.0.0.1:1 //127.0.0.1'),
      ...[
        `http://127.0.0.1:1/${'x'.repeat(70_000)}`,
        'http://127.0.0.1:1/\ud800',
        'http://\u0000',
        '',
        1,
        null,
        [],
        {},
      ],
    ),
  },
);
const secret = fc.oneof(
  fc
    .uint8Array({ minLength: 24, maxLength: 75 })
    .map((bytes) => `whsec_${Buffer.from(bytes).toString('base64')}`),
  fc.constantFrom<unknown>(...words('whsec_ whsec_! whsk_ whpk_x'), `whsk_${'A'.repeat(86)}==`, '', null),
);
const eventType = fc.constantFrom('ticket.created', 'ticket.updated');
const eventTypes = fc.oneof(fc.constant(null), fc.uniqueArray(eventType, { minLength: 1 }));
const time = fc.nat({ max: 13 * 86_400_000 }).map((ms) => new Date(Date.now() - ms).toISOString());

/** What is almost a JSON Schema: keywords with right and wrong values, to be compiled by who takes them. */
const { jsonSchema } = fc.letrec((tie) => ({
  jsonSchema: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<unknown>(true, {}, { type: 'string' }, null, 1, [], 'object'),
    fc.dictionary(
      fc.constantFrom(
        ...words(
          'type properties items required $ref $id $schema $async enum pattern format examples allOf not',
        ),
        ...words('additionalProperties definitions minimum maxLength const if then $defs default nullable'),
      ),
      fc.oneof(
        fc.constantFrom<unknown>(
          ...words('object string # #/definitions/a http://127.0.0.1:1/schema ( ^(a+)+$ uuid a'),
        ),
        fc.constantFrom<unknown>(
          'http://json-schema.org/draft-07/schema#',
          -1,
          1,
          true,
          ['a'],
          [{ a: 1 }],
          [null],
        ),
        tie('jsonSchema'),
        fc.dictionary(fc.constantFrom('a', 'b', '__proto__'), tie('jsonSchema'), {
          maxKeys: 2,
          noNullPrototype: true,
        }),
        fc.array(tie('jsonSchema'), { maxLength: 2 }),
      ),
      { maxKeys: 4, noNullPrototype: true },
    ),
  ),
}));
const schemas = fc.oneof(
  fc.constant(null),
  fc.dictionary(fc.constantFrom('1', '2', '__proto__'), jsonSchema, { maxKeys: 2, noNullPrototype: true }),
);
const named = {
  url,
  schemas,
  secret,
  key: secret,
  eventTypes,
  filterTypes: eventTypes,
  eventType: fc.oneof(eventType, fc.constantFrom('svix.ping', 'no.such', 'a b')),
  since: time,
  until: time,
};

function bodiesOf(schema: JsonSchema, options: ArbitraryOptions): Arbitrary<Buffer> {
  const right = valuesOf(schema, options);
  const written = (value: unknown) => Buffer.from(JSON.stringify(value) ?? '');
  return fc.oneof(
    { weight: 10, arbitrary: right.map(written) },
    { weight: 10, arbitrary: mutated(right).map(written) },
    { weight: 1, arbitrary: fc.json().map((text) => Buffer.from(text)) },
    { weight: 1, arbitrary: right.map((value) => written(value).subarray(0, -1)) },
    { weight: 1, arbitrary: fc.uint8Array().map((bytes) => Buffer.from(bytes)) },
  );
}

const NESTED_LEVELS = 500_000;
const nested = '['.repeat(NESTED_LEVELS) + ']'.repeat(NESTED_LEVELS);

/** For every operation that takes a body: empty, not UTF-8, huge, and nested deeper than any stack. */
export const EDGE_BODIES: readonly Buffer[] = [
  ...words('null "" 0 [] {} {"a":1,"a":2} {"__proto__":{"a":1}} 1e999 {"a":-0} [1,] NaN'),
  ...['', ' ', '\uFEFF{}', nested.slice(0, 1_000_000), nested, ' '.repeat(1_000_000)],
  `{"payload":{"a":${nested}},"eventType":"a","url":${nested}}`,
]
  .map((text) => Buffer.from(text))
  .concat(Buffer.from([0xff, 0xfe]), Buffer.from('{"name":"\xff"}', 'latin1'));
