import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DAY_MS, HOUR_MS, Scene } from './scene.ts';
import type { Target } from './target.ts';

const MINUTE_MS = 60_000;

let scene: Scene;
let target: Target;
beforeEach(async () => {
  scene = await Scene.start({ retryScheduleMs: [HOUR_MS, HOUR_MS] });
  target = await scene.target();
});
afterEach(() => scene.end());

describe('cancel', () => {
  const cancel = (status: number, id: string) => scene.ask(status, 'POST', `/msg/${id}/endpoint/e/cancel`);
  const cancelled = { state: 'cancelled', reason: 'cancelled', nextAttempt: null };

  it('ends what waits for its next try, its time, or a held place: it is never sent again, over a restart', async () => {
    await scene.endpoint('e', target);
    target.answers(500);
    const retried = await scene.publish(1);
    await scene.tried(retried, 'e', 1);
    const later = await scene.publish(2, { deliverAt: scene.time(HOUR_MS) });
    await scene.change('e', { paused: true });
    const held = await scene.publish(3);
    await scene.until(retried, 'e', { state: 'held' });
    for (const id of [held, retried]) expect(await cancel(200, id)).toMatchObject(cancelled);
    await scene.change('e', { paused: false });
    expect(await cancel(200, later)).toMatchObject(cancelled);
    target.answers(200);
    await scene.restart();
    scene.clock.leap(3 * HOUR_MS);
    await scene.until(await scene.publish(4), 'e', { state: 'succeeded' });
    expect(target.numbers).toEqual([1, 4]);
    for (const id of [held, retried, later]) expect(await scene.delivery(id, 'e')).toMatchObject(cancelled);
  });

  it('of what waits for its next try in memory keeps it from being sent', async () => {
    await scene.endpoint('e', target, { retrySchedule: { delaysSeconds: [5], jitter: 0 } });
    target.answers(500);
    const id = await scene.publish(1);
    await scene.tried(id, 'e', 1);
    await cancel(200, id);
    target.answers(200);
    scene.clock.leap(MINUTE_MS);
    await scene.until(await scene.publish(2), 'e', { state: 'succeeded' });
    expect(target.numbers).toEqual([1, 2]);
  });

  it('of what is under way is not the last word when it arrives all the same', async () => {
    await scene.endpoint('e', target);
    target.keeps();
    const id = await scene.publish(1);
    await target.has(1);
    expect(await cancel(200, id)).toMatchObject(cancelled);
    target.letsGo();
    await scene.until(id, 'e', { state: 'succeeded' });
  });

  it('says when it cannot', async () => {
    await scene.endpoint('e', target);
    const id = await scene.publish(1);
    await scene.until(id, 'e', { state: 'succeeded' });
    const refused = await cancel(409, id);
    expect(refused).toMatchObject({ code: 'conflict', detail: expect.stringContaining('succeeded') });
    const waiting = await scene.publish(2, { deliverAt: scene.time(HOUR_MS) });
    await cancel(200, waiting);
    await cancel(409, waiting);
    await cancel(404, 'msg_2nZK5wzbb7UWeTYsEaK6mSrEQhY');
    await scene.endpoint('late', target);
    await scene.ask(404, 'POST', `/msg/${id}/endpoint/late/cancel`);
  });

  it('and retry now: what waits an hour goes at once, and goes on in its schedule', async () => {
    await scene.endpoint('e', target);
    target.answers(500);
    const id = await scene.publish(1);
    await scene.tried(id, 'e', 1);
    await scene.ask(200, 'POST', `/msg/${id}/endpoint/e/retry`);
    const again = await scene.until(id, 'e', { state: 'pending', attemptCount: 2 });
    expect(Date.parse(again.nextAttempt) - scene.clock.now()).toBeGreaterThan(0.7 * HOUR_MS);
    const attempts = await scene.ask(200, 'GET', `/attempt/msg/${id}`);
    expect(attempts.data.map((each: { attemptNumber: number }) => each.attemptNumber)).toEqual([2, 1]);
  });
});

describe('expiry', () => {
  const expired = { state: 'cancelled', reason: 'expired', nextAttempt: null };

  it('ends a delivery whose next try would be too late, and one that is worth sending goes on', async () => {
    await scene.endpoint('e', target);
    target.answers(500);
    const early = await scene.publish(1, { expiresAt: scene.time(30 * MINUTE_MS) });
    const late = await scene.publish(2, { expiresAt: scene.time(DAY_MS) });
    await scene.until(early, 'e', { ...expired, attemptCount: 1 });
    await scene.until(late, 'e', { state: 'pending', attemptCount: 1 });
    target.answers(200);
    scene.clock.leap(1.3 * HOUR_MS);
    await scene.until(late, 'e', { state: 'succeeded' });
    expect(target.numbers.toSorted()).toEqual([1, 2, 2]);
    // Who asks for it gets it.
    await scene.ask(202, 'POST', `/msg/${early}/endpoint/e/resend`);
    await scene.until(early, 'e', { state: 'succeeded' });
  });

  it('ends what is held, and what waits for its turn', async () => {
    await scene.endpoint('e', target, { paused: true });
    await scene.endpoint('slow', target, { throttleRate: 1, channels: ['slow'] });
    const [, , waiting] = await scene.publishAll(1, 3, () => ({
      channels: ['slow'],
      expiresAt: scene.time(10 * MINUTE_MS),
    }));
    const held = await scene.publish(4, { expiresAt: scene.time(10 * MINUTE_MS) });
    await scene.until(held, 'e', { state: 'held' });
    scene.clock.leap(11 * MINUTE_MS);
    await scene.until(held, 'e', expired);
    await scene.until(waiting as string, 'slow', expired);
    await scene.change('e', { paused: false });
    await scene.until(await scene.publish(5), 'e', { state: 'succeeded' });
    expect(target.numbers).not.toContain(4);
    expect(target.numbers).not.toContain(3);
    expect(await scene.explain(held, 'e')).toMatchObject({ reason: 'expired', plannedAttempts: [] });
  });

  it('comes while nobody is there: what is too old at the start is not sent', async () => {
    await scene.endpoint('e', target);
    const [old, good] = (await scene.publishAll(1, 2, (n) => ({
      deliverAt: scene.time(HOUR_MS),
      expiresAt: scene.time((n + 1) * HOUR_MS),
    }))) as [string, string];
    await scene.restart(() => scene.clock.leap(2.5 * HOUR_MS));
    await scene.until(good, 'e', { state: 'succeeded' });
    await scene.until(old, 'e', expired);
    expect(target.numbers).toEqual([2]);
  });

  it('sets those behind it free', async () => {
    await scene.endpoint('e', target, { ordering: 'endpoint' });
    target.answersBy(({ payload }) => (payload.n === 1 ? 500 : 200));
    await scene.publish(1, { expiresAt: scene.time(10 * MINUTE_MS) });
    await scene.until(await scene.publish(2), 'e', { state: 'succeeded' });
    expect(target.numbers).toEqual([1, 2]);
  });

  it('lies in the future, after deliverAt, and not further than 90 days', async () => {
    await scene.endpoint('e', target);
    const refused = (times: object) =>
      scene.ask(422, 'POST', '/msg', { eventType: 'ticket.created', payload: {}, ...times });
    await refused({ expiresAt: scene.time(-1_000) });
    await refused({ expiresAt: scene.time(HOUR_MS), deliverAt: scene.time(2 * HOUR_MS) });
    await refused({ expiresAt: scene.time(91 * DAY_MS) });
    const expiresAt = scene.time(89 * DAY_MS);
    const id = await scene.publish(1, { expiresAt });
    expect(await scene.ask(200, 'GET', `/msg/${id}`)).toMatchObject({ expiresAt });
  });
});

describe('deliverAt', () => {
  it('is kept, over a restart: nothing goes earlier, and the time is shown', async () => {
    await scene.endpoint('e', target);
    const deliverAt = scene.time(7 * DAY_MS);
    const id = await scene.publish(1, { deliverAt });
    expect(await scene.delivery(id, 'e')).toMatchObject({ state: 'pending', nextAttempt: deliverAt });
    expect(await scene.explain(id, 'e')).toMatchObject({ waitsFor: 'deliver_at', nextAttempt: deliverAt });
    await scene.restart();
    await scene.until(await scene.publish(2), 'e', { state: 'succeeded' });
    expect(target.numbers).toEqual([2]);
    scene.clock.leapTo(Date.parse(deliverAt) - 50);
    await target.has(2);
    expect(target.arrivals[1]?.at).toBeGreaterThanOrEqual(Date.parse(deliverAt));
    await scene.until(id, 'e', { state: 'succeeded', attemptCount: 1 });
  });
});
