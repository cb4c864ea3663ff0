import { expect, it } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import { ownClock, SharedClock } from './shared-clock.ts';

const HOUR_MS = 3_600_000;

it('has the own wall time until the store has told its own, and whole milliseconds of that from then on', async () => {
  const own = new ManualClock();
  const clock = new SharedClock(own);
  expect(clock.now()).toBe(own.now());
  const there = own.now() + HOUR_MS;
  clock.set(there + 0.75 - own.monotonic());
  expect(clock.now()).toBe(there);
  await own.advance(1_234.5);
  expect(clock.now()).toBe(there + 1_235);
  expect(clock.monotonic()).toBe(own.monotonic());
  expect([ownClock(clock), ownClock(own)]).toEqual([own, own]);
});

it('goes on as before when the own wall clock is set', () => {
  const own = new ManualClock();
  const clock = new SharedClock(own);
  clock.set(own.now() - own.monotonic());
  const before = clock.now();
  own.jumpWall(-HOUR_MS);
  expect(clock.now()).toBe(before);
});

it('is the same for another thread, whenever it is learned', () => {
  const own = new ManualClock();
  const clock = new SharedClock(own);
  const there = new SharedClock(own, clock.memory);
  expect(there.now()).toBe(own.now());
  clock.set(own.now() + HOUR_MS);
  expect(there.now()).toBe(own.now() + HOUR_MS);
  clock.set(own.now() - HOUR_MS);
  expect(there.now()).toBe(own.now() - HOUR_MS);
});
