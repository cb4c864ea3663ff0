import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import { Alarms } from './alarms.ts';

describe('alarms', () => {
  it('ring each once, in order, never early', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: -5, max: 5_000 }), { maxLength: 60 }), async (delays) => {
        const clock = new ManualClock();
        const alarms = new Alarms(clock);
        const rung: number[] = [];
        for (const delay of delays) {
          alarms.set(delay, () => {
            expect(clock.monotonic()).toBeGreaterThanOrEqual(delay);
            rung.push(Math.max(0, delay));
          });
        }
        await clock.advance(6_000);
        expect(rung).toEqual(delays.map((delay) => Math.max(0, delay)).sort((a, b) => a - b));
      }),
      { numRuns: 30 },
    );
  });

  it('do not ring after they were stopped', async () => {
    const clock = new ManualClock();
    const alarms = new Alarms(clock);
    alarms.set(10, () => expect.unreachable());
    alarms.stop();
    alarms.set(10, () => expect.unreachable());
    await clock.advance(100);
  });
});
