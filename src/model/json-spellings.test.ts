import { expect, it } from 'vitest';
import { jsonSpellings } from './json-spellings.ts';

it.each([
  ['plain words', []],
  ['say "hi"', ['say \\"hi\\"']],
  ['Jürgen', ['J\\u00fcrgen', 'J\\u00FCrgen']],
  ['a/b', ['a\\/b']],
  [
    'é/😀',
    [
      'é\\/😀',
      '\\u00e9/\\ud83d\\ude00',
      '\\u00e9\\/\\ud83d\\ude00',
      '\\u00E9/\\uD83D\\uDE00',
      '\\u00E9\\/\\uD83D\\uDE00',
    ],
  ],
])('spells %s as JSON writers do', (text, spellings) => {
  expect(jsonSpellings(text).sort()).toEqual([...spellings].sort());
  for (const spelling of jsonSpellings(text)) expect(JSON.parse(`"${spelling}"`)).toBe(text);
});
