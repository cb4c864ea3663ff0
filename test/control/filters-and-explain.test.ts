import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HOUR_MS, type Json, Scene } from './scene.ts';
import type { Target } from './target.ts';

let scene: Scene;
let target: Target;
beforeEach(async () => {
  scene = await Scene.start({ retryScheduleMs: [HOUR_MS, 2 * HOUR_MS] });
  target = await scene.target();
});
afterEach(() => scene.end());

describe('filters', () => {
  it('by ticket.* and by channel, together', async () => {
    await scene.endpoint('tickets', target, { eventTypes: ['ticket.*', 'comment.created'] });
    const other = await scene.target();
    await scene.endpoint('both', other, { eventTypes: ['ticket.assigned.*'], channels: ['vip', 'gold'] });
    const types = ['ticket.created', 'ticket.assigned.to.user', 'comment.created', 'agent.reply.created'];
    const channels = [['vip'], ['gold', 'x'], ['vip'], ['vip']];
    const ids = await scene.publishAll(0, 3, (n) => ({ eventType: types[n], channels: channels[n] }));
    const unwanted = await scene.publish(4, { eventType: 'ticket.assigned.to.team' });
    await target.has(4);
    await scene.until(ids[1] as string, 'both', { state: 'succeeded' });
    expect(target.numbers.toSorted()).toEqual([0, 1, 2, 4]);
    expect(other.numbers).toEqual([1]);
    expect(await scene.explain(unwanted, 'both')).toMatchObject({ matched: false, rule: 'channels' });
    // One that is added later is meant too.
    await scene.askAll(201, 'POST', '/event-type', { name: 'ticket.merged', description: '' });
    await scene.publish(5, { eventType: 'ticket.merged' });
    await target.has(5);
    for (const wrong of ['ticket*', '*', 'unknown.*', '*.created']) {
      await scene.ask(422, 'PATCH', '/endpoint/tickets', { eventTypes: [wrong] });
    }
  });
});

describe('explain', () => {
  const nothing = { matched: false, state: null, reason: null, attemptCount: 0, lastAttempt: null };

  it('names the rule by which an endpoint did not get a message', async () => {
    await scene.endpoint('type', target, { eventTypes: ['comment.created'] });
    await scene.endpoint('channel', target, { channels: ['vip'] });
    const id = await scene.publish(1, { channels: ['other'] });
    scene.clock.leap(10);
    await scene.endpoint('newer', target);
    const rules = async () => {
      const entries = ['type', 'channel', 'newer'].map(async (uid) => {
        const explained = await scene.explain(id, uid);
        expect(explained).toMatchObject({ ...nothing, msgId: id, waitsFor: null, nextAttempt: null });
        expect(explained.text).toMatch(/^[A-Z].+\.$/s);
        return explained.rule;
      });
      return Promise.all(entries);
    };
    expect(await rules()).toEqual(['event_type', 'channels', 'endpoint_newer']);
    await scene.change('type', { eventTypes: null });
    expect(await rules()).toEqual(['changed_since', 'channels', 'endpoint_newer']);
    await scene.restart();
    expect(await rules()).toEqual(['changed_since', 'channels', 'endpoint_newer']);
  });

  it('says how it stands, over all endpoints: arrived, tried again, held, not yet, not for it', async () => {
    const down = await scene.target();
    down.answers(503);
    await scene.endpoint('good', target);
    await scene.endpoint('down', down);
    await scene.endpoint('paused', target, { paused: true });
    await scene.endpoint('disabled', target, { disabled: true });
    await scene.endpoint('unwanted', target, { channels: ['none'] });
    const id = await scene.publish(1);
    await scene.until(id, 'good', { state: 'succeeded' });
    const { nextAttempt } = await scene.tried(id, 'down', 1);
    const endpoints = (await scene.ask(200, 'GET', '/endpoint?order=ascending')).data;
    const page = await scene.ask(200, 'GET', `/msg/${id}/explain`);
    expect(page.data.map((each: Json) => each.endpointId)).toEqual(endpoints.map((each: Json) => each.id));
    const matched = { matched: true, rule: null, msgId: id };
    expect(page.data).toMatchObject([
      {
        ...matched,
        state: 'succeeded',
        waitsFor: null,
        attemptCount: 1,
        lastAttempt: { responseStatusCode: 200, errorCode: null },
        nextAttempt: null,
        plannedAttempts: [],
      },
      {
        ...matched,
        state: 'pending',
        waitsFor: 'retry',
        attemptCount: 1,
        lastAttempt: { responseStatusCode: 503 },
        nextAttempt,
      },
      { ...matched, state: 'held', reason: 'endpoint_paused', waitsFor: 'endpoint_paused', attemptCount: 0 },
      { ...matched, state: 'held', reason: 'endpoint_disabled', waitsFor: 'endpoint_disabled' },
      { ...nothing, rule: 'channels' },
    ]);
    const [first, second, ...more] = page.data[1].plannedAttempts;
    expect([first, more]).toEqual([nextAttempt, []]);
    expect(Date.parse(second) - Date.parse(first)).toBe(2 * HOUR_MS);
    for (const each of page.data) expect(await scene.explain(id, each.endpointId)).toEqual(each);

    // Pages as of other lists.
    const half = await scene.ask(200, 'GET', `/msg/${id}/explain?limit=3`);
    expect(half).toMatchObject({ done: false });
    const rest = await scene.ask(
      200,
      'GET',
      `/msg/${id}/explain?limit=3&iterator=${encodeURIComponent(half.iterator)}`,
    );
    expect([...half.data, ...rest.data]).toEqual(page.data);
    await scene.ask(404, 'GET', `/msg/${id}/endpoint/nobody/explain`);
    await scene.ask(404, 'GET', `/msg/msg_2nZK5wzbb7UWeTYsEaK6mSrEQhY/explain`);
  });

  it('tells what ended, and why', async () => {
    await scene.endpoint('e', target, { retrySchedule: { delaysSeconds: [] } });
    target.answers(500);
    const failed = await scene.publish(1);
    await scene.until(failed, 'e', { state: 'failed' });
    const explained = await scene.explain(failed, 'e');
    expect(explained).toMatchObject({ state: 'failed', reason: 'retries_exhausted', plannedAttempts: [] });
    const [attempt] = (await scene.ask(200, 'GET', `/attempt/msg/${failed}`)).data;
    expect(explained.lastAttempt).toMatchObject({ id: attempt.id, timestamp: attempt.timestamp });
    const later = await scene.publish(2, { deliverAt: scene.time(HOUR_MS) });
    await scene.ask(200, 'POST', `/msg/${later}/endpoint/e/cancel`);
    expect(await scene.explain(later, 'e')).toMatchObject({ state: 'cancelled', reason: 'cancelled' });
  });
});
