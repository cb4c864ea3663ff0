import { expect, test } from 'vitest';
import { type ScannedRow, scan } from './scan.ts';

const row = (key: number, hit: 0 | 1 = 0, cost = 0): ScannedRow => [`id_${key}`, key, hit, cost];

test('stops at the bound, and says where', () => {
  const rows = [row(1), row(2, 1), row(3), row(4, 1)];
  expect(scan(rows, 9, 3)).toEqual({ keys: [2], scannedTo: 'id_3' });
  expect(scan(rows, 9, 9)).toEqual({ keys: [2, 4], scannedTo: null });
});

test('stops when there are hits enough, and reads no row after that', () => {
  let read = 0;
  const rows = (function* () {
    for (let key = 1; key < 100; key++) {
      read = key;
      yield row(key, 1);
    }
  })();
  expect(scan(rows, 2, 50)).toEqual({ keys: [1, 2], scannedTo: null });
  expect(read).toBe(2);
});

test('counts a row that costs more as so many rows, and always gets on by one', () => {
  const rows = [row(1, 0, 3), row(2, 1, 1_000), row(3)];
  expect(scan(rows, 9, 4)).toEqual({ keys: [], scannedTo: 'id_1' });
  expect(scan(rows.slice(1), 9, 4)).toEqual({ keys: [2], scannedTo: 'id_2' });
});
