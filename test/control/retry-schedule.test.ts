import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DAY_MS, HOUR_MS, Scene } from './scene.ts';
import type { Target } from './target.ts';

const MINUTE_MS = 60_000;

describe('a retry schedule of an endpoint', () => {
  let scene: Scene;
  let target: Target;
  beforeEach(async () => {
    scene = await Scene.start();
    target = await scene.target();
  });
  afterEach(() => scene.end());

  it('of a help desk tries three times, an hour apart, over a restart, and shows the next try in advance', async () => {
    target.answers(500);
    await scene.endpoint('desk', target, { retrySchedule: { preset: 'help-desk' } });
    const id = await scene.publish(1);
    const first = await scene.until(id, 'desk', { state: 'pending', attemptCount: 1 });
    expectWithin(Date.parse(first.nextAttempt), target.arrivals[0]?.at, 0.95 * HOUR_MS, 1.05 * HOUR_MS);
    const { plannedAttempts, ...explained } = await scene.explain(id, 'desk');
    expect(explained).toMatchObject({
      matched: true,
      state: 'pending',
      waitsFor: 'retry',
      attemptCount: 1,
      nextAttempt: first.nextAttempt,
      lastAttempt: { responseStatusCode: 500 },
    });
    expect(plannedAttempts[0]).toBe(first.nextAttempt);
    expect(Date.parse(plannedAttempts[1]) - Date.parse(plannedAttempts[0])).toBe(HOUR_MS);
    expect(plannedAttempts).toHaveLength(2);

    await scene.restart();
    scene.clock.leapTo(Date.parse(first.nextAttempt) - 50);
    await target.has(2);
    expect(target.arrivals[1]?.at).toBeGreaterThanOrEqual(Date.parse(first.nextAttempt));
    await scene.tried(id, 'desk', 2);
    scene.clock.leap(1.06 * HOUR_MS);
    await target.has(3);
    await scene.until(id, 'desk', { state: 'failed', reason: 'retries_exhausted', attemptCount: 3 });
    expect(new Set(target.arrivals.map((each) => each.id))).toEqual(new Set([id]));
  });

  it('is its own: another endpoint keeps that of the settings, and a change counts from the next failure on', async () => {
    const other = await scene.target();
    for (const each of [target, other]) each.answers(500);
    await scene.endpoint('own', target, { retrySchedule: { delaysSeconds: [100, 1_000], jitter: 0 } });
    await scene.endpoint('usual', other);
    const id = await scene.publish(1);
    await scene.until(id, 'usual', { state: 'failed', attemptCount: 3 });
    const waiting = await scene.tried(id, 'own', 1);
    const [attempt] = (await scene.ask(200, 'GET', `/attempt/endpoint/own`)).data;
    expectWithin(Date.parse(waiting.nextAttempt), Date.parse(attempt.timestamp), 100_000, 102_000);

    await scene.change('own', { retrySchedule: { delaysSeconds: [5, 7_200, 7_200], jitter: 0 } });
    expect(await scene.delivery(id, 'own')).toMatchObject({ nextAttempt: waiting.nextAttempt });
    scene.clock.leapTo(Date.parse(waiting.nextAttempt));
    const changed = await scene.tried(id, 'own', 2);
    expectWithin(Date.parse(changed.nextAttempt), target.arrivals[1]?.at, 7_200_000, 7_202_000);
  });

  it('can be a single try', async () => {
    target.answers(500);
    await scene.endpoint('once', target, { retrySchedule: { delaysSeconds: [] } });
    const id = await scene.publish(1);
    await scene.until(id, 'once', { state: 'failed', reason: 'retries_exhausted', attemptCount: 1 });
  });

  it('is shown as it counts, is taken back so, stays in a PUT without it, and goes by null', async () => {
    const settings = { preset: 'default', delaysSeconds: [0.02, 0.02], jitter: 0.2 };
    const { url, retrySchedule } = await scene.endpoint('e', target);
    expect(retrySchedule).toEqual(settings);
    const fast = { preset: 'fast', delaysSeconds: [1, 5, 15, 60, 180], jitter: 0.2 };
    const desk = { preset: 'help-desk', delaysSeconds: [3_600, 3_600], jitter: 0.05 };
    const own = { preset: null, delaysSeconds: [1, 2.5], jitter: 0.5 };
    for (const shown of [fast, desk, own]) {
      const asked = shown.preset === null ? shown : { preset: shown.preset };
      expect((await scene.change('e', { retrySchedule: asked })).retrySchedule).toEqual(shown);
      expect((await scene.change('e', { retrySchedule: shown })).retrySchedule).toEqual(shown);
    }
    const put = (fields: object) => scene.ask(200, 'PUT', '/endpoint/e', { url, uid: 'e', ...fields });
    expect((await put({})).retrySchedule).toEqual(own);
    expect((await put({ retrySchedule: null })).retrySchedule).toEqual(settings);
    for (const wrong of [{ preset: 'slow' }, { delaysSeconds: [0.01] }, { delaysSeconds: [1], jitter: 2 }]) {
      await scene.ask(422, 'PATCH', '/endpoint/e', { retrySchedule: wrong });
    }
  });

  it('ends at once with an answer that the endpoint calls final', async () => {
    await scene.endpoint('strict', target, { finalStatuses: [400, 422] });
    target.answersBy(({ payload }) => (payload.n === 1 ? 422 : 409));
    const [final, tried] = [await scene.publish(1), await scene.publish(2)];
    await scene.until(final, 'strict', { state: 'failed', reason: 'final_status', attemptCount: 1 });
    await scene.until(tried, 'strict', { state: 'failed', reason: 'retries_exhausted', attemptCount: 3 });
  });

  it('ends with 410 Gone, which disables the endpoint and says why; what comes then is held, over a restart', async () => {
    target.answers(410);
    const made = await scene.endpoint('gone', target);
    expect(made).toMatchObject({ disabled: false, disabledReason: null, disabledAt: null });
    const id = await scene.publish(1);
    await scene.until(id, 'gone', { state: 'failed', reason: 'endpoint_gone', attemptCount: 1 });
    const disabled = { disabled: true, disabledReason: 'gone', disabledAt: expect.any(String) };
    await scene.soon(() => scene.ask(200, 'GET', '/endpoint/gone'), disabled);
    await scene.restart();
    expect(await scene.ask(200, 'GET', '/endpoint/gone')).toMatchObject(disabled);
    const later = await scene.publish(2);
    await scene.until(later, 'gone', { state: 'held', reason: 'endpoint_disabled' });
    expect(await scene.change('gone', { disabled: false })).toMatchObject({
      disabled: false,
      disabledReason: null,
      disabledAt: null,
    });
  });

  it.each([429, 503])(
    'is put off by Retry-After on %i, in seconds or as a date, but not brought forward',
    async (status) => {
      await scene.endpoint('e', target, { retrySchedule: { delaysSeconds: [600], jitter: 0 } });
      const next = async (n: number, retryAfter: string) => {
        target.answers(status, { 'retry-after': retryAfter });
        const { nextAttempt } = await scene.tried(await scene.publish(n), 'e', 1);
        return Date.parse(nextAttempt) - (target.arrivals[n]?.at ?? 0);
      };
      expectWithin(await next(0, '1800'), 0, 30 * MINUTE_MS, 31 * MINUTE_MS);
      const date = new Date(scene.clock.now() + HOUR_MS).toUTCString();
      expectWithin(await next(1, date), 0, 59 * MINUTE_MS, 61 * MINUTE_MS);
      expectWithin(await next(2, '1'), 0, 10 * MINUTE_MS, 11 * MINUTE_MS);
      expectWithin(await next(3, String(30 * 86_400)), 0, DAY_MS, DAY_MS + MINUTE_MS);
    },
  );
});

/** That a time is so long after another. */
function expectWithin(time: number, after: number | undefined, least: number, most: number): void {
  expect(time - (after ?? Number.NaN)).toBeGreaterThanOrEqual(least);
  expect(time - (after ?? Number.NaN)).toBeLessThanOrEqual(most + 2_000);
}
