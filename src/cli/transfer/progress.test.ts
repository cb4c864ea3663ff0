import { expect, test } from 'vitest';
import { countsTable, createProgress } from './progress.ts';

test.each([
  [true, 1_000],
  [false, 10_000],
])('it is said now and then how far it is (on a terminal: %s)', (isTTY, everyMs) => {
  let now = 500;
  let said = '';
  const stderr = {
    isTTY,
    write(text: string) {
      said += text;
    },
  };
  const progress = createProgress({ doing: 'exporting', clock: { monotonic: () => now }, stderr });
  progress.add('message', 1_000, 2_000_000);
  now += everyMs;
  progress.add('message', 234, 3_400_000);
  progress.add('delivery', 9, 0);
  const line = `exporting message: 1,234 rows, 5 MB in ${everyMs / 1_000} s`;
  expect(said).toBe(isTTY ? `\r${line}\x1b[K` : `${line}\n`);
  progress.end();
  expect(said.endsWith('\r\x1b[K')).toBe(isTTY);
});

test('counts are a line for each table', () => {
  expect(countsTable({ message: 12_345, delivery: 7 })).toBe('message   12,345\ndelivery       7\n');
});
