import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../test/helpers/manual-clock.ts';
import { afterAttempt } from './delivery.ts';
import type { Exchange } from './exchange.ts';

const now = Date.UTC(2026, 0, 1);
const policy = { schedule: { delaysMs: [5_000], jitter: 0 }, finalStatuses: [400, 302, 503] };

/** What an attempt that was answered with `status` (null: not at all) did. */
function verdict(status: number | null, fields: Partial<Parameters<typeof afterAttempt>[0]> = {}) {
  return afterAttempt({
    exchange: { status, retryAfter: '90' } as Exchange,
    attemptNumber: 1,
    policy,
    expiresAt: null,
    now,
    random: seededRandom(1),
    ...fields,
  });
}

describe('a delivery after an attempt', () => {
  it('has succeeded, whatever else would end it', () => {
    expect(verdict(204, { attemptNumber: 9, expiresAt: now - 1 })).toEqual({ state: 'succeeded' });
  });

  it('waits for the next, or has failed after the last', () => {
    for (const status of [500, 404, null]) {
      expect(verdict(status)).toEqual({ state: 'pending', nextAttemptAt: now + 5_000 });
      expect(verdict(status, { attemptNumber: 2 })).toEqual({ state: 'failed', reason: 'retries_exhausted' });
    }
    expect(verdict(429)).toEqual({ state: 'pending', nextAttemptAt: now + 90_000 });
  });

  it('has failed by an answer that the endpoint calls final, and by 410 always', () => {
    for (const status of policy.finalStatuses)
      expect(verdict(status)).toEqual({ state: 'failed', reason: 'final_status' });
    const finalStatuses = [410];
    for (const each of [policy, { ...policy, finalStatuses }])
      expect(verdict(410, { policy: each })).toEqual({ state: 'failed', reason: 'endpoint_gone' });
  });

  it('is cancelled when its message expires before the next, and failed when there is none', () => {
    expect(verdict(500, { expiresAt: now + 5_001 })).toMatchObject({ state: 'pending' });
    for (const expiresAt of [now + 5_000, now - 1])
      expect(verdict(500, { expiresAt })).toEqual({ state: 'cancelled', reason: 'expired' });
    // The time that was asked for counts, too.
    expect(verdict(429, { expiresAt: now + 60_000 })).toEqual({ state: 'cancelled', reason: 'expired' });
    expect(verdict(500, { expiresAt: now, attemptNumber: 2 })).toMatchObject({ state: 'failed' });
  });
});
