import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import { EXPUNGE_DELIVERIES } from '../limits.ts';
import { StoreError } from '../store/store.ts';
import { Expiry, type ExpiryOptions } from './expiry.ts';

const NOTHING = { dropped: [], stored: [] };
const refusal = () => Promise.reject(new StoreError('unavailable', 'Not now.'));

function expiring(store: Partial<ExpiryOptions['store']>) {
  const clock = new ManualClock();
  const expiry = new Expiry({
    store: {
      deliveryExpire: async () => ({ messages: 0, more: false, ...NOTHING }),
      ...store,
    },
    clock,
    follow: () => {},
    log: { warn: () => {} },
  });
  return { expiry, clock };
}

describe('expiry', () => {
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
