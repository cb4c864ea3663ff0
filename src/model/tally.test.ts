import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LATENCY_BOUNDS_MS, latencyAt, latencyClass, tallySum } from './tally.ts';

function latencies(times: readonly number[]): { latency: number[] } {
  const latency = Array<number>(LATENCY_BOUNDS_MS.length + 1).fill(0);
  for (const time of times) latency[latencyClass(time)] = (latency[latencyClass(time)] as number) + 1;
  return { latency };
}

test('a latency is in the class whose bound it does not exceed, and in none before', () => {
  expect([0, 1, 2, 5, 6, 7, 30_000, 30_001].map(latencyClass)).toEqual([0, 0, 1, 4, 4, 5, 22, 23]);
});

test('a share of the answers took at most what it is said to, to within its class', () => {
  const times = fc.array(fc.integer({ min: 0, max: 30_000 }), { minLength: 1, maxLength: 200 });
  const share = fc.constantFrom(0.01, 0.5, 0.95, 0.99, 1);
  fc.assert(
    fc.property(times, share, (all, wanted) => {
      const sorted = all.toSorted((one, other) => one - other);
      const exact = sorted[Math.ceil(wanted * all.length) - 1] as number;
      const told = latencyAt(latencies(all), wanted) as number;
      const place = latencyClass(exact);
      expect(told).toBeGreaterThanOrEqual(LATENCY_BOUNDS_MS[place - 1] ?? 0);
      expect(told).toBeLessThanOrEqual(LATENCY_BOUNDS_MS[place] as number);
    }),
  );
});

test('of no answers there is no latency', () => {
  expect(latencyAt(latencies([]), 0.5)).toBeNull();
  expect(latencyAt(latencies([200_000]), 0.5)).toBeGreaterThan(30_000);
});

test('a sum has all that its parts have', () => {
  const one = { accepted: 1, succeeded: 2, failed4xx: 3, failed5xx: 4, failedOther: 5, unanswered: 6 };
  const sum = tallySum([1, 2].map((time) => ({ ...one, ...latencies([time, 40_000]) })));
  expect(sum).toMatchObject({
    accepted: 2,
    succeeded: 4,
    failed4xx: 6,
    failed5xx: 8,
    failedOther: 10,
    unanswered: 12,
  });
  expect([sum.latency[0], sum.latency[1], sum.latency.at(-1)]).toEqual([1, 1, 2]);
});
