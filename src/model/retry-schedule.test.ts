import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../test/helpers/manual-clock.ts';
import { RETRIES_PER_SCHEDULE, RETRY_DELAY_MS } from '../limits.ts';
import type { Exchange } from './exchange.ts';
import {
  chosenSchedule,
  parseDurationMs,
  RETRY_AFTER_LIMIT_MS,
  retryAfterMs,
  retryAt,
  retryPresets,
} from './retry-schedule.ts';

const now = Date.UTC(2026, 0, 1);
const answer = (status: number, retryAfter: string | null = null): Exchange => ({
  startedAt: now,
  durationMs: 1,
  status,
  body: '',
  requestHeaders: '',
  responseHeaders: '',
  retryAfter,
  error: null,
});
const schedule = { delaysMs: [5_000, 300_000], jitter: 0.2 };

describe('retry schedule', () => {
  it('waits the delay of the attempt, within the jitter, and ends after the last', () => {
    const random = seededRandom(7);
    for (let n = 0; n < 200; n++) {
      const first = retryAt({ exchange: answer(500), attemptNumber: 1, schedule, now, random }) as number;
      expect(first - now).toBeGreaterThanOrEqual(4_000);
      expect(first - now).toBeLessThanOrEqual(6_000);
    }
    expect(retryAt({ exchange: answer(500), attemptNumber: 2, schedule, now, random })).not.toBeNull();
    expect(retryAt({ exchange: answer(500), attemptNumber: 3, schedule, now, random })).toBeNull();
  });

  it('lets Retry-After on 429 and 503 push the next try back, within a limit, and never forward', () => {
    const random = { fraction: () => 0.5, bytes: () => Buffer.alloc(0) };
    const at = (status: number, retryAfter: string) =>
      (retryAt({ exchange: answer(status, retryAfter), attemptNumber: 1, schedule, now, random }) as number) -
      now;
    expect(at(429, '90')).toBe(90_000);
    expect(at(503, 'Thu, 01 Jan 2026 00:02:00 GMT')).toBe(120_000);
    expect(at(503, '1')).toBe(5_000);
    expect(at(500, '90')).toBe(5_000);
    expect(at(429, '9999999999')).toBe(RETRY_AFTER_LIMIT_MS);
    expect(at(429, 'Thu, 01 Jan 2015 00:02:00 GMT')).toBe(5_000);
  });

  it('gives a finite time later than now whatever Retry-After says', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom(429, 503, 500), (text, status) => {
        const at = retryAt({
          exchange: answer(status, text),
          attemptNumber: 1,
          schedule,
          now,
          random: seededRandom(1),
        });
        expect(Number.isSafeInteger(at)).toBe(true);
        expect(at as number).toBeGreaterThan(now);
        expect(at as number).toBeLessThanOrEqual(now + RETRY_AFTER_LIMIT_MS);
      }),
    );
  });

  it('reads Retry-After as seconds or an HTTP date and nothing else', () => {
    for (const text of [
      '',
      '-1',
      '1.5',
      'soon',
      '2026-01-01',
      'Thu, 99 Jan 2026 00:00:00 GMT',
      '99999999999',
    ]) {
      expect(retryAfterMs(text, now)).toBeNull();
    }
    expect(retryAfterMs(null, now)).toBeNull();
    expect(retryAfterMs(' 7 ', now)).toBe(7_000);
  });

  it('is the one that an endpoint chose by name or made, else that of the settings', () => {
    expect(chosenSchedule(null, schedule)).toBe(schedule);
    expect(chosenSchedule({ preset: 'fast' }, schedule)).toBe(retryPresets.fast);
    const own = { delaysMs: [], jitter: 0 };
    expect(chosenSchedule(own, schedule)).toBe(own);
  });

  it('has presets that an endpoint could ask for in numbers, too', () => {
    // Three tries, an hour apart.
    expect(retryPresets['help-desk'].delaysMs).toEqual([3_600_000, 3_600_000]);
    for (const { delaysMs, jitter } of Object.values(retryPresets)) {
      expect(delaysMs.length).toBeLessThanOrEqual(RETRIES_PER_SCHEDULE);
      expect(Math.min(...delaysMs)).toBeGreaterThanOrEqual(RETRY_DELAY_MS.least);
      expect(Math.max(...delaysMs)).toBeLessThanOrEqual(RETRY_DELAY_MS.most);
      expect(jitter).toBeLessThanOrEqual(1);
    }
  });

  it('reads durations with a unit', () => {
    expect(parseDurationMs('5s')).toBe(5_000);
    expect(parseDurationMs('1.5h')).toBe(5_400_000);
    expect(parseDurationMs('250ms')).toBe(250);
    expect(parseDurationMs('5')).toBeNull();
    expect(parseDurationMs('s')).toBeNull();
    expect(parseDurationMs('-5s')).toBeNull();
  });
});
