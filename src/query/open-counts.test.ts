import { expect, test } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import type { Endpoint } from '../model/endpoint.ts';
import { OpenCounts } from './open-counts.ts';
import { ScanTurns } from './scan-turns.ts';

function world(held: number) {
  const clock = new ManualClock();
  const counted: number[] = [];
  const store = {
    deliveryCountOpen: async ({ endpointKey }: { endpointKey?: number }) => {
      counted.push(endpointKey ?? 0);
      return { pending: 0, sending: 0, held };
    },
  };
  const counts = new OpenCounts(store, clock, new ScanTurns(clock));
  const ask = (...keys: number[]) => keys.map((key) => counts.of({ key, applicationKey: 1 } as Endpoint));
  return { clock, counted, ask };
}

test('very many are counted once a second for an endpoint, however many ask', async () => {
  const { clock, counted, ask } = world(100_000);
  const first = ask(1, 1, 2, 1);
  await clock.settle();
  expect((await Promise.all(first)).map(({ held }) => held)).toEqual(Array(4).fill(100_000));
  await Promise.all(ask(1, 2));
  expect(counted).toEqual([1, 2]);
  await clock.advance(1_000);
  const later = ask(1);
  await clock.settle();
  await Promise.all(later);
  expect(counted).toEqual([1, 2, 1]);
});

test('few are counted each time, as they are now', async () => {
  const { clock, counted, ask } = world(10);
  for (let times = 0; times < 2; times++) {
    const asked = ask(1);
    await clock.settle();
    await Promise.all(asked);
  }
  expect(counted).toEqual([1, 1]);
});

test('each is a step between which others get their turn', async () => {
  const { clock, counted, ask } = world(100_000);
  const asked = ask(...Array.from({ length: 20 }, (_, key) => key));
  const before: number[] = [];
  const watch = () => {
    before.push(counted.length);
    if (before.length < 10) clock.soon(watch);
  };
  clock.soon(watch);
  await clock.settle();
  await Promise.all(asked);
  for (const [index, count] of before.entries()) expect(count).toBeLessThanOrEqual(index + 1);
});
