import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Json, Scene } from './scene.ts';
import type { Target } from './target.ts';

const NAME = 'order.placed';
const schema = (type: string) => ({
  type: 'object',
  required: ['order'],
  properties: {
    order: { type: 'object', required: ['id'], properties: { id: { type }, lines: { items: { type } } } },
  },
});

describe('validation of payloads', () => {
  let scene: Scene;
  let target: Target;
  beforeEach(async () => {
    scene = await Scene.start();
    target = await scene.target();
    await scene.endpoint('e', target);
  });
  afterEach(() => scene.end());

  const good = { n: 1, order: { id: 7, lines: [1, 2] } };
  const bad = { n: 2, order: { id: 'seven', lines: [1, 'two'] } };
  const define = (fields: object) =>
    scene.askAll(201, 'POST', '/event-type', {
      name: NAME,
      description: '',
      schemas: { 1: schema('string'), 2: schema('integer') },
      ...fields,
    });
  const validate = (validation: string) => scene.askAll(200, 'PATCH', `/event-type/${NAME}`, { validation });
  const publish = (status: number, payload: object) =>
    scene.ask(status, 'POST', '/msg', { eventType: NAME, payload });

  it('is off until it is asked for', async () => {
    expect(await define({})).toMatchObject({ validation: 'off' });
    const { id, ...message } = await publish(202, bad);
    expect(message).not.toHaveProperty('schemaProblems');
    await scene.until(id, 'e', { state: 'succeeded' });
    expect(await scene.explain(id, 'e')).toMatchObject({ schema: null });
  });

  it('reject refuses what does not fit, with the place of each problem, and stores nothing, over a restart', async () => {
    expect(await define({ validation: 'reject' })).toMatchObject({ validation: 'reject' });
    const refused = async () => {
      const { detail } = await publish(422, bad);
      expect(detail.map((each: Json) => each.loc)).toEqual([
        ['body', 'payload', 'order', 'id'],
        ['body', 'payload', 'order', 'lines', 1],
      ]);
      for (const { msg } of detail) expect(msg).toEqual(expect.any(String));
      const missing = await publish(422, { n: 3 });
      expect(missing.detail[0].loc.slice(0, 2)).toEqual(['body', 'payload']);
    };
    await refused();
    const raw = { eventType: NAME, payload: {}, transformationsParams: { rawPayload: 'no JSON' } };
    await scene.ask(422, 'POST', '/msg', raw);
    const batch = { messages: [good, bad].map((payload) => ({ eventType: NAME, payload })) };
    const { detail } = await scene.ask(422, 'POST', '/msg/batch', batch);
    expect(detail[0].loc).toEqual(['body', 'messages', 1, 'payload', 'order', 'id']);
    await scene.restart();
    await refused();
    expect((await scene.ask(200, 'GET', '/msg')).data).toEqual([]);
    const { id } = await publish(202, good);
    await scene.until(id, 'e', { state: 'succeeded' });
    expect(target.numbers).toEqual([1]);
    expect(await scene.explain(id, 'e')).toMatchObject({ schema: { valid: true, problems: [] } });
  });

  it('warn takes it, delivers it, and tells: in the answer, and later in explain', async () => {
    await define({ validation: 'warn' });
    const { id, schemaProblems } = await publish(202, bad);
    expect(schemaProblems.map((each: Json) => each.loc)).toEqual([
      ['body', 'payload', 'order', 'id'],
      ['body', 'payload', 'order', 'lines', 1],
    ]);
    await scene.until(id, 'e', { state: 'succeeded' });
    expect(target.numbers).toEqual([2]);
    const { schema: explained } = await scene.explain(id, 'e');
    expect(explained.valid).toBe(false);
    expect(explained.problems).toHaveLength(2);
    expect(await publish(202, good)).not.toHaveProperty('schemaProblems');
    const batch = { messages: [good, bad].map((payload) => ({ eventType: NAME, payload })) };
    const { data } = await scene.ask(202, 'POST', '/msg/batch', batch);
    expect(data[0]).not.toHaveProperty('schemaProblems');
    expect(data[1].schemaProblems[0].loc).toEqual(['body', 'messages', 1, 'payload', 'order', 'id']);
  });

  it('follows the event type at once: its mode and its schemas; a PUT without it keeps it', async () => {
    await define({});
    await validate('reject');
    await publish(422, bad);
    await scene.askAll(200, 'PATCH', `/event-type/${NAME}`, { schemas: { 1: schema('string') } });
    await publish(422, good);
    await scene.askAll(200, 'PUT', `/event-type/${NAME}`, {
      description: 'new',
      schemas: { 3: schema('integer') },
    });
    expect(await scene.askAll(200, 'GET', `/event-type/${NAME}`)).toMatchObject({ validation: 'reject' });
    await publish(202, good);
    await validate('off');
    await publish(202, bad);
    // Other event types are none of its business.
    await scene.publish(1);
  });
});
