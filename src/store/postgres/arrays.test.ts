import {
  array,
  assert,
  asyncProperty,
  constantFrom,
  integer,
  maxSafeInteger,
  oneof,
  option,
  string,
  uint8Array,
} from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestDatabase, testDatabase } from '../../../test/helpers/postgres.ts';
import { bigints, byteArrays, integers, smallints, storable, texts } from './arrays.ts';
import { type Database, openDatabase, statement, type Value } from './connection.ts';

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await testDatabase({ empty: true });
  db = openDatabase(database.url);
});
afterAll(async () => {
  await db.close();
  await database.dispose();
});

const RUNS = { numRuns: 200 };
const ROUND_TRIPS = Object.fromEntries(
  ['bigint', 'int', 'smallint', 'text', 'bytea'].map((type) => [
    type,
    statement(
      `SELECT place, element, cardinality($1::${type}[]) AS length
       FROM unnest($1::${type}[]) WITH ORDINALITY AS list (element, place) ORDER BY place`,
    ),
  ]),
);

/** What the server made of an array, element by element. */
async function echoed(type: string, value: Value): Promise<unknown[]> {
  const rows = await db.rows<{ element: unknown; length: number }>(ROUND_TRIPS[type] as never, [value]);
  for (const { length } of rows) expect(length).toBe(rows.length);
  return rows.map(({ element }) => element);
}

const lists = <T>(element: Parameters<typeof option<T>>[0]) =>
  array(option(element, { freq: 5 }), { maxLength: 40 });

test.each([
  [
    'bigint',
    bigints,
    oneof(maxSafeInteger(), constantFrom(0, -1, 2 ** 32, -(2 ** 32), 2 ** 53 - 1, -(2 ** 53 - 1))),
  ],
  ['int', integers, oneof(integer(), constantFrom(0, -1, 2 ** 31 - 1, -(2 ** 31)))],
  ['smallint', smallints, integer({ min: -32_768, max: 32_767 })],
] as const)('%s: all numbers of a list arrive', async (type, encoded, element) => {
  await assert(
    asyncProperty(lists(element), async (list) => {
      expect(await echoed(type, encoded(list))).toEqual(list);
    }),
    RUNS,
  );
});

test('texts arrive as they are, but for NUL and halves of characters', async () => {
  const awkward = constantFrom(
    '',
    '"',
    "'",
    '\\',
    '{}',
    'NULL',
    ',',
    '\0',
    'a\0b',
    '\u{1F98A}',
    '\u{1F468}\u200D\u{1F469}',
    '\uFFFD',
    '\r\n\t',
    'é',
    'e\u0301',
  );
  const text = oneof(awkward, string({ unit: 'binary' }), string({ unit: 'grapheme' }));
  await assert(
    asyncProperty(lists(text), async (list) => {
      const kept = list.map((each) => (each === null ? null : storable(each).toWellFormed()));
      expect(await echoed('text', texts(list))).toEqual(kept);
    }),
    RUNS,
  );
  expect(await echoed('text', texts(['\uD83E', 'a\0b']))).toEqual(['\uFFFD', 'a\uFFFDb']);
});

test('bytes arrive as they are', async () => {
  const bytes = uint8Array({ maxLength: 300 }).map((each) => Buffer.from(each));
  await assert(
    asyncProperty(lists(bytes), async (list) => {
      expect(await echoed('bytea', byteArrays(list))).toEqual(list);
    }),
    RUNS,
  );
});

test('a list that is long, or has nothing but NULL in it, is one like others', async () => {
  const long = Array.from({ length: 100_000 }, (_, index) => index - 50_000);
  expect(await echoed('bigint', bigints(long))).toEqual(long);
  const words = long.map((each) => `${each} \u{1F98A}`);
  expect(await echoed('text', texts(words))).toEqual(words);
  expect(await echoed('bytea', byteArrays([null, null]))).toEqual([null, null]);
  expect(await echoed('int', integers([null]))).toEqual([null]);
});
