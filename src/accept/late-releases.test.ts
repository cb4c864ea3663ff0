import { expect, it } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import { ApiError } from '../errors.ts';
import { LateReleases } from './late-releases.ts';

it('asks less and less often while too many tasks run', async () => {
  const clock = new ManualClock();
  const asked: number[] = [];
  const late = new LateReleases({
    clock,
    release: async () => {
      asked.push(clock.now());
      throw new ApiError('limit_reached');
    },
    log: { warn: () => {} },
  });
  late.add(1, 5);
  await clock.advance(600_000);
  expect(asked.length).toBeLessThan(20);
  await clock.advance(60_000);
  expect(clock.now() - (asked.at(-1) ?? 0)).toBeLessThanOrEqual(60_000);
  late.stop();
});

it('asks until it is done, for each endpoint once at a time', async () => {
  const clock = new ManualClock();
  const asked: number[] = [];
  const answers: (Error | null)[] = [new Error('The store is away.'), null, null, null];
  const warnings: object[] = [];
  const late = new LateReleases({
    clock,
    release: async (_, endpointKey) => {
      asked.push(endpointKey);
      const answer = answers.shift();
      if (answer) throw answer;
    },
    log: { warn: (fields) => warnings.push(fields) },
  });
  late.add(1, 5);
  await clock.settle();
  // It waits to try again, and takes these with it.
  for (let times = 0; times < 3; times++) late.add(1, 5);
  expect([asked, warnings.length]).toEqual([[5], 1]);
  await clock.advance(1_000);
  expect(asked).toEqual([5, 5]);
  answers[0] = new ApiError('endpoint_disabled');
  late.add(1, 7);
  await clock.advance(5_000);
  expect(asked.splice(2)).toEqual([7]);
  // One that comes while it is asked is asked for by itself.
  late.add(1, 5);
  late.add(1, 6);
  late.add(1, 5);
  await clock.settle();
  expect(asked).toEqual([5, 5, 5, 6, 5]);
});
