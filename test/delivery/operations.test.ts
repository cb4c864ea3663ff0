import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../helpers/app.ts';
import { type Receiver, startReceiver } from '../helpers/receiver.ts';

const ENDPOINTS = '/api/v1/app/1/endpoint';

describe('what an operator does to deliveries', () => {
  let app: Awaited<ReturnType<typeof startTestApp>>;
  let receivers: Receiver[] = [];
  /** Answers with the status that `answers` has at that time. */
  const answers = { status: 200 };
  const receiver = async (onRequest: () => void = () => {}) => {
    const made = await startReceiver((response) => {
      onRequest();
      response.statusCode = answers.status;
      response.end();
    });
    receivers.push(made);
    return made;
  };
  /** Starts anew, with other settings. */
  const start = async (env: Record<string, string>) => {
    await app.dispose();
    app = await startTestApp(env);
  };

  beforeEach(async () => {
    answers.status = 200;
    app = await startTestApp();
  });
  afterEach(async () => {
    await app.dispose();
    await Promise.all(receivers.map((each) => each.close()));
    receivers = [];
  });

  describe('a throttle', () => {
    const RATE = 20;
    /** The earliest that the last of so many may come, ms: evenly paced, with what a throttle may catch up. */
    const earliest = (count: number) => ((count - 1) * 1_000) / RATE - 50;

    it('of an endpoint is kept', async () => {
      const arrivals: number[] = [];
      const target = await receiver(() => arrivals.push(performance.now()));
      await endpoint(app, { url: target.url, throttleRate: RATE });
      const begin = performance.now();
      await Promise.all(Array.from({ length: 30 }, (_, n) => app.publish(`{"n":${n}}`)));
      await target.has(30);
      arrivals.forEach((at, index) => {
        expect(at - begin).toBeGreaterThanOrEqual(earliest(index + 1));
      });
    });

    it('of an application is kept over all of its endpoints, also when it is set while something waits', async () => {
      const arrivals: number[] = [];
      const targets = await Promise.all([1, 2].map(() => receiver(() => arrivals.push(performance.now()))));
      for (const { url } of targets) await endpoint(app, { url });
      const first = await app.publish('{"n":0}');
      await app.settled(first);
      const { status } = await app.operate('PATCH', '/api/v1/app/1', { throttleRate: RATE });
      expect(status).toBe(200);
      arrivals.length = 0;
      const begin = performance.now();
      await Promise.all(Array.from({ length: 15 }, (_, n) => app.publish(`{"n":${n}}`)));
      await Promise.all(targets.map((each) => each.has(16)));
      arrivals.forEach((at, index) => {
        expect(at - begin).toBeGreaterThanOrEqual(earliest(index + 1));
      });
    });
  });

  it('disables an endpoint: what comes and what was pending is held, and a recovery delivers it', async () => {
    await start({ POSTHORN_RETRY_SCHEDULE: '1h' });
    const target = await receiver();
    answers.status = 500;
    const { id: endpointId } = await endpoint(app, { url: target.url });
    const pending = await app.publish('{"n":1}');
    await until(async () => (await app.attempts(pending)).length === 1);
    await change(app, endpointId, { disabled: true });
    const held = { state: 'held', reason: 'endpoint_disabled', nextAttempt: null };
    expect(await app.settled(pending)).toMatchObject([held]);
    const later = await app.publish('{"n":2}');
    expect(await app.settled(later)).toMatchObject([{ ...held, attemptCount: 0 }]);

    answers.status = 200;
    const since = new Date(Date.now() - 3_600_000).toISOString();
    const refused = await app.operate('POST', `${ENDPOINTS}/${endpointId}/recover`, { since });
    expect(refused).toMatchObject({ status: 400, body: { code: 'endpoint_disabled' } });
    await change(app, endpointId, { disabled: false });
    expect(target.received).toHaveLength(1);
    const recovery = await app.operate('POST', `${ENDPOINTS}/${endpointId}/recover`, { since });
    expect(recovery).toMatchObject({ status: 202, body: { status: 'running' } });
    await target.has(3);
    for (const id of [pending, later]) {
      await until(async () => (await stateOf(app, id)).state === 'succeeded');
      expect(await stateOf(app, id)).toMatchObject({ attemptCount: 1 });
    }
    expect(bodies(target).sort()).toEqual(['{"n":1}', '{"n":1}', '{"n":2}']);
  });

  it('disables an endpoint with a retry in memory: it is held, and sent by the next recovery', async () => {
    await start({ POSTHORN_RETRY_SCHEDULE: '8s' });
    const target = await receiver();
    answers.status = 500;
    const { id: endpointId } = await endpoint(app, { url: target.url });
    const id = await app.publish('{}');
    await until(async () => (await stateOf(app, id)).attemptCount === 1);
    await change(app, endpointId, { disabled: true });
    await until(async () => (await stateOf(app, id)).state === 'held');
    answers.status = 200;
    await change(app, endpointId, { disabled: false });
    await app.operate('POST', `${ENDPOINTS}/${endpointId}/recover`, {
      since: new Date(Date.now() - 60_000).toISOString(),
    });
    await target.has(2);
  });

  it('resends: an attempt that fails leaves the automatic retry and its time', async () => {
    await start({ POSTHORN_RETRY_SCHEDULE: '1h' });
    const target = await receiver();
    answers.status = 500;
    const { id: endpointId } = await endpoint(app, { url: target.url });
    const id = await app.publish('{}');
    await until(async () => (await app.attempts(id)).length === 1);
    const before = await stateOf(app, id);
    expect(before).toMatchObject({ state: 'pending', attemptCount: 1 });
    await resend(app, id, endpointId);
    await until(async () => (await app.attempts(id)).length === 2);
    expect(await stateOf(app, id)).toEqual(before);
    expect((await app.attempts(id)).map(({ triggerType, status }) => [triggerType, status])).toEqual([
      [0, 2],
      [1, 2],
    ]);
    expect(new Set(target.received.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([id]));
  });

  it('resends: an attempt that arrives ends the retries', async () => {
    await start({ POSTHORN_RETRY_SCHEDULE: '2s,2s' });
    const target = await receiver();
    answers.status = 500;
    const { id: endpointId } = await endpoint(app, { url: target.url });
    const id = await app.publish('{"n":1}');
    await until(async () => (await app.attempts(id)).length === 1);
    answers.status = 200;
    await resend(app, id, endpointId);
    await until(async () => (await stateOf(app, id)).state === 'succeeded');
    expect(await stateOf(app, id)).toMatchObject({ nextAttempt: null, attemptCount: 1 });
    // The second retry of this one comes after the time of the first one's retry.
    answers.status = 500;
    const other = await app.publish('{"n":2}');
    await until(async () => (await app.attempts(other)).length === 3);
    expect(bodies(target).filter((body) => body === '{"n":1}')).toHaveLength(2);
  });

  it('resends what has succeeded and what has failed for good, as often as it is asked', async () => {
    const target = await receiver();
    const { id: endpointId } = await endpoint(app, { url: target.url });
    const id = await app.publish('{}');
    await app.settled(id);
    for (const count of [2, 3]) {
      await resend(app, id, endpointId);
      await until(async () => (await app.attempts(id)).length === count);
    }
    expect(await stateOf(app, id)).toMatchObject({ state: 'succeeded', attemptCount: 1 });
    answers.status = 500;
    const failing = await app.publish('{}');
    expect(await app.settled(failing)).toMatchObject([{ state: 'failed' }]);
    answers.status = 200;
    await resend(app, failing, endpointId);
    await until(async () => (await stateOf(app, failing)).state === 'succeeded');
  });

  it('resends again what is being resent: the second one happens too', async () => {
    const open: (() => void)[] = [];
    let hangs = false;
    const target = await startReceiver((response) => {
      response.statusCode = answers.status;
      if (hangs) open.push(() => response.end());
      else response.end();
    });
    receivers.push(target);
    const { id: endpointId } = await endpoint(app, { url: target.url });
    const id = await app.publish('{}');
    await app.settled(id);
    hangs = true;
    answers.status = 500;
    await resend(app, id, endpointId);
    await target.has(2);
    // The receiver was mended while the first one is under way.
    hangs = false;
    answers.status = 200;
    await resend(app, id, endpointId);
    await target.has(3);
    for (const end of open) end();
    await until(async () => (await app.attempts(id)).length === 3);
    const statuses = (await app.attempts(id)).map(({ status }) => status);
    expect(statuses.toSorted()).toEqual([0, 0, 2]);
  });

  it('resends over a restart: a 202 is kept', async () => {
    await start({ POSTHORN_SHUTDOWN_GRACE: '50ms' });
    let hangs = false;
    const target = await startReceiver((response) => {
      if (!hangs) response.end('ok');
    });
    receivers.push(target);
    const { id: endpointId } = await endpoint(app, { url: target.url });
    const id = await app.publish('{}');
    await app.settled(id);
    hangs = true;
    await resend(app, id, endpointId);
    await target.has(2);
    await app.stop();
    hangs = false;
    await app.restart();
    await target.has(3);
    await until(async () => (await app.attempts(id)).length === 2);
    expect((await app.attempts(id)).at(-1)).toMatchObject({ triggerType: 1, status: 0 });
  });

  it('sends no earlier than deliverAt', async () => {
    let arrivedAt = 0;
    const target = await receiver(() => {
      arrivedAt = Date.now();
    });
    await endpoint(app, { url: target.url });
    const deliverAt = new Date(Date.now() + 800);
    const { status, body } = await app.operate('POST', '/api/v1/app/1/msg', {
      eventType: 'ticket.created',
      payload: { n: 1 },
      deliverAt: deliverAt.toISOString(),
    });
    expect(status).toBe(202);
    const waiting = await stateOf(app, body.id);
    expect(waiting).toMatchObject({ state: 'pending', attemptCount: 0 });
    expect(Date.parse(waiting.nextAttempt)).toBe(deliverAt.getTime());
    await target.has(1);
    expect(arrivedAt).toBeGreaterThanOrEqual(deliverAt.getTime());
  });

  it('expunges: what is still to be sent is cancelled, and a resend is refused', async () => {
    await start({ POSTHORN_RETRY_SCHEDULE: '2s,2s' });
    const target = await receiver();
    answers.status = 500;
    const { id: endpointId } = await endpoint(app, { url: target.url });
    const id = await app.publish('{"n":1}');
    await until(async () => (await app.attempts(id)).length === 1);
    expect((await app.operate('DELETE', `/api/v1/app/1/msg/${id}/content`)).status).toBe(204);
    expect(await stateOf(app, id)).toMatchObject({ state: 'cancelled', reason: 'payload_expunged' });
    const refused = await app.operate('POST', `/api/v1/app/1/msg/${id}/endpoint/${endpointId}/resend`);
    expect(refused).toMatchObject({ status: 400, body: { code: 'missing_payload' } });
    // The second retry of this one comes after the time of the first one's retry.
    const other = await app.publish('{"n":2}');
    await app.settled(other);
    expect(await app.attempts(id)).toHaveLength(1);
  });
});

// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect out of it.
type Json = any;

async function endpoint(app: TestApp, fields: Record<string, unknown>): Promise<Json> {
  const { status, body } = await app.operate('POST', ENDPOINTS, fields);
  expect(status).toBe(201);
  return body;
}

async function change(app: TestApp, endpointId: string, fields: Record<string, unknown>): Promise<void> {
  expect((await app.operate('PATCH', `${ENDPOINTS}/${endpointId}`, fields)).status).toBe(200);
}

async function resend(app: TestApp, messageId: string, endpointId: string): Promise<void> {
  const { status } = await app.operate(
    'POST',
    `/api/v1/app/1/msg/${messageId}/endpoint/${endpointId}/resend`,
  );
  expect(status).toBe(202);
}

/** A message's delivery to its one endpoint. */
async function stateOf(app: TestApp, messageId: string): Promise<Json> {
  return (await app.operate('GET', `/api/v1/app/1/msg/${messageId}/endpoint`)).body.data[0];
}

function bodies(receiver: Receiver): string[] {
  return receiver.received.map(({ body }) => body);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}
