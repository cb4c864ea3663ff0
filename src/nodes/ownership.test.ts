import { describe, expect, it } from 'vitest';
import { owner } from './ownership.ts';

const KEYS = 30_000;
/** Keys as stores give them: one after the other, some far on. */
const keys = Array.from({ length: KEYS }, (_, n) => (n % 3 === 0 ? n : n * 4_294_967 + 2 ** 40));
const KINDS = ['endpoint', 'application'] as const;

describe.each(KINDS)('the owner of an %s', (kind) => {
  it.each([[[1, 2]], [[7, 8, 9]], [[3, 17, 18, 400]], [Array.from({ length: 10 }, (_, n) => 100_000 + n)]])(
    'is each of the nodes %j as often as the others',
    (epochs) => {
      const owned = Map.groupBy(keys, (key) => owner(kind, key, epochs));
      expect([...owned.keys()].sort((a, b) => a - b)).toEqual(epochs);
      const even = KEYS / epochs.length;
      // Five standard deviations.
      for (const { length } of owned.values())
        expect(Math.abs(length - even)).toBeLessThan(5 * Math.sqrt(even));
    },
  );

  it('is another when its node leaves, and no other endpoint moves', () => {
    const epochs = [4, 5, 6, 11];
    const left = epochs.filter((epoch) => epoch !== 5);
    for (const key of keys) {
      const before = owner(kind, key, epochs);
      const after = owner(kind, key, left);
      if (before === 5) expect(left).toContain(after);
      else expect(after).toBe(before);
    }
  });

  it('is the same whatever the order of the nodes', () => {
    for (const key of keys.slice(0, 1_000))
      expect(owner(kind, key, [3, 1, 2])).toBe(owner(kind, key, [1, 2, 3]));
  });

  it('is spread anew among those that are left', () => {
    const mine = keys.filter((key) => owner(kind, key, [1, 2, 3]) === 2);
    const first = mine.filter((key) => owner(kind, key, [1, 3]) === 1);
    expect(Math.abs(first.length - mine.length / 2)).toBeLessThan(5 * Math.sqrt(mine.length / 4));
  });
});

it('does not tie an endpoint to the application of the same key', () => {
  const same = keys.filter((key) => owner('endpoint', key, [1, 2]) === owner('application', key, [1, 2]));
  expect(Math.abs(same.length - KEYS / 2)).toBeLessThan(5 * Math.sqrt(KEYS / 4));
});
