import { MessageStatus as FirstMessageStatus, Svix as FirstSvix } from 'svix';
import {
  type MessageAttemptOut,
  MessageAttemptTriggerType,
  MessageStatus,
  MessageStatusText,
  Svix as SecondSvix,
  StatusCodeClass,
} from 'svix2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Receiver, startReceiver } from '../../helpers/receiver.ts';
import { startWorld, type World } from '../../helpers/world.ts';
import { attempted, destinationIs } from './arrivals.ts';
import { type Client, generations } from './clients.ts';
import { bothWays } from './pages.ts';

const PATIENCE = { timeout: 10_000, interval: 10 };

describe.each(generations)('$name: attempts', ({ connect, refusal }) => {
  let world: World;
  let client: Client;
  let receiver: Receiver;
  beforeAll(async () => {
    world = await startWorld();
    client = connect(world.operatorKey, world.url);
    receiver = await startReceiver((response, { path }) => {
      response.statusCode = path === '/good' ? 200 : 500;
      response.end(path === '/good' ? 'thanks' : 'broken');
    });
  });
  afterAll(async () => {
    await receiver.close();
    await world.close();
  });

  /** An application with an endpoint that takes everything and one that takes nothing. */
  async function twoEndpoints() {
    const app = (await client.application.create({ name: 'Acme' })).id;
    const good = (await client.endpoint.create(app, { url: `${receiver.url}/good`, uid: 'good' })).id;
    const bad = (await client.endpoint.create(app, { url: `${receiver.url}/bad`, uid: 'bad' })).id;
    const publish = async (fields: object = {}) =>
      (await client.message.create(app, { eventType: 'a', payload: { n: 1 }, ...fields })).id;
    return { app, good, bad, publish };
  }

  it('lists those of a message, newest first', async () => {
    const { app, good, bad, publish } = await twoEndpoints();
    const started = Date.now();
    const message = await publish();
    const attempts = await attempted(client, app, message, 4);
    const [ok] = attempts.filter(({ endpointId }) => endpointId === good) as [MessageAttemptOut];
    expect(ok).toMatchObject({
      url: `${receiver.url}/good`,
      response: 'thanks',
      responseStatusCode: 200,
      status: MessageStatus.Success,
      statusText: MessageStatusText.Success,
      triggerType: MessageAttemptTriggerType.Scheduled,
      msgId: message,
      id: expect.stringMatching(/^atmpt_\w{27}$/),
    });
    expect(ok.responseDurationMs).toBeGreaterThanOrEqual(0);
    expect(ok.timestamp).toBeInstanceOf(Date);
    expect(ok.timestamp.getTime()).toBeGreaterThanOrEqual(started - 1);
    const failed = attempts.filter(({ endpointId }) => endpointId === bad);
    expect(failed.map(({ status, statusText, response }) => [status, statusText, response])).toEqual(
      Array(3).fill([MessageStatus.Fail, MessageStatusText.Fail, 'broken']),
    );
    const ids = attempts.map(({ id }) => id);
    expect(ids).toEqual(ids.toSorted().reverse());
  });

  it('lists those of a message by all that can be asked', async () => {
    const { app, good, bad, publish } = await twoEndpoints();
    const message = await publish({ eventType: 'a.b', channels: ['blue'], tags: ['vip'] });
    await attempted(client, app, message, 4);
    const count = async (filter: Parameters<Client['messageAttempt']['listByMsg']>[2]) =>
      (await client.messageAttempt.listByMsg(app, message, filter)).data.length;
    expect(await count({ status: MessageStatus.Success })).toBe(1);
    expect(await count({ status: MessageStatus.Fail })).toBe(3);
    expect(await count({ statusCodeClass: StatusCodeClass.Code2xx })).toBe(1);
    expect(await count({ statusCodeClass: StatusCodeClass.Code5xx })).toBe(3);
    expect(await count({ statusCodeClass: StatusCodeClass.CodeNone })).toBe(0);
    expect(await count({ endpointId: good })).toBe(1);
    expect(await count({ endpointId: 'bad' })).toBe(3);
    expect([await count({ channel: 'blue' }), await count({ channel: 'green' })]).toEqual([4, 0]);
    expect([await count({ tag: 'vip' }), await count({ tag: 'none' })]).toEqual([4, 0]);
    expect([await count({ eventTypes: ['a.b', 'c'] }), await count({ eventTypes: ['c'] })]).toEqual([4, 0]);
    const hourAgo = new Date(Date.now() - 3_600_000);
    expect([await count({ after: hourAgo }), await count({ before: hourAgo })]).toEqual([4, 0]);
    expect(await count({ endpointId: bad, status: MessageStatus.Success })).toBe(0);
    expect(
      (await refusal(client.messageAttempt.listByMsg(app, message, { endpointId: 'nobody' }))).code,
    ).toBe(404);
    expect((await refusal(client.messageAttempt.listByMsg(app, 'nobody'))).code).toBe(404);
  });

  it('lists those of an endpoint, over several pages and both ways', async () => {
    const { app, good, bad, publish } = await twoEndpoints();
    const messages = [await publish(), await publish({ eventType: 'b' }), await publish({ tags: ['vip'] })];
    for (const message of messages) await attempted(client, app, message, 4);
    const limit = 4;
    const all = await bothWays(limit, (iterator) =>
      client.messageAttempt.listByEndpoint(app, 'bad', { limit, iterator }),
    );
    expect(all).toHaveLength(9);
    expect(new Set(all.map(({ msgId }) => msgId))).toEqual(new Set(messages));
    expect(new Set(all.map(({ endpointId }) => endpointId))).toEqual(new Set([bad]));
    const one = await client.messageAttempt.listByEndpoint(app, good, { eventTypes: ['b'] });
    expect(one.data.map(({ msgId }) => msgId)).toEqual([messages[1]]);
    expect((await client.messageAttempt.listByEndpoint(app, bad, { tag: 'vip' })).data).toHaveLength(3);
    expect(
      (await client.messageAttempt.listByEndpoint(app, bad, { status: MessageStatus.Success })).data,
    ).toEqual([]);
    expect((await refusal(client.messageAttempt.listByEndpoint(app, 'nobody'))).code).toBe(404);
  });

  it('shows the message of each with it, but not its payload', async () => {
    const { app, good, publish } = await twoEndpoints();
    const message = await publish({ eventId: 'shown', tags: ['vip'] });
    await attempted(client, app, message, 4);
    const [shown] = (
      await client.messageAttempt.listByEndpoint(app, good, { withMsg: true, withContent: true })
    ).data;
    expect(shown?.msg).toMatchObject({
      id: message,
      eventId: 'shown',
      eventType: 'a',
      tags: ['vip'],
      payload: {},
    });
    expect(shown?.msg?.timestamp).toBeInstanceOf(Date);
    const [without] = (await client.messageAttempt.listByEndpoint(app, good)).data;
    expect(without?.msg).toBeUndefined();
  });

  it('lists the messages of an endpoint, over several pages and both ways', async () => {
    const { app, good, bad, publish } = await twoEndpoints();
    const messages: string[] = [];
    // Three, of which the bad endpoint fails nine times: with the tenth failure in a row its breaker would open.
    for (let n = 0; n < 3; n++) messages.push(await publish({ payload: { n } }));
    for (const message of messages) await attempted(client, app, message, 4);
    const limit = 2;
    const list = (endpoint: string, filter: object = {}) =>
      bothWays(limit, (iterator) =>
        client.messageAttempt.listAttemptedMessages(app, endpoint, { limit, iterator, ...filter }),
      );
    const taken = await list(good, { withContent: true });
    expect(taken.map(({ id }) => id)).toEqual(messages.toReversed());
    expect(taken[0]).toMatchObject({
      eventType: 'a',
      payload: { n: 2 },
      status: MessageStatus.Success,
      statusText: 'success',
    });
    expect(taken[0]?.nextAttempt ?? null).toBeNull();
    expect(taken[0]?.timestamp).toBeInstanceOf(Date);
    expect((await list(bad)).map(({ status }) => status)).toEqual(Array(3).fill(MessageStatus.Fail));
    expect(await list(bad, { status: MessageStatus.Success })).toEqual([]);
    expect(await list(good, { status: MessageStatus.Success, eventTypes: ['a'] })).toHaveLength(3);
    expect((await list(good, { withContent: false }))[0]?.payload).toEqual({});
  });

  it('lists the destinations of a message, over several pages and both ways', async () => {
    const { app, good, bad, publish } = await twoEndpoints();
    const more: string[] = [];
    for (let n = 0; n < 3; n++)
      more.push((await client.endpoint.create(app, { url: `${receiver.url}/good` })).id);
    const message = await publish();
    await attempted(client, app, message, 7);
    const limit = 2;
    const all = await bothWays(limit, (iterator) =>
      client.messageAttempt.listAttemptedDestinations(app, message, { limit, iterator }),
    );
    expect(all.map(({ id }) => id)).toEqual([good, bad, ...more]);
    expect(all.map(({ statusText }) => statusText)).toEqual([
      'success',
      'fail',
      'success',
      'success',
      'success',
    ]);
    expect(all[0]).toMatchObject({ url: `${receiver.url}/good`, uid: 'good', status: MessageStatus.Success });
    expect(all[0]?.createdAt).toBeInstanceOf(Date);
    await client.endpoint.delete(app, bad);
    expect((await client.messageAttempt.listAttemptedDestinations(app, message)).data).toHaveLength(5);
  });

  it('shows a cancelled one as such, or as a failure to those who do not know the status', async () => {
    const { app, publish } = await twoEndpoints();
    const { id } = await client.endpoint.create(app, { url: `${receiver.url}/good`, disabled: true });
    const message = await publish();
    const held = await client.messageAttempt.listAttemptedMessages(app, id);
    expect(held.data).toMatchObject([{ id: message, status: MessageStatus.Pending }]);
    await client.message.expungeContent(app, message);
    const list = async (expandedStatuses: boolean) =>
      (await client.messageAttempt.listAttemptedMessages(app, id, { expandedStatuses })).data[0];
    expect(await list(true)).toMatchObject({
      status: MessageStatus.Canceled,
      statusText: MessageStatusText.Canceled,
    });
    expect(await list(false)).toMatchObject({
      status: MessageStatus.Fail,
      statusText: MessageStatusText.Fail,
    });
  });

  it('gets one, and expunges what came back', async () => {
    const { app, good, publish } = await twoEndpoints();
    const message = await publish({ eventId: 'mine' });
    const attempts = await attempted(client, app, message, 4);
    const one = attempts.find(({ endpointId }) => endpointId === good) as MessageAttemptOut;
    expect(await client.messageAttempt.get(app, message, one.id, { expandedStatuses: true })).toEqual(one);
    expect(await client.messageAttempt.get(app, 'mine', one.id)).toEqual(one);
    await client.messageAttempt.expungeContent(app, message, one.id);
    expect(await client.messageAttempt.get(app, message, one.id)).toEqual({ ...one, response: 'EXPUNGED' });
    const other = await publish();
    expect(await refusal(client.messageAttempt.get(app, other, one.id))).toMatchObject({
      code: 404,
      body: { code: 'not_found' },
    });
    expect((await refusal(client.messageAttempt.expungeContent(app, other, one.id))).code).toBe(404);
  });

  it('resends by hand, whatever became of the delivery', async () => {
    const { app, good, bad, publish } = await twoEndpoints();
    const message = await publish();
    await destinationIs(client, app, message, bad, 'fail');
    const manual = async (endpointId: string) =>
      (await client.messageAttempt.listByMsg(app, message, { endpointId })).data.filter(
        ({ triggerType }) => triggerType === MessageAttemptTriggerType.Manual,
      );
    expect(await client.messageAttempt.resend(app, message, good)).toEqual({});
    await expect.poll(async () => (await manual(good)).length, PATIENCE).toBe(1);
    await client.messageAttempt.resend(app, message, 'bad');
    await expect.poll(async () => (await manual(bad)).length, PATIENCE).toBe(1);
    await client.endpoint.patch(app, bad, { url: `${receiver.url}/good` });
    await client.messageAttempt.resend(app, message, bad);
    await destinationIs(client, app, message, bad, 'success');
    expect(await manual(bad)).toMatchObject([
      { status: MessageStatus.Success },
      { status: MessageStatus.Fail },
    ]);
  });

  it('refuses a resend that cannot happen', async () => {
    const { app, good, bad, publish } = await twoEndpoints();
    const message = await publish();
    await attempted(client, app, message, 4);
    const later = await client.endpoint.create(app, { url: `${receiver.url}/good` });
    const resend = (endpoint: string) => refusal(client.messageAttempt.resend(app, message, endpoint));
    expect((await resend(later.id)).code).toBe(404);
    expect((await resend('nobody')).body.code).toBe('not_found');
    await client.endpoint.patch(app, bad, { disabled: true });
    expect(await resend(bad)).toEqual({
      code: 400,
      body: { code: 'endpoint_disabled', detail: expect.any(String) },
    });
    await client.message.expungeContent(app, message);
    expect(await resend(good)).toEqual({
      code: 400,
      body: { code: 'missing_payload', detail: expect.any(String) },
    });
  });
});

describe('what the generations do by default', () => {
  it('svix 1.99.1 gets what was answered, svix 2.5.0 does not', async () => {
    const world = await startWorld();
    const receiver = await startReceiver();
    const first = new FirstSvix(world.operatorKey, { serverUrl: world.url });
    const second = new SecondSvix(world.operatorKey, { serverUrl: world.url });
    await first.endpoint.create('1', { url: receiver.url, uid: 'main' });
    const { id } = await first.message.create('1', { eventType: 'a', payload: {} });
    const read = async () => (await first.messageAttempt.listByMsg('1', id)).data;
    await expect.poll(async () => (await read()).length, PATIENCE).toBe(1);
    expect(await read()).toMatchObject([{ response: 'ok', status: FirstMessageStatus.Success }]);
    expect((await second.messageAttempt.listByMsg('1', id)).data[0]?.response).toBe('{}');
    expect((await first.messageAttempt.listByEndpoint('1', 'main')).data[0]?.response).toBe('ok');
    expect((await second.messageAttempt.listByEndpoint('1', 'main')).data[0]?.response).toBe('{}');
    await receiver.close();
    await world.close();
  });
});
