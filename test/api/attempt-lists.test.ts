import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Receiver, startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** What was sent and what came back: by message, by endpoint, one by one; and deliveries from both sides. */

// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect out of it.
type Json = any;

let world: World;
let good: Receiver;
let bad: Receiver;
let path: string;
let goodEndpoint: Json;
let badEndpoint: Json;
let ticket: Json;
let comment: Json;

const get = async (tail: string) => (await world.operate('GET', `${path}${tail}`)).json();
const post = async (tail: string, body: unknown) =>
  (await world.operate('POST', `${path}${tail}`, body)).json();
const states = async (id: string) => (await get(`/msg/${id}/endpoint`)).data.map(({ state }: Json) => state);

beforeAll(async () => {
  world = await startWorld();
  good = await startReceiver((response) => response.setHeader('x-answer', ['1', '2']).end('fine'));
  bad = await startReceiver((response) => response.writeHead(503, { 'set-cookie': 'session=1' }).end('no'));
  path = `/api/v1/app/${(await world.addCompany('attempts')).application.number}`;
  goodEndpoint = await post('/endpoint', { url: good.url, uid: 'good', headers: { 'x-own': 'mine' } });
  badEndpoint = await post('/endpoint', { url: bad.url, uid: 'bad' });
  ticket = await post('/msg', { eventType: 'ticket', channels: ['red'], tags: ['t1'], payload: { a: 1 } });
  comment = await post('/msg', { eventType: 'comment', channels: ['blue'], payload: { b: 1 } });
  for (const { id } of [ticket, comment]) {
    await vi.waitFor(async () => expect(await states(id)).toEqual(['succeeded', 'failed']), 10_000);
  }
});
afterAll(async () => {
  await world.close();
  await Promise.all([good.close(), bad.close()]);
});

describe('attempts of a message', () => {
  const list = async (query = '') => (await get(`/attempt/msg/${ticket.id}?${query}`)).data;

  it.each([
    ['', 4],
    ['status=0', 1],
    ['status=2', 3],
    ['status=1', 0],
    ['status=3', 0],
    ['status=4', 0],
    ['status_code_class=200', 1],
    ['status_code_class=500', 3],
    ['status_code_class=400', 0],
    ['status_code_class=0', 0],
    ['endpoint_id=bad', 3],
    ['endpoint_id=good&status=2', 0],
    ['channel=red', 4],
    ['channel=blue', 0],
    ['tag=t1', 4],
    ['event_types=comment', 0],
    ['event_types[]=ticket&event_types[]=comment', 4],
    ['after=2020-01-01T00:00:00Z&limit=2', 2],
    ['before=2020-01-01T00:00:00Z', 0],
  ])('by %s', async (query, count) => {
    expect(await list(query)).toHaveLength(count);
  });

  it('carry what was sent and what came back', async () => {
    const [attempt] = await list('status=0');
    expect(attempt).toEqual({
      url: `${good.url}/`,
      response: 'fine',
      responseStatusCode: 200,
      responseDurationMs: expect.any(Number),
      status: 0,
      statusText: 'success',
      triggerType: 0,
      msgId: ticket.id,
      endpointId: goodEndpoint.id,
      id: expect.stringMatching(/^atmpt_/),
      timestamp: expect.stringMatching(/Z$/),
      attemptNumber: 1,
      errorCode: null,
      errorMessage: null,
      requestHeaders: expect.objectContaining({ 'webhook-id': ticket.id, 'x-own': '***' }),
      responseHeaders: expect.objectContaining({ 'x-answer': '1, 2' }),
    });
    expect(Number(attempt.requestHeaders['webhook-timestamp'])).toBeGreaterThan(1_700_000_000);
    const [failed] = await list('status=2');
    expect(JSON.stringify(failed.responseHeaders)).not.toContain('session');
    const one = `/msg/${ticket.id}/attempt/${attempt.id}`;
    expect(await get(one)).toEqual(attempt);
    expect(await get(`${one}/?expanded_statuses=true`)).toEqual(attempt);
  });

  it('leave the answer out without content, and bring their message when it is asked for', async () => {
    const [attempt] = await list('with_content=false&with_msg=true&expanded_statuses=true');
    expect(attempt).toMatchObject({ response: '{}', requestHeaders: {}, responseHeaders: {} });
    expect(attempt.msg).toEqual({ ...ticket, payload: {} });
    expect('msg' in (await list())[0]).toBe(false);
  });

  it('answer 404 for an endpoint or an attempt that is not there', async () => {
    for (const tail of [
      `/attempt/msg/${ticket.id}?endpoint_id=nobody`,
      '/attempt/msg/nothing',
      '/attempt/endpoint/nobody',
      '/endpoint/nobody/msg',
      `/msg/${ticket.id}/attempt/nothing`,
      `/msg/${ticket.id}/attempt/${(await get(`/attempt/msg/${comment.id}`)).data[0].id}`,
      `/msg/${ticket.id}/endpoint/nobody/attempt`,
    ]) {
      const answer = await world.operate('GET', `${path}${tail}`);
      expect([tail, answer.status, answer.json().code]).toEqual([tail, 404, 'not_found']);
    }
  });

  it('are listed under their older paths too', async () => {
    expect((await get(`/msg/${ticket.id}/attempt?status=2`)).data).toEqual(await list('status=2'));
    expect((await get(`/msg/${ticket.id}/attempt?endpoint_id=good`)).data).toEqual(await list('status=0'));
    const ofBad = (await get(`/msg/${ticket.id}/endpoint/bad/attempt?channel=red`)).data;
    expect(ofBad).toEqual(await list('endpoint_id=bad'));
    expect((await get(`/msg/${ticket.id}/endpoint/bad/attempt?channel=blue`)).data).toEqual([]);
  });
});

describe('attempts at an endpoint', () => {
  it.each([
    ['', 6],
    ['status=2', 6],
    ['status=0', 0],
    ['event_types=ticket', 3],
    ['channel=blue', 3],
    ['tag=t1', 3],
    ['tag=t1&channel=blue', 0],
    ['status_code_class=500&limit=4', 4],
  ])('by %s', async (query, count) => {
    expect((await get(`/attempt/endpoint/bad?${query}`)).data).toHaveLength(count);
  });

  it('page by a filter, there and back, with the messages', async () => {
    const all = (await get('/attempt/endpoint/bad?event_types=ticket,comment&with_msg=true')).data;
    expect(new Set(all.map(({ msg }: Json) => msg.id))).toEqual(new Set([ticket.id, comment.id]));
    const first = await get('/attempt/endpoint/bad?status=2&limit=4&with_msg=true');
    expect([first.data, first.done]).toEqual([all.slice(0, 4), false]);
    const rest = await get(`/attempt/endpoint/bad?status=2&limit=4&with_msg=true&iterator=${first.iterator}`);
    expect([rest.data, rest.done]).toEqual([all.slice(4), true]);
    const back = await get(`/attempt/endpoint/bad?status=2&with_msg=true&iterator=${rest.prevIterator}`);
    expect(back.data).toEqual(all.slice(0, 4));
  });

  it('answer 422 to an iterator of another list, 400 to a class that is none', async () => {
    for (const iterator of [ticket.id, 'atmpt_x', `atmpt_${'z'.repeat(27)}`]) {
      const answer = await world.operate('GET', `${path}/attempt/endpoint/bad?iterator=${iterator}`);
      expect([answer.status, answer.json().detail[0].loc]).toEqual([422, ['query', 'iterator']]);
    }
    for (const query of ['status_code_class=404', 'status_code_class=600', 'status=9', 'with_msg=yes']) {
      const answer = await world.operate('GET', `${path}/attempt/endpoint/bad?${query}`);
      expect([query, answer.status, answer.json().code]).toEqual([query, 400, 'generic_error']);
    }
  });
});

describe('messages for an endpoint', () => {
  it('say what became of each', async () => {
    const { data, done } = await get('/endpoint/bad/msg');
    const failed = {
      status: 2,
      statusText: 'fail',
      nextAttempt: null,
      state: 'failed',
      reason: 'retries_exhausted',
      attemptCount: 3,
    };
    expect([data, done]).toEqual([
      [
        { ...comment, ...failed },
        { ...ticket, ...failed },
      ],
      true,
    ]);
    const [newest] = (await get('/endpoint/good/msg?limit=1&with_content=false')).data;
    expect(newest).toMatchObject({ id: comment.id, payload: {}, status: 0, statusText: 'success' });
  });

  it.each([
    ['status=0', 0],
    ['status=2', 2],
    ['status=2&expanded_statuses=true', 2],
    ['event_types=ticket', 1],
    ['channel=blue', 1],
    ['tag=t1', 1],
    ['tag=t1&event_types=comment', 0],
    ['limit=1', 1],
    ['after=2020-01-01T00:00:00Z', 2],
  ])('by %s', async (query, count) => {
    expect((await get(`/endpoint/bad/msg?${query}`)).data).toHaveLength(count);
  });

  it('page there and back', async () => {
    const first = await get('/endpoint/good/msg?limit=1');
    expect([first.data[0].id, first.done]).toEqual([comment.id, false]);
    const second = await get(`/endpoint/good/msg?limit=1&iterator=${first.iterator}`);
    expect([second.data[0].id, second.done]).toEqual([ticket.id, true]);
    const back = await get(`/endpoint/good/msg?limit=1&iterator=${second.prevIterator}`);
    expect([back.data[0].id, back.done]).toEqual([comment.id, true]);
    const wrong = await world.operate('GET', `${path}/endpoint/good/msg?iterator=${badEndpoint.id}`);
    expect(wrong.status).toBe(422);
  });

  it('end a page early where their payloads are large', async () => {
    const { application } = await world.addCompany('large');
    const at = `/api/v1/app/${application.number}`;
    await world.operate('POST', `${at}/endpoint`, { url: good.url, uid: 'e', disabled: true });
    const ids: string[] = [];
    for (const size of [1_900_000, 1_900_000, 1_900_000]) {
      const body = { eventType: 'a', payload: { text: 'x'.repeat(size) } };
      ids.unshift((await world.operate('POST', `${at}/msg`, body)).json().id);
    }
    const page = async (query: string) => {
      const answer = (await world.operate('GET', `${at}/endpoint/e/msg?${query}`)).json();
      return { ...answer, data: answer.data.map(({ id }: Json) => id) };
    };
    const first = await page('');
    expect(first).toMatchObject({ data: ids.slice(0, 2), done: false, iterator: ids[1] });
    expect(await page(`iterator=${first.iterator}`)).toMatchObject({ data: ids.slice(2), done: true });
    expect(await page(`iterator=-${ids[2]}`)).toMatchObject({ data: ids.slice(0, 2), done: true });
    expect(await page('with_content=false')).toMatchObject({ data: ids, done: true });
  });

  it('show a cancelled one as canceled to who knows the word, as a failure to others', async () => {
    const { application } = await world.addCompany('cancelled');
    const at = `/api/v1/app/${application.number}`;
    await world.operate('POST', `${at}/endpoint`, { url: good.url, uid: 'e', disabled: true });
    await world.operate('POST', `${at}/msg`, { eventType: 'a', eventId: 'm', payload: {} });
    const statuses = async (query: string) =>
      (await world.operate('GET', `${at}/endpoint/e/msg?${query}`))
        .json()
        .data.map(({ status, statusText, state }: Json) => [status, statusText, state]);
    expect(await statuses('status=1')).toEqual([[1, 'pending', 'held']]);
    await world.operate('DELETE', `${at}/msg/m/content`);
    const canceled = [[4, 'canceled', 'cancelled']];
    expect(await statuses('expanded_statuses=true')).toEqual(canceled);
    expect(await statuses('expanded_statuses=true&status=4')).toEqual(canceled);
    expect(await statuses('expanded_statuses=true&status=2')).toEqual([]);
    const fail = [[2, 'fail', 'cancelled']];
    expect(await statuses('')).toEqual(fail);
    expect(await statuses('status=2')).toEqual(fail);
    expect(await statuses('status=4')).toEqual(fail);
    expect(await statuses('status=1')).toEqual([]);
    const [destination] = (await world.operate('GET', `${at}/msg/m/endpoint`)).json().data;
    expect(destination).toMatchObject({ status: 2, statusText: 'fail', reason: 'payload_expunged' });
  });

  it('call a retry that waits pending, and its message is found as such', async () => {
    const waiting = await startWorld({ retryScheduleMs: [5_000] });
    const at = '/api/v1/app/1';
    await waiting.operate('POST', `${at}/endpoint`, { url: bad.url, uid: 'e' });
    await waiting.operate('POST', `${at}/msg`, { eventType: 'a', payload: {} });
    const list = async (query: string) =>
      (await waiting.operate('GET', `${at}/endpoint/e/msg?${query}`)).json().data;
    await expect.poll(async () => (await list('status=1')).length, { timeout: 10_000 }).toBe(1);
    expect((await list(''))[0]).toMatchObject({ status: 1, state: 'pending', attemptCount: 1 });
    expect(Date.parse((await list(''))[0].nextAttempt)).toBeGreaterThan(Date.now());
    expect(await list('status=3')).toEqual([]);
    await waiting.close();
  });
});

describe('endpoints of a message', () => {
  it('page by endpoint, there and back, also over deleted ones', async () => {
    const { application } = await world.addCompany('destinations');
    const at = `/api/v1/app/${application.number}`;
    const ids: string[] = [];
    for (let made = 0; made < 5; made++) {
      const body = { url: good.url, disabled: true };
      ids.push((await world.operate('POST', `${at}/endpoint`, body)).json().id);
    }
    const { id } = (await world.operate('POST', `${at}/msg`, { eventType: 'a', payload: {} })).json();
    await world.operate('DELETE', `${at}/endpoint/${ids[1]}`);
    const page = async (query: string) => {
      const answer = (await world.operate('GET', `${at}/msg/${id}/endpoint?${query}`)).json();
      return { ...answer, data: answer.data.map((each: Json) => each.id) };
    };
    const first = await page('limit=2');
    expect(first).toEqual({
      data: ids.slice(0, 2),
      iterator: ids[1],
      prevIterator: `-${ids[0]}`,
      done: false,
    });
    const second = await page(`limit=2&iterator=${first.iterator}`);
    expect(second).toMatchObject({ data: ids.slice(2, 4), done: false });
    expect(await page(`limit=2&iterator=${second.iterator}`)).toMatchObject({
      data: ids.slice(4),
      done: true,
    });
    expect(await page(`limit=1&iterator=${second.prevIterator}`)).toMatchObject({
      data: [ids[1]],
      done: false,
    });
    expect(await page(`limit=2&iterator=-${ids[1]}`)).toMatchObject({ data: [ids[0]], done: true });
    const later = (await world.operate('POST', `${at}/endpoint`, { url: good.url })).json().id;
    expect(await page(`iterator=${later}`)).toEqual({ data: [], iterator: null, done: true });
    for (const iterator of ['x', `ep_${'0'.repeat(27)}`, id]) {
      const answer = await world.operate('GET', `${at}/msg/${id}/endpoint?iterator=${iterator}`);
      expect([answer.status, answer.json().detail[0].loc]).toEqual([422, ['query', 'iterator']]);
    }
  });
});
