import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HOUR_MS, type Json, Scene } from './scene.ts';
import type { Target } from './target.ts';

describe('replay', () => {
  let scene: Scene;
  let target: Target;
  let since: string;
  beforeEach(async () => {
    scene = await Scene.start();
    target = await scene.target();
    since = scene.time(-HOUR_MS);
  });
  afterEach(() => scene.end());

  /** One try, so that failures are past soon; fewer of them in a row than open the breaker. */
  const ONCE = { retrySchedule: { delaysSeconds: [] } };
  const replay = (status: number, fields: object = {}) =>
    scene.ask(status, 'POST', '/endpoint/e/bulk-replay', { since, ...fields });

  /** Publishes so many, and waits until they have arrived or failed. */
  async function past(first: number, last: number, fields: (n: number) => object = () => ({})) {
    const ids = await scene.publishAll(first, last, fields);
    for (const id of ids) {
      await scene.until(id, 'e', { state: expect.stringMatching(/succeeded|failed/) });
    }
    return ids;
  }

  it('counts first, picks by event type, tag, channel and state, and shows how far it is', async () => {
    await scene.endpoint('e', target, ONCE);
    target.answersBy(({ payload }) => (payload.n % 2 === 0 ? 500 : 200));
    await past(1, 12, (n) => ({
      eventType: n <= 8 ? 'ticket.created' : 'comment.created',
      tags: n <= 4 ? ['import'] : ['other'],
      channels: [n === 1 ? 'one' : 'many'],
    }));
    const counts = async (fields: object) => {
      const counted = await replay(200, { ...fields, dryRun: true });
      expect(counted).toMatchObject({ complete: true });
      return counted.count;
    };
    expect(await counts({})).toBe(12);
    expect(await counts({ states: ['failed'] })).toBe(6);
    expect(await counts({ status: 0 })).toBe(6);
    expect(await counts({ statusCodeClass: 500 })).toBe(6);
    expect(await counts({ eventTypes: ['comment.*'] })).toBe(4);
    expect(await counts({ tag: 'import' })).toBe(4);
    expect(await counts({ channel: 'one' })).toBe(1);
    expect(await counts({ until: since, since: scene.time(-2 * HOUR_MS) })).toBe(0);
    const picked = { eventTypes: ['ticket.*'], tag: 'import', states: ['failed'] };
    expect(await counts(picked)).toBe(2);
    // Counting has done nothing.
    expect((await scene.ask(200, 'GET', '/task')).data).toEqual([]);
    const before = target.arrivals.length;

    target.answers(200);
    const task = await replay(202, picked);
    expect(task).toMatchObject({ status: 'running', task: 'endpoint.bulk-replay', data: { rate: 100 } });
    await target.has(before + 2);
    const ended = await scene.ended(task);
    const { endpointId } = ended.data;
    expect(ended).toMatchObject({
      status: 'finished',
      data: { targetEndpointId: endpointId, affected: 2, progress: 1 },
    });
    expect(ended.data.scanned).toBeGreaterThanOrEqual(2);
    expect(target.numbers.slice(before).toSorted()).toEqual([2, 4]);
    expect(await counts(picked)).toBe(0);
  });

  it('goes to another endpoint when it is told so, whatever that one has filters for', async () => {
    const other = await scene.target();
    await scene.endpoint('e', target);
    await scene.endpoint('other', other, { eventTypes: ['comment.created'] });
    const ids = await past(1, 5);
    const task = await replay(202, { toEndpoint: 'other' });
    await other.has(5);
    expect((await scene.ended(task)).data.affected).toBe(5);
    expect(other.numbers.toSorted()).toEqual([1, 2, 3, 4, 5]);
    expect(new Set(other.arrivals.map(({ id }) => id))).toEqual(new Set(ids));
    for (const id of ids) await scene.until(id, 'other', { state: 'succeeded' });
    expect(target.arrivals).toHaveLength(5);
    await replay(422, { toEndpoint: 'nobody' });
  });

  it('is paced, and goes on after a restart where it was', async () => {
    await scene.endpoint('e', target);
    await past(1, 12);
    const task = await replay(202, { rate: 2 });
    await target.has(14);
    // What is left of a step's time is not kept over a restart: the pace is that of before.
    const at = target.arrivals.slice(12).map(({ monotonic }) => monotonic);
    expect((at.at(-1) as number) - (at[0] as number)).toBeGreaterThanOrEqual((at.length - 1) * 500 - 250);
    await scene.restart();
    const meanwhile = await scene.ask(200, 'GET', `/task/${task.id}`);
    expect(meanwhile).toMatchObject({ status: 'running' });
    expect(meanwhile.data.affected).toBeLessThan(12);
    expect(meanwhile.data.progress).toBeLessThan(1);
    // The rest of its time goes by. What was broken off by the restart came once more.
    await scene.soon(async () => {
      if ((await scene.health('e')).inFlight === 0) scene.clock.leap(500);
      return new Set(target.numbers.slice(12)).size;
    }, 12);
    expect(await scene.ended(task)).toMatchObject({ status: 'finished', data: { affected: 12 } });
    expect(target.arrivals.length).toBeLessThanOrEqual(26);
  });

  it('can be cancelled: what it has not let go stays as it is', async () => {
    await scene.endpoint('e', target, ONCE);
    target.answers(500);
    await past(1, 8);
    target.answers(200);
    const before = target.arrivals.length;
    const task = await replay(202, { rate: 1 });
    await target.has(before + 1);
    const cancelled = await scene.ask(200, 'POST', `/task/${task.id}/cancel`);
    expect(cancelled).toMatchObject({ status: 'cancelled' });
    expect(cancelled.data.affected).toBeLessThan(8);
    await scene.ask(409, 'POST', `/task/${task.id}/cancel`);
    await scene.restart();
    scene.clock.leap(60_000);
    await scene.until(await scene.publish(9), 'e', { state: 'succeeded' });
    expect(target.arrivals.length).toBeLessThan(before + 8);
    const { data } = await scene.ask(200, 'GET', '/endpoint/e/msg?limit=50');
    expect(data.filter((each: Json) => each.state === 'failed')).toHaveLength(8 - cancelled.data.affected);
    expect(await scene.ask(200, 'GET', `/task/${task.id}`)).toMatchObject({ status: 'cancelled' });
  });

  it('waits while the endpoint is paused, says so, and goes on after it', async () => {
    await scene.endpoint('e', target);
    await past(1, 8);
    const task = await replay(202, { rate: 4 });
    await scene.change('e', { paused: true });
    const read = async () => {
      scene.clock.leap(1_000);
      return (await scene.ask(200, 'GET', `/task/${task.id}`)).data.waiting;
    };
    await scene.soon(read, 'endpoint_paused');
    await scene.restart();
    expect(await scene.ask(200, 'GET', `/task/${task.id}`)).toMatchObject({ status: 'running' });
    await scene.change('e', { paused: false });
    await scene.soon(async () => {
      scene.clock.leap(1_000);
      return (await scene.ask(200, 'GET', `/task/${task.id}`)).status;
    }, 'finished');
    await target.has(16);
  });

  it('of what is missing gives a new endpoint what it would have got', async () => {
    await scene.endpoint('e', target);
    await past(1, 6, (n) => ({ eventType: n % 2 === 0 ? 'ticket.created' : 'comment.created' }));
    const late = await scene.target();
    await scene.endpoint('late', late, { eventTypes: ['ticket.*'] });
    const missing = (status: number, fields: object) =>
      scene.ask(status, 'POST', '/endpoint/late/replay-missing', { since, ...fields });
    expect(await missing(200, { dryRun: true })).toMatchObject({ count: 3, complete: true });
    const task = await missing(202, {});
    expect(task).toMatchObject({ task: 'endpoint.replay' });
    await late.has(3);
    expect(await scene.ended(task)).toMatchObject({ status: 'finished', data: { affected: 3 } });
    expect(late.numbers.toSorted()).toEqual([2, 4, 6]);
    // It has them now.
    expect(await missing(200, { dryRun: true })).toMatchObject({ count: 0 });
  });

  it('and recover are the same machine: tasks, listed for the application and for operators', async () => {
    await scene.endpoint('e', target);
    target.answers(500);
    const [id] = await past(1, 3);
    target.answers(200);
    const recovery = await scene.ask(202, 'POST', '/endpoint/e/recover', { since });
    expect(recovery).toMatchObject({ task: 'endpoint.recover', status: 'running' });
    expect(await scene.ended(recovery)).toMatchObject({ status: 'finished', data: { affected: 3 } });
    await scene.until(id as string, 'e', { state: 'succeeded', attemptCount: 1 });
    const again = await replay(202);
    await scene.ended(again);
    for (const list of [
      await scene.ask(200, 'GET', '/task'),
      await scene.askAll(200, 'GET', '/background-task'),
    ]) {
      expect(list.data.map((each: Json) => each.id).toSorted()).toEqual([again.id, recovery.id].toSorted());
    }
    const recoveries = await scene.ask(200, 'GET', '/task?task=endpoint.recover&status=finished');
    expect(recoveries.data.map((each: Json) => each.id)).toEqual([recovery.id]);
    expect(await scene.askAll(200, 'GET', `/background-task/${recovery.id}`)).toMatchObject({
      id: recovery.id,
    });
    const other = await scene.world.addCompany('other', 'other');
    await scene.askAll(404, 'GET', `/app/${other.application.id}/task/${recovery.id}`);
  });

  it('and a resend that cannot happen are refused, and a resend leaves the schedule as it is', async () => {
    await scene.endpoint('e', target, { retrySchedule: { delaysSeconds: [3_600], jitter: 0 } });
    target.answers(500);
    const id = await scene.publish(1);
    const before = await scene.tried(id, 'e', 1);
    await scene.ask(202, 'POST', `/msg/${id}/endpoint/e/resend`);
    await target.has(2);
    await scene.soon(async () => (await scene.ask(200, 'GET', `/attempt/msg/${id}`)).data.length, 2);
    const { state, nextAttempt, attemptCount } = before;
    expect(await scene.delivery(id, 'e')).toMatchObject({ state, nextAttempt, attemptCount });

    await scene.endpoint('unmatched', target, { channels: ['none'] });
    await scene.ask(404, 'POST', `/msg/${id}/endpoint/unmatched/resend`);
    await scene.ask(204, 'DELETE', `/msg/${id}/content`);
    const gone = await scene.ask(400, 'POST', `/msg/${id}/endpoint/e/resend`);
    expect(gone).toMatchObject({ code: 'missing_payload' });
    await scene.change('e', { disabled: true });
    for (const path of ['bulk-replay', 'recover', 'replay-missing']) {
      const refused = await scene.ask(400, 'POST', `/endpoint/e/${path}`, { since });
      expect(refused).toMatchObject({ code: 'endpoint_disabled' });
    }
    await replay(422, { since: 'yesterday' });
    await replay(422, { rate: 0 });
  });
});
