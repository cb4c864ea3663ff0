import { expect, it } from 'vitest';
import { scheduling } from '../../test/helpers/scheduling.ts';
import { AHEAD_MS, IN_FLIGHT_PER_ENDPOINT, SCHEDULE_LIMITS } from '../limits.ts';
import type { Destination } from '../model/destination.ts';

const MANY = 2_000;

/** An endpoint that has answered each of many requests within `durationMs`, and for which as many wait. Tells how many the sender has. */
async function busy(durationMs: number, destination: Partial<Destination> = {}, status = 200) {
  const world = scheduling(SCHEDULE_LIMITS);
  const { clock, destinations, lease, push, answer, settle, sent } = world;
  destinations.set(1, destination);
  let key = 0;
  for (let round = 0; round < 12; round++) {
    while (push(lease(1, ++key)) && key % 200 !== 0);
    await clock.settle();
    answer(200, 1, durationMs);
    settle();
  }
  push(lease(1, ++key));
  await clock.settle();
  answer(status, 1, durationMs);
  settle();
  for (let n = 0; n < MANY; n++) push(lease(1, ++key));
  await clock.settle();
  return { ...world, given: () => sent.length };
}

it('gives the sender what a quick endpoint takes within milliseconds, beside what is under way', async () => {
  const { sent, given } = await busy(4);
  const perMs = IN_FLIGHT_PER_ENDPOINT / 4;
  expect(given()).toBe(IN_FLIGHT_PER_ENDPOINT + perMs * AHEAD_MS);
  expect(sent.every(({ job }) => job.queue?.atOnce === IN_FLIGHT_PER_ENDPOINT)).toBe(true);
});

it('gives nothing ahead for a slow endpoint', async () => {
  expect((await busy(1_000)).given()).toBe(IN_FLIGHT_PER_ENDPOINT);
});

it('never gives more than the limit ahead', async () => {
  expect((await busy(0)).given()).toBeLessThanOrEqual(IN_FLIGHT_PER_ENDPOINT + SCHEDULE_LIMITS.ahead);
});

it.each([
  ['has a throttle', { throttleRate: 5_000 }, 200],
  ['has just failed', {}, 500],
] as const)('gives nothing ahead for an endpoint that %s', async (_, destination, status) => {
  expect((await busy(1, destination, status)).given()).toBeLessThanOrEqual(IN_FLIGHT_PER_ENDPOINT);
});

it('sends again what the sender gives back, and nothing more ahead until the endpoint has answered some', async () => {
  const { schedule, clock, sent, answer, settle, given } = await busy(1);
  const first = given();
  const late = sent.splice(IN_FLIGHT_PER_ENDPOINT);
  schedule.results(late.map(({ job: { ref } }) => ({ ref, exchange: null })));
  await clock.settle();
  expect(given()).toBe(IN_FLIGHT_PER_ENDPOINT);
  expect(schedule.resident).toBeGreaterThan(first);
  answer(200, 1, 1);
  settle();
  await clock.settle();
  expect(given()).toBe(first);
});
