import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { RANGE_ROWS, type RangeRule } from '../../src/model/address-ranges.ts';

/** The table of docs/reliability.md is the table that is judged by. */

const page = readFileSync(new URL('../../docs/reliability.md', import.meta.url), 'utf8');

const WORDS: Record<RangeRule, string> = {
  public: 'connects',
  refused: 'refuses',
  mapped: 'judges the IPv4 address in it',
  translated: 'judges the IPv4 address in it',
};

it('the page has every range, in the order in which they are asked', () => {
  const section = page.split('\n## Where Posthorn connects to\n')[1]?.split('\n## ')[0] ?? '';
  const rows = [...section.matchAll(/^\| `([0-9a-f:.]+\/\d+)` \| (.+) \| (.+) \| (.+) \|$/gm)].map((row) =>
    row.slice(1),
  );
  expect(rows).toEqual(RANGE_ROWS.map(([range, rule, name, source]) => [range, name, WORDS[rule], source]));
});
