import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Pace } from './pace.ts';

/** As many as may, whenever one looks: at those times, ms. */
function taken(pace: Pace, looks: readonly number[]): number[] {
  return looks.flatMap((now) => {
    const times: number[] = [];
    for (; pace.waitMs(now) === 0; pace.take(now)) times.push(now);
    return times;
  });
}

describe('a pace', () => {
  it('is never above its rate by more than the slack, whenever one looks', () => {
    const rates = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 5_000 }));
    const gaps = fc.array(fc.oneof(fc.nat(3), fc.nat(100), fc.nat(5_000)), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(rates, gaps, (rate, steps) => {
        let now = 0;
        const times = taken(
          new Pace(rate),
          steps.map((step) => {
            now += step;
            return now;
          }),
        );
        const most = Math.floor((rate * 1_050) / 1_000 + 1e-6) + 1;
        let first = 0;
        times.forEach((time, last) => {
          while (time - (times[first] as number) >= 1_000) first++;
          expect(last - first + 1).toBeLessThanOrEqual(most);
        });
      }),
    );
  });

  it('reaches its rate though it is looked at late', () => {
    const looks = Array.from({ length: 2_000 }, (_, n) => n * 7);
    const seconds = (looks.at(-1) as number) / 1_000;
    for (const rate of [1, 30, 100, 1_000]) {
      expect(taken(new Pace(rate), looks).length).toBeGreaterThanOrEqual(Math.floor(rate * seconds));
    }
  });

  it('has saved up nothing but the slack after it was idle', () => {
    const pace = new Pace(100);
    expect(taken(pace, [0])).toHaveLength(6);
    expect(taken(pace, [3_600_000])).toHaveLength(6);
  });

  it('says how many may begin', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5_000 }),
        fc.array(fc.nat(400), { maxLength: 30 }),
        (rate, steps) => {
          const pace = new Pace(rate);
          let now = 0;
          for (const step of steps) {
            now += step;
            const said = pace.available(now);
            // Sums of fractions of milliseconds: one more or less at the very edge.
            expect(Math.abs(taken(pace, [now]).length - said)).toBeLessThanOrEqual(1);
          }
        },
      ),
    );
  });

  it('does not make anybody wait for the old rate once it is faster', () => {
    const pace = new Pace(1);
    taken(pace, [0]);
    expect(pace.waitMs(0)).toBeGreaterThan(900);
    pace.change(100, 0);
    expect(pace.waitMs(0)).toBeLessThanOrEqual(10);
  });
});
