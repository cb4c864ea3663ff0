import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import { StoreError } from '../store/store.ts';
import { Doubts } from './doubts.ts';

function doubting({ away = () => false }: { away?: () => boolean } = {}) {
  const clock = new ManualClock();
  let leased = new Set<number>();
  const calls: [at: number, from: number, before: number][] = [];
  const stored: number[] = [];
  const start = clock.monotonic();
  const doubts = new Doubts({
    store: {
      deliveryRelease: async ({ from, before, limit }) => {
        calls.push([clock.monotonic() - start, from, before]);
        if (away()) throw new StoreError('unavailable', 'Not now.');
        const found = [...leased].filter((fence) => fence >= from && fence < before).slice(0, limit);
        leased = new Set([...leased].filter((fence) => !found.includes(fence)));
        const endpoints = found.map((fence) => ({ endpointKey: fence, dueAt: 5 }));
        return { released: found.length, more: found.length === limit, stored: endpoints };
      },
    },
    clock,
    stored: (endpointKey) => stored.push(endpointKey),
    log: { warn: () => {} },
  });
  return { doubts, clock, calls, stored, lease: (fence: number) => leased.add(fence) };
}

describe('leases in doubt', () => {
  it('are released when they are there, sooner or later, and nobody else is', async () => {
    const { doubts, clock, calls, stored, lease } = doubting();
    for (const fence of [6, 7, 8]) lease(fence);
    doubts.add({ from: 7, before: 8 });
    await clock.advance(10_000);
    expect(stored).toEqual([7]);
    // The commit came about after all, late.
    lease(7);
    await clock.advance(60_000);
    expect(stored).toEqual([7, 7]);
    expect(calls).toEqual([1_000, 15_000, 60_000].map((at) => [at, 7, 8]));
    expect(clock.nextTimerAt).toBeNull();
  });

  it('are all released, however many there are', async () => {
    const { doubts, clock, stored, lease } = doubting();
    for (let fence = 0; fence < 2_500; fence++) lease(fence);
    doubts.add({ from: 0, before: 3_000 });
    await clock.advance(1_000);
    expect(stored).toHaveLength(2_500);
  });

  it('are asked for until the store answers after the last time', async () => {
    let refusals = 4;
    const { doubts, clock, calls, lease, stored } = doubting({ away: () => refusals-- > 0 });
    lease(7);
    doubts.add({ from: 7, before: 8 });
    await clock.advance(300_000);
    expect(stored).toEqual([7]);
    expect(calls.map(([at]) => at)).toEqual([1_000, 6_000, 11_000, 16_000, 21_000, 35_000, 80_000]);
    doubts.add({ from: 9, before: 10 });
    doubts.stop();
    expect(clock.nextTimerAt).toBeNull();
  });
});
