import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import { SCANS_PER_APPLICATION } from '../limits.ts';
import { ScanTurns } from './scan-turns.ts';

/** Scans that note each step of theirs, the first included. */
function world() {
  const clock = new ManualClock();
  const turns = new ScanTurns(clock);
  const steps: string[] = [];
  const scan = (applicationKey: number, name: string, count: number) =>
    turns.within(applicationKey, async (turn) => {
      for (let step = 1; ; step++) {
        steps.push(name);
        if (step === count) return name;
        await turn();
      }
    });
  return { clock, turns, steps, scan };
}

describe('turns of scans', () => {
  it('are given one at a time, with everything else at hand between two', async () => {
    const { clock, steps, scan } = world();
    const results = [1, 2, 3].map((application) => scan(application, `of ${application}`, 10));
    // The first step is part of the call.
    expect(steps).toHaveLength(3);
    const before: number[] = [];
    const watch = () => {
      before.push(steps.length);
      if (before.length < 10) clock.soon(watch);
    };
    clock.soon(watch);
    await clock.settle();
    await Promise.all(results);
    for (const [index, count] of before.entries()) expect(count).toBeLessThanOrEqual(3 + index + 1);
  });

  it('go round by application, however many scans each has', async () => {
    const { clock, steps, scan } = world();
    const many = Array.from({ length: SCANS_PER_APPLICATION }, () => scan(1, 'a', 20));
    await clock.settle();
    expect(await Promise.all(many)).toHaveLength(SCANS_PER_APPLICATION);
    steps.length = 0;
    const more = Array.from({ length: SCANS_PER_APPLICATION }, () => scan(1, 'a', 20));
    const one = scan(2, 'b', 5);
    await clock.settle();
    await Promise.all([...more, one]);
    // After the first steps: one of each in turn, until the second has ended.
    expect(steps.slice(SCANS_PER_APPLICATION + 1).join('')).toMatch(/^(ab){4}a+$/);
  });

  it('are refused past a number of scans of one application, until one of them has ended', async () => {
    const { clock, scan, steps } = world();
    const many = Array.from({ length: SCANS_PER_APPLICATION }, (_, index) => scan(1, 'a', 5 + index));
    await expect(scan(1, 'refused', 2)).rejects.toMatchObject({
      code: 'too_many_requests',
      retryAfterSeconds: expect.any(Number),
    });
    // One that needs no turn is not one of them, and others are not concerned.
    expect(await scan(1, 'short', 1)).toBe('short');
    const other = scan(2, 'other', 2);
    await clock.settle();
    expect([await other, ...(await Promise.all(many))]).toHaveLength(1 + SCANS_PER_APPLICATION);
    const again = scan(1, 'again', 3);
    await clock.settle();
    expect(await again).toBe('again');
    expect(steps.filter((name) => name === 'refused')).toHaveLength(1);
  });

  it('of scans that failed are free again', async () => {
    const { clock, turns, scan } = world();
    const failing = Array.from({ length: SCANS_PER_APPLICATION }, () =>
      turns
        .within(1, async (turn) => {
          await turn();
          throw new Error('the store is closed');
        })
        .catch((error: Error) => error.message),
    );
    await clock.settle();
    expect(new Set(await Promise.all(failing))).toEqual(new Set(['the store is closed']));
    const next = scan(1, 'a', 2);
    await clock.settle();
    expect(await next).toBe('a');
  });
});
