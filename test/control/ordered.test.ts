import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HOUR_MS, Scene } from './scene.ts';
import type { Target } from './target.ts';

describe('ordered delivery', () => {
  let scene: Scene;
  let target: Target;
  beforeEach(async () => {
    scene = await Scene.start();
    target = await scene.target();
  });
  afterEach(() => scene.end());

  const waits = { state: 'pending', nextAttempt: null, attemptCount: 0 };

  it('is one at a time, in the order of publishing, whatever fails in between', async () => {
    await scene.endpoint('e', target, { ordering: 'endpoint' });
    const seen = new Set<string>();
    target.answersBy(({ id, payload }) => {
      const isFirst = !seen.has(id);
      seen.add(id);
      return isFirst && payload.n % 4 === 0 ? 500 : 200;
    });
    const single: Promise<string>[] = [];
    await scene.publishAll(1, 20);
    for (let n = 21; n <= 24; n++) single.push(Promise.resolve(await scene.publish(n)));
    const last = (await Promise.all(single)).at(-1) as string;
    await scene.until(last, 'e', { state: 'succeeded' });
    const expected = Array.from({ length: 24 }, (_, index) => index + 1).flatMap((n) =>
      n % 4 === 0 ? [n, n] : [n],
    );
    expect(target.numbers).toEqual(expected);
    expect(target.mostOpen).toBe(1);
  });

  it('by key: keys do not wait for each other, nor does what has none', async () => {
    await scene.endpoint('e', target, { ordering: 'key' });
    target.keeps();
    const keys = ['a', 'a', 'b', 'b', null, null];
    const ids = await scene.publishAll(0, 5, (n) => ({ orderingKey: keys[n] }));
    await target.has(4);
    expect(target.numbers.toSorted()).toEqual([0, 2, 4, 5]);
    expect(await scene.explain(ids[1] as string, 'e')).toMatchObject({ waitsFor: 'order', behind: ids[0] });
    expect(await scene.delivery(ids[3] as string, 'e')).toMatchObject(waits);
    target.letsGo();
    for (const id of ids) await scene.until(id, 'e', { state: 'succeeded' });
    expect(target.numbers.slice(4).toSorted()).toEqual([1, 3]);
    expect(await scene.ask(200, 'GET', `/msg/${ids[0]}`)).toMatchObject({ orderingKey: 'a' });
  });

  it('stops at a failure, also over a restart, until somebody skips it', async () => {
    await scene.endpoint('e', target, { ordering: 'endpoint' });
    target.answersBy(({ payload }) => (payload.n === 1 ? 500 : 200));
    const [failed, second, third] = (await scene.publishAll(1, 3)) as [string, string, string];
    await scene.until(failed, 'e', { state: 'failed', reason: 'retries_exhausted' });
    await scene.restart();
    expect(await scene.explain(third, 'e')).toMatchObject({ ...waits, waitsFor: 'order', behind: failed });
    const fourth = await scene.publish(4);
    expect(await scene.delivery(fourth, 'e')).toMatchObject(waits);
    expect(target.numbers).toEqual([1, 1, 1]);

    const skipped = await scene.ask(200, 'POST', `/msg/${failed}/endpoint/e/skip`);
    expect(skipped).toMatchObject({ state: 'cancelled', reason: 'skipped' });
    for (const id of [second, third, fourth]) await scene.until(id, 'e', { state: 'succeeded' });
    expect(target.numbers).toEqual([1, 1, 1, 2, 3, 4]);
  });

  it('goes on when the failed one is retried now and arrives', async () => {
    await scene.endpoint('e', target, { ordering: 'endpoint' });
    target.answers(500);
    const [failed, second] = (await scene.publishAll(1, 2)) as [string, string];
    await scene.until(failed, 'e', { state: 'failed' });
    // It fails again: nothing overtakes it.
    expect(await scene.ask(200, 'POST', `/msg/${failed}/endpoint/e/retry`)).toMatchObject({ reason: null });
    await target.has(6);
    await scene.until(failed, 'e', { state: 'failed' });
    expect(await scene.delivery(second, 'e')).toMatchObject(waits);
    target.answers(200);
    await scene.ask(200, 'POST', `/msg/${failed}/endpoint/e/retry`);
    for (const id of [failed, second]) await scene.until(id, 'e', { state: 'succeeded' });
    expect(target.numbers).toEqual([1, 1, 1, 1, 1, 1, 1, 2]);
  });

  it('goes on when one that waits for its next try is retried now, resent, or cancelled', async () => {
    await scene.endpoint('e', target, {
      ordering: 'endpoint',
      retrySchedule: { delaysSeconds: [3_600, 3_600], jitter: 0 },
    });
    const down = new Set([1, 2, 3]);
    target.answersBy(({ payload }) => (down.has(payload.n) ? 500 : 200));
    const [one, two, three, four] = (await scene.publishAll(1, 4)) as [string, string, string, string];
    await scene.tried(one, 'e', 1);
    down.delete(1);
    await scene.ask(200, 'POST', `/msg/${one}/endpoint/e/retry`);
    await scene.until(one, 'e', { state: 'succeeded', attemptCount: 2 });

    await scene.tried(two, 'e', 1);
    expect(await scene.delivery(three, 'e')).toMatchObject(waits);
    down.delete(2);
    await scene.ask(202, 'POST', `/msg/${two}/endpoint/e/resend`);
    await scene.until(two, 'e', { state: 'succeeded', attemptCount: 1 });

    await scene.tried(three, 'e', 1);
    expect(await scene.delivery(four, 'e')).toMatchObject(waits);
    const cancelled = await scene.ask(200, 'POST', `/msg/${three}/endpoint/e/cancel`);
    expect(cancelled).toMatchObject({ state: 'cancelled', reason: 'cancelled' });
    await scene.until(four, 'e', { state: 'succeeded' });
    expect(target.numbers).toEqual([1, 1, 2, 2, 3, 4]);
  });

  it('keeps its order through a pause', async () => {
    await scene.endpoint('e', target, { ordering: 'endpoint', paused: true });
    const ids = await scene.publishAll(1, 10);
    for (const id of ids) await scene.until(id, 'e', { state: 'held' });
    await scene.change('e', { paused: false });
    const last = await scene.publish(11);
    await scene.until(last, 'e', { state: 'succeeded' });
    expect(target.numbers).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(target.mostOpen).toBe(1);
  });

  it('holds behind a breaker, a throttle and a restart', async () => {
    await scene.endpoint('e', target, {
      ordering: 'key',
      throttleRate: 100,
      retrySchedule: { delaysSeconds: Array.from({ length: 20 }, () => 0.1), jitter: 0 },
    });
    target.answers(500);
    const ids = await scene.publishAll(1, 30, (n) => ({ orderingKey: n % 3 === 0 ? 'a' : 'b' }));
    await scene.soon(() => scene.health('e'), { breaker: { open: true } });
    await scene.restart(() => target.answers(200));
    for (const id of ids) await scene.until(id, 'e', { state: 'succeeded' });
    const arrived = target.numbers.filter((n, index) => target.numbers.indexOf(n) === index);
    for (const key of [(n: number) => n % 3 === 0, (n: number) => n % 3 !== 0]) {
      const ofKey = arrived.filter(key);
      expect(ofKey).toEqual(ofKey.toSorted((a, b) => a - b));
    }
    expect(target.mostOpen).toBeLessThanOrEqual(2);
  });

  it('is also that of a replay, of what it got in another order', async () => {
    await scene.endpoint('e', target);
    const ids = await scene.publishAll(1, 10);
    for (const id of ids) await scene.until(id, 'e', { state: 'succeeded' });
    const other = await scene.target();
    await scene.endpoint('other', other, { ordering: 'endpoint', channels: ['none'] });
    other.answersBy(({ payload }) => (payload.n === 4 ? 500 : 200));
    const body = { since: scene.time(-HOUR_MS), toEndpoint: 'other' };
    await scene.ask(202, 'POST', '/endpoint/e/bulk-replay', body);
    const fourth = ids[3] as string;
    await scene.soon(async () => (await scene.delivery(fourth, 'other'))?.state, 'failed');
    expect(other.numbers).toEqual([1, 2, 3, 4, 4, 4]);
    await scene.ask(200, 'POST', `/msg/${fourth}/endpoint/other/skip`);
    await scene.until(ids[9] as string, 'other', { state: 'succeeded' });
    expect(other.numbers).toEqual([1, 2, 3, 4, 4, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('of one endpoint is nothing to another, and skip and retry say when they cannot', async () => {
    const other = await scene.target();
    await scene.endpoint('ordered', target, { ordering: 'endpoint' });
    await scene.endpoint('other', other);
    target.answers(500);
    const [first] = (await scene.publishAll(1, 5)) as [string];
    await other.has(5);
    await scene.until(first, 'other', { state: 'succeeded' });
    const skip = (uid: string) => `/msg/${first}/endpoint/${uid}/skip`;
    expect(await scene.ask(409, 'POST', skip('other'))).toMatchObject({ code: 'conflict' });
    const ended = await scene.ask(409, 'POST', `/msg/${first}/endpoint/other/retry`);
    expect(ended.detail).toContain('succeeded');
    await scene.until(first, 'ordered', { state: 'failed' });
    await scene.ask(200, 'POST', skip('ordered'));
    await scene.ask(409, 'POST', skip('ordered'));
    await scene.ask(404, 'POST', `/msg/msg_2nZK5wzbb7UWeTYsEaK6mSrEQhY/endpoint/ordered/skip`);
  });

  it('waits for the time of its messages, each for its own', async () => {
    await scene.endpoint('e', target, { ordering: 'endpoint' });
    const later = await scene.publish(1, { deliverAt: scene.time(HOUR_MS) });
    const next = await scene.publish(2);
    expect(await scene.explain(next, 'e')).toMatchObject({ waitsFor: 'order', behind: later });
    scene.clock.leap(HOUR_MS);
    await scene.until(next, 'e', { state: 'succeeded' });
    expect(target.numbers).toEqual([1, 2]);
  });
});
