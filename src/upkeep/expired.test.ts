import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import { StoreError } from '../store/store.ts';
import { Expired, type ExpiredOptions } from './expired.ts';

const refusal = () => Promise.reject(new StoreError('unavailable', 'Not now.'));

function expiredIn(store: ExpiredOptions['store']) {
  const clock = new ManualClock();
  const followed: unknown[] = [];
  const expired = new Expired({
    store,
    clock,
    follow: ({ stored }) => followed.push({ stored }),
    log: { warn: () => {} },
  });
  return { expired, clock, followed };
}

const places = (count: number) =>
  Array.from({ length: count }, (_, messageKey) => ({ messageKey, endpointKey: 1 }));

describe('what expired in memory', () => {
  it('is cancelled in steps, however often the store refuses', async () => {
    let refusals = 2;
    const cancelled: number[] = [];
    const { expired, clock, followed } = expiredIn({
      deliveryCancel: async ({ deliveries, reason, now }) => {
        if (refusals-- > 0) return refusal();
        expect([reason, now]).toEqual(['expired', clock.now()]);
        cancelled.push(...deliveries.map(({ messageKey }) => messageKey));
        return { cancelled: [...deliveries], dropped: [], stored: [{ endpointKey: 1, dueAt: 5 }] };
      },
    });
    expired.add(places(1_200));
    await clock.settle();
    // What comes while the store refuses is not lost either.
    expired.add([{ messageKey: 5_000, endpointKey: 2 }]);
    await clock.advance(3_000);
    expect(cancelled).toEqual([...places(1_200).map(({ messageKey }) => messageKey), 5_000]);
    // Resends do not expire, and what waited behind these goes on.
    expect(followed).toHaveLength(3);
    expect(followed[0]).toEqual({ stored: [{ endpointKey: 1, dueAt: 5 }] });
    expired.add(places(1));
    await clock.settle();
    expect(cancelled).toHaveLength(1_202);
  });
});
