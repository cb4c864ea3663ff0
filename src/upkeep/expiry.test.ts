import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import { EXPUNGE_DELIVERIES } from '../limits.ts';
import { StoreError } from '../store/store.ts';
import { Expiry, type ExpiryOptions } from './expiry.ts';

const NOTHING = { dropped: [], stored: [] };
const refusal = () => Promise.reject(new StoreError('unavailable', 'Not now.'));

function expiring(store: Partial<ExpiryOptions['store']>) {
  const clock = new ManualClock();
  const followed: unknown[] = [];
  const expiry = new Expiry({
    store: {
      deliveryExpire: async () => ({ messages: 0, more: false, ...NOTHING }),
      deliveryCancel: async () => ({ cancelled: [], ...NOTHING }),
      ...store,
    },
    clock,
    follow: (stopped, { resends }) => followed.push({ stored: stopped.stored, resends }),
    log: { warn: () => {} },
  });
  return { expiry, clock, followed };
}

const places = (count: number) =>
  Array.from({ length: count }, (_, messageKey) => ({ messageKey, endpointKey: 1 }));

describe('expiry', () => {
  it('cancels what the schedule found, in steps, however often the store refuses', async () => {
    let refusals = 2;
    const cancelled: number[] = [];
    const { expiry, clock, followed } = expiring({
      deliveryCancel: async ({ deliveries, reason, now }) => {
        if (refusals-- > 0) return refusal();
        expect([reason, now]).toEqual(['expired', clock.now()]);
        cancelled.push(...deliveries.map(({ messageKey }) => messageKey));
        return { cancelled: [...deliveries], dropped: [], stored: [{ endpointKey: 1, dueAt: 5 }] };
      },
    });
    expiry.add(places(1_200));
    await clock.settle();
    // What comes while the store refuses is not lost either.
    expiry.add([{ messageKey: 5_000, endpointKey: 2 }]);
    await clock.advance(3_000);
    expect(cancelled).toEqual([...places(1_200).map(({ messageKey }) => messageKey), 5_000]);
    // Resends do not expire, and what waited behind these goes on.
    expect(followed).toHaveLength(3);
    expect(followed[0]).toEqual({ stored: [{ endpointKey: 1, dueAt: 5 }], resends: false });
    expiry.add(places(1));
    await clock.settle();
    expect(cancelled).toHaveLength(1_202);
  });

  it('looks in rounds for what is held or waits, and again while there may be more', async () => {
    let left = 450;
    let rounds = 0;
    const { expiry, clock } = expiring({
      deliveryExpire: async ({ now, limit, scan }) => {
        expect([now, scan]).toEqual([clock.now(), EXPUNGE_DELIVERIES]);
        if (rounds++ === 1) return refusal();
        const messages = Math.min(limit, left);
        left -= messages;
        return { messages, more: left > 0, ...NOTHING };
      },
    });
    expiry.start();
    await clock.advance(10);
    expect(left).toBe(250);
    await clock.advance(5_000);
    expect(left).toBe(0);
    const before = rounds;
    await clock.advance(60_000);
    expect(rounds - before).toBe(12);
    expiry.stop();
    await clock.advance(60_000);
    expect(rounds - before).toBe(12);
  });
});
