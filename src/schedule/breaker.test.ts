import { describe, expect, it } from 'vitest';
import { BREAKER_FAILURES, BREAKER_PROBE_MS } from '../limits.ts';
import type { Lease } from '../model/lease.ts';
import { Breaker } from './breaker.ts';

const { first, most } = BREAKER_PROBE_MS;

function lease(resendKey: number | null = null): Lease {
  return { messageKey: 1, endpointKey: 1, fence: 1, resendKey };
}

/** One that opened at 0. */
function opened(endpointKey = 1): Breaker {
  const breaker = new Breaker(endpointKey);
  for (let n = 1; n < BREAKER_FAILURES; n++) expect(breaker.failed(lease(), 0)).toBe(false);
  expect(breaker.failed(lease(), 0)).toBe(true);
  return breaker;
}

/** Sends a probe, which fails at once. */
function fail(breaker: Breaker, probe = lease()): boolean {
  breaker.sent(probe);
  return breaker.failed(probe, breaker.probeAt);
}

describe('a breaker', () => {
  it('opens with so many failures in a row, and then lets only resends through', () => {
    const breaker = new Breaker(1);
    for (let n = 1; n < BREAKER_FAILURES; n++) breaker.failed(lease(), 0);
    expect(breaker).toMatchObject({ open: false, failures: BREAKER_FAILURES - 1 });
    expect(breaker.lets(false)).toBe(true);
    breaker.failed(lease(), 0);
    expect(breaker).toMatchObject({ open: true, failures: BREAKER_FAILURES });
    expect([breaker.lets(false), breaker.lets(true)]).toEqual([false, true]);
  });

  it('lets one delivery out when its time has come, and nothing beside it', () => {
    const breaker = opened();
    breaker.rang();
    expect(breaker.lets(false)).toBe(true);
    breaker.sent(lease());
    expect([breaker.lets(false), breaker.lets(true)]).toEqual([false, false]);
  });

  it('waits twice as long with each probe that fails, up to the most', () => {
    const breaker = opened();
    let waitMs = first;
    for (let n = 0; n < 12; n++) {
      const before = breaker.probeAt;
      breaker.rang();
      expect(fail(breaker)).toBe(true);
      waitMs = Math.min(2 * waitMs, most);
      expect((breaker.probeAt - before) / waitMs).toBeCloseTo(1, 0.1);
    }
    expect(waitMs).toBe(most);
  });

  it('is not moved by the failures of what was sent before it opened', () => {
    const breaker = opened();
    const { probeAt } = breaker;
    expect(breaker.failed(lease(), 1)).toBe(false);
    breaker.rang();
    breaker.sent(lease());
    expect(breaker.failed(lease(), 2)).toBe(false);
    expect(breaker).toMatchObject({ probing: true, probeAt, failures: BREAKER_FAILURES + 2 });
  });

  it('keeps the time of its next probe when a resend fails', () => {
    const breaker = opened();
    const { probeAt } = breaker;
    const resend = lease(7);
    breaker.sent(resend);
    expect(breaker.failed(resend, probeAt - 1)).toBe(false);
    expect(breaker.probeAt).toBe(probeAt);
    expect(breaker.lets(false)).toBe(false);
    breaker.rang();
    expect(breaker.lets(false)).toBe(true);
  });

  it('has its probe due when the time came while a resend was under way', () => {
    const breaker = opened();
    const resend = lease(7);
    breaker.sent(resend);
    breaker.rang();
    expect(breaker.lets(false)).toBe(false);
    breaker.failed(resend, breaker.probeAt + 1);
    expect(breaker.lets(false)).toBe(true);
  });

  it('of a changed endpoint probes at once, whatever is under way, and begins with a short wait', () => {
    const breaker = opened();
    for (let n = 0; n < 5; n++) fail(breaker);
    const old = lease();
    breaker.sent(old);
    breaker.hurry(1_000);
    expect(breaker.lets(false)).toBe(true);
    expect(breaker.failed(old, 1_001)).toBe(false);
    expect(breaker.lets(false)).toBe(true);
    const probe = lease();
    breaker.sent(probe);
    expect(breaker.failed(probe, 2_000)).toBe(true);
    expect(breaker.probeAt - 2_000).toBeLessThanOrEqual(1.1 * first);
  });

  it('spreads the probes of endpoints that failed together', () => {
    const times = Array.from({ length: 1_000 }, (_, key) => opened(key).probeAt);
    expect(Math.min(...times)).toBeGreaterThanOrEqual(0.9 * first);
    expect(Math.max(...times)).toBeLessThanOrEqual(1.1 * first);
    const early = times.filter((at) => at < first).length;
    expect(Math.abs(early - 500)).toBeLessThan(20);
  });
});
