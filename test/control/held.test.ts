import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HOUR_MS, Scene } from './scene.ts';
import type { Target } from './target.ts';

describe('held deliveries', () => {
  let scene: Scene;
  let target: Target;
  beforeEach(async () => {
    scene = await Scene.start({ retryScheduleMs: [HOUR_MS] });
    target = await scene.target();
  });
  afterEach(() => scene.end());

  it('of a disabled endpoint stay when it is enabled, until they are released, paced', async () => {
    await scene.endpoint('e', target, { disabled: true });
    expect(await scene.ask(200, 'GET', '/endpoint/e')).toMatchObject({ disabledReason: 'manual' });
    const ids = await scene.publishAll(1, 8);
    const held = { state: 'held', reason: 'endpoint_disabled', nextAttempt: null, attemptCount: 0 };
    for (const id of ids) expect(await scene.delivery(id, 'e')).toMatchObject(held);
    expect(await scene.health('e')).toMatchObject({ state: 'disabled', held: 8 });
    expect(await scene.ask(400, 'POST', '/endpoint/e/held/release')).toMatchObject({
      code: 'endpoint_disabled',
    });

    await scene.change('e', { disabled: false });
    // What comes then goes out at once, and nothing of what is held with it.
    const next = await scene.publish(9);
    await scene.until(next, 'e', { state: 'succeeded' });
    expect(target.numbers).toEqual([9]);
    expect(await scene.delivery(ids[0] as string, 'e')).toMatchObject(held);

    const begin = scene.clock.monotonic();
    const task = await scene.ask(202, 'POST', '/endpoint/e/held/release', { rate: 10 });
    expect(task).toMatchObject({ status: 'running', task: 'endpoint.release', data: { rate: 10 } });
    await target.has(9);
    for (const id of ids) await scene.until(id, 'e', { state: 'succeeded', attemptCount: 1 });
    expect(await scene.ended(task)).toMatchObject({
      status: 'finished',
      data: { affected: 8, progress: 1, waiting: null },
    });
    const released = target.arrivals.slice(1);
    expect(released.map(({ payload }) => payload.n)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    released.forEach(({ monotonic }, index) => {
      expect(monotonic - begin).toBeGreaterThanOrEqual(index * 100 - 1);
    });
  });

  it('are discarded when somebody says so, also while the endpoint is disabled', async () => {
    await scene.endpoint('e', target, { disabled: true });
    const ids = await scene.publishAll(1, 5);
    const task = await scene.ask(202, 'POST', '/endpoint/e/held/discard');
    expect(task).toMatchObject({ task: 'endpoint.discard' });
    expect(await scene.ended(task)).toMatchObject({ status: 'finished', data: { affected: 5 } });
    for (const id of ids) {
      expect(await scene.delivery(id, 'e')).toMatchObject({ state: 'cancelled', reason: 'discarded' });
    }
    await scene.change('e', { disabled: false });
    await scene.ended(await scene.ask(202, 'POST', '/endpoint/e/held/release'));
    await scene.until(await scene.publish(6), 'e', { state: 'succeeded' });
    expect(target.numbers).toEqual([6]);
  });

  it('of a paused endpoint go out by themselves when the pause ends, over a restart, with what waited before it', async () => {
    target.answers(500);
    await scene.endpoint('e', target);
    const before = await scene.publish(1);
    await scene.tried(before, 'e', 1);
    expect(await scene.change('e', { paused: true })).toMatchObject({
      paused: true,
      pausedAt: expect.any(String),
      disabled: false,
    });
    const held = { state: 'held', reason: 'endpoint_paused', nextAttempt: null };
    await scene.until(before, 'e', held);
    const during = await scene.publishAll(2, 4);
    for (const id of during)
      expect(await scene.delivery(id, 'e')).toMatchObject({ ...held, attemptCount: 0 });
    expect(await scene.explain(during[0] as string, 'e')).toMatchObject({ waitsFor: 'endpoint_paused' });
    for (const path of ['resend', 'retry']) {
      const refused = await scene.ask(400, 'POST', `/msg/${before}/endpoint/e/${path}`);
      expect(refused).toMatchObject({ code: 'endpoint_disabled' });
    }
    await scene.restart();
    expect(await scene.health('e')).toMatchObject({ state: 'paused', held: 4 });
    target.answers(200);
    expect(await scene.change('e', { paused: false })).toMatchObject({ paused: false, pausedAt: null });
    for (const id of [before, ...during]) await scene.until(id, 'e', { state: 'succeeded' });
    expect(target.numbers.toSorted()).toEqual([1, 1, 2, 3, 4]);
  });

  it('wait for the other when an endpoint is paused and disabled: disabled wins', async () => {
    await scene.endpoint('e', target, { paused: true });
    await scene.change('e', { disabled: true });
    const id = await scene.publish(1);
    await scene.until(id, 'e', { state: 'held', reason: 'endpoint_disabled' });
    // The end of the pause does not release what the other holds.
    await scene.change('e', { paused: false });
    await scene.change('e', { disabled: false });
    await scene.until(await scene.publish(2), 'e', { state: 'succeeded' });
    expect(await scene.delivery(id, 'e')).toMatchObject({ state: 'held' });
    await scene.ask(202, 'POST', '/endpoint/e/held/release', {});
    await scene.until(id, 'e', { state: 'succeeded' });
  });

  it('none is left behind when pauses begin and end while messages come', async () => {
    await scene.endpoint('e', target);
    const ids: Promise<string[]>[] = [];
    for (let round = 0; round < 10; round++) {
      const pause = scene.change('e', { paused: true });
      ids.push(scene.publishAll(20 * round, 20 * round + 9));
      await pause;
      const end = scene.change('e', { paused: false });
      ids.push(scene.publishAll(20 * round + 10, 20 * round + 19));
      await end;
    }
    const all = (await Promise.all(ids)).flat();
    await scene.soon(async () => {
      // Releases are paced.
      scene.clock.leap(200);
      const { pending, sending, held } = await scene.health('e');
      return pending + sending + held;
    }, 0);
    expect(new Set(target.numbers).size).toBe(200);
    expect(all).toHaveLength(200);
    await scene.soon(async () => (await scene.ask(200, 'GET', '/task?status=running')).data, []);
  });

  it('are cancelled when the endpoint is deleted', async () => {
    await scene.endpoint('e', target, { paused: true });
    const id = await scene.publish(1);
    await scene.ask(204, 'DELETE', '/endpoint/e');
    const read = async () => (await scene.ask(200, 'GET', `/msg/${id}/endpoint`)).data[0];
    await scene.soon(read, { state: 'cancelled', reason: 'endpoint_deleted' });
  });

  it('a message that no endpoint wanted is kept, and says so', async () => {
    await scene.endpoint('e', target, { eventTypes: ['comment.created'] });
    const message = (eventType: string) => ({ eventType, payload: { n: 1 } });
    const unwanted = await scene.ask(202, 'POST', '/msg', message('ticket.created'));
    const wanted = await scene.ask(202, 'POST', '/msg', message('comment.created'));
    expect([unwanted.matched, wanted.matched]).toEqual([false, true]);
    await scene.restart();
    const { data } = await scene.ask(200, 'GET', '/msg?with_content=true');
    expect(data.map((each: { id: string; matched: boolean }) => [each.id, each.matched])).toEqual([
      [wanted.id, true],
      [unwanted.id, false],
    ]);
    expect(await scene.ask(200, 'GET', `/msg/${unwanted.id}`)).toMatchObject({
      matched: false,
      payload: { n: 1 },
    });
  });
});
