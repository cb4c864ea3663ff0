import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { command, temporaryFolder } from '../cli/command.ts';

const BENCH = join(import.meta.dirname, '../../bench/run.ts');
/** Rows that between them use most of the benchmark: all of them take a minute on a machine of their own. */
const ROWS = ['a3', 'h', 'j', 'k'];

// Whether it works and ends, never how fast anything is.
it('the benchmark ends with its figures', { timeout: 170_000 }, async () => {
  const json = join(temporaryFolder(), 'figures.json');
  const bench = command(process.execPath, [BENCH, '--quick', '--rows', ROWS.join(','), '--json', json]);

  const { code, stderr } = await bench.ended;

  expect(code, stderr).toBe(0);
  const { rows, quick } = JSON.parse(readFileSync(json, 'utf8')) as {
    quick: boolean;
    rows: { id: string; lines: { name: string; value: { median: number }; beside: { median: number } }[] }[];
  };
  expect(quick).toBe(true);
  expect(rows.map(({ id }) => id)).toEqual(ROWS);
  for (const { lines } of rows) {
    expect(lines.length).toBeGreaterThan(0);
    for (const { name, value, beside } of lines) {
      expect(value.median, name).toBeGreaterThanOrEqual(0);
      expect(beside.median, name).toBeGreaterThan(0);
    }
  }
  // What has no time in it: nothing acknowledged is lost.
  const arrived =
    rows.find(({ id }) => id === 'k')?.lines.filter(({ name }) => name.includes('arrived')) ?? [];
  expect(arrived.map(({ value, beside }) => value.median / beside.median)).toEqual([1, 1]);
});

it('a row that does not exist is refused, with the rows there are', async () => {
  const { code, stderr } = await command(process.execPath, [BENCH, '--rows', 'a,zz']).ended;

  expect(code).toBe(2);
  expect(stderr).toMatch(/There is no row "zz"/);
  expect(stderr).toMatch(/overload/);
});
