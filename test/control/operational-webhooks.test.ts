import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DAY_MS, type Json, Scene } from './scene.ts';
import type { Target } from './target.ts';

const WEBHOOKS = '/operational-webhook/endpoint';

describe('operational webhooks', () => {
  let scene: Scene;
  let target: Target;
  let operators: Target;
  beforeEach(async () => {
    scene = await Scene.start({ retryScheduleMs: [20, 20, 20, 20] });
    target = await scene.target();
    operators = await scene.target();
  });
  afterEach(() => scene.end());

  const told = () => operators.arrivals.map(({ payload }) => payload.type);
  const subscribe = (fields: object = {}) =>
    scene.askAll(201, 'POST', WEBHOOKS, { url: operators.url, ...fields });

  it('tell of endpoints: created, updated, disabled, enabled, deleted; signed like all deliveries', async () => {
    const webhook = await subscribe();
    const { id } = await scene.endpoint('e', target);
    await scene.change('e', { description: 'mine' });
    await scene.change('e', { disabled: true });
    await scene.change('e', { disabled: false });
    await scene.ask(204, 'PUT', '/endpoint/e/headers', { headers: { 'x-a': 'b' } });
    await scene.ask(204, 'DELETE', '/endpoint/e');
    const types = ['created', 'updated', 'updated', 'disabled', 'updated', 'enabled', 'updated', 'deleted'];
    await operators.has(types.length);
    // They are sent at once and not one by one: the receiver may get them in another order.
    expect(told().toSorted()).toEqual(types.map((type) => `endpoint.${type}`).toSorted());
    const { key } = await scene.askAll(200, 'GET', `${WEBHOOKS}/${webhook.id}/secret`);
    const [application] = (await scene.askAll(200, 'GET', '/app')).data;
    for (const { body, headers, payload } of operators.arrivals) {
      expect(() => new Webhook(key).verify(body, headers as Record<string, string>)).not.toThrow();
      expect(payload.data).toMatchObject({ appId: application.id, endpointId: id, endpointUid: 'e' });
    }
    const disabled = operators.arrivals.find(({ payload }) => payload.type === 'endpoint.disabled');
    expect(disabled?.payload.data).toMatchObject({ reason: 'manual', failSince: expect.any(String) });
  });

  it('tell of messages: failing at the fourth attempt, exhausted, and recovered by a resend', async () => {
    await subscribe({ filterTypes: ['message.attempt.*'] });
    await scene.endpoint('e', target);
    await scene.until(await scene.publish(0), 'e', { state: 'succeeded' });
    target.answers(500);
    const id = await scene.publish(1, { eventId: 'event-1' });
    await operators.has(2);
    await scene.until(id, 'e', { state: 'failed', attemptCount: 5 });
    const attempts = (await scene.ask(200, 'GET', `/attempt/msg/${id}`)).data;
    const at = (number: number) => attempts.find((each: Json) => each.attemptNumber === number).id;
    const dataOf = (type: string) =>
      operators.arrivals.find(({ payload }) => payload.type === type)?.payload.data;
    const common = { msgId: id, msgEventId: 'event-1', endpointId: expect.stringMatching(/^ep_/) };
    const failed = { responseStatusCode: 500, timestamp: expect.any(String) };
    await scene.soon(() => told().length, 2);
    expect(dataOf('message.attempt.failing')).toMatchObject({
      ...common,
      lastAttempt: { ...failed, id: at(4) },
    });
    expect(dataOf('message.attempt.exhausted')).toMatchObject({
      ...common,
      lastAttempt: { ...failed, id: at(5) },
    });
    target.answers(200);
    await scene.ask(202, 'POST', `/msg/${id}/endpoint/e/resend`);
    await operators.has(3);
    expect(dataOf('message.attempt.recovered')).toMatchObject({
      ...common,
      lastAttempt: { responseStatusCode: 200 },
    });
  });

  it('announce an endpoint that fails for days before it is disabled, once, and then that it is', async () => {
    await subscribe({ filterTypes: ['endpoint.failing', 'endpoint.disabled'] });
    await scene.endpoint('e', target, { retrySchedule: { delaysSeconds: [] } });
    target.answers(500);
    const fails = async (n: number) => scene.until(await scene.publish(n), 'e', { state: 'failed' });
    await fails(1);
    const { failingSince, disablesAt } = await scene.health('e');
    scene.clock.leap(3.9 * DAY_MS);
    await fails(2);
    scene.clock.leap(0.2 * DAY_MS);
    await fails(3);
    await operators.has(1);
    expect(operators.arrivals[0]?.payload).toMatchObject({
      type: 'endpoint.failing',
      data: { endpointUid: 'e', failSince: failingSince, disableAt: disablesAt },
    });
    await scene.restart();
    await fails(4);
    scene.clock.leap(DAY_MS);
    await fails(5);
    // What was broken off by the restart came once more.
    await scene.soon(() => new Set(operators.arrivals.map(({ id }) => id)).size, 2);
    expect(operators.arrivals.at(-1)?.payload).toMatchObject({
      type: 'endpoint.disabled',
      data: { endpointUid: 'e', failSince: failingSince, reason: 'failing' },
    });
  });

  it('tell of an endpoint that is gone', async () => {
    await subscribe({ eventTypes: ['endpoint.disabled'] });
    await scene.endpoint('e', target);
    target.answers(410);
    await scene.publish(1);
    await operators.has(1);
    expect(operators.arrivals[0]?.payload.data).toMatchObject({ reason: 'gone', endpointUid: 'e' });
  });

  it('are deliveries: tried again, over a restart too, and on record under their applicationId', async () => {
    const webhook = await subscribe({ filterTypes: ['endpoint.created'] });
    operators.answers(500);
    await scene.endpoint('e', target);
    await operators.has(1);
    await scene.restart(() => operators.answers(200));
    const arrived = async () => {
      const { data } = await scene.askAll(200, 'GET', `/app/${webhook.applicationId}/msg`);
      expect(data).toHaveLength(1);
      expect(data[0]).toMatchObject({ eventType: 'endpoint.created' });
      const explained = await scene.askAll(
        200,
        'GET',
        `/app/${webhook.applicationId}/msg/${data[0].id}/endpoint/${webhook.id}/explain`,
      );
      return explained.state;
    };
    await scene.soon(arrived, 'succeeded');
    expect(new Set(operators.arrivals.map(({ id }) => id)).size).toBe(1);
    // Nobody changes that application, and no list has it.
    await scene.askAll(409, 'DELETE', `/app/${webhook.applicationId}`);
    await scene.askAll(409, 'PATCH', `/app/${webhook.applicationId}`, { name: 'mine' });
    expect((await scene.askAll(200, 'GET', '/app')).data).toHaveLength(1);
  });

  it('are changed like endpoints, and are silent about themselves; a key of a company has none of it', async () => {
    const { id } = await subscribe({ description: 'pager', metadata: { team: 'ops' } });
    await scene.askAll(200, 'PATCH', `${WEBHOOKS}/${id}`, { description: 'desk' });
    expect(await scene.askAll(200, 'GET', `${WEBHOOKS}/${id}`)).toMatchObject({ description: 'desk' });
    const { data } = await scene.askAll(200, 'GET', WEBHOOKS);
    expect(data.map((each: Json) => each.id)).toEqual([id]);
    await scene.askAll(422, 'POST', WEBHOOKS, { url: operators.url, filterTypes: ['ticket.created'] });
    const asCompany = await scene.world.call('GET', `/api/v1${WEBHOOKS}`, { key: scene.world.company.token });
    expect(asCompany.status).toBe(403);
    await scene.endpoint('e', target);
    await operators.has(1);
    expect(told()).toEqual(['endpoint.created']);
    await scene.askAll(204, 'DELETE', `${WEBHOOKS}/${id}`);
    await scene.endpoint('unseen', target);
    await scene.until(await scene.publish(1), 'unseen', { state: 'succeeded' });
    expect(told()).toEqual(['endpoint.created']);
  });
});
