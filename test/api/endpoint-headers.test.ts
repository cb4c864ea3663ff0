import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ENDPOINT_HEADERS, ENDPOINT_HEADERS_BYTES } from '../../src/limits.ts';
import { type Receiver, startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** The headers of its own that an endpoint has sent. */

let world: World;
let receiver: Receiver;
let path: string;
beforeAll(async () => {
  world = await startWorld();
  receiver = await startReceiver();
});
afterAll(async () => {
  await world.close();
  await receiver.close();
});
beforeEach(async () => {
  const { application } = await world.addCompany('headers');
  path = `/api/v1/app/${application.number}`;
  await world.operate('POST', `${path}/endpoint`, { url: receiver.url, uid: 'e' });
});

const read = async () => (await world.operate('GET', `${path}/endpoint/e/headers`)).json();
const put = (headers: unknown) => world.operate('PUT', `${path}/endpoint/e/headers`, { headers });
const patch = (body: unknown) => world.operate('PATCH', `${path}/endpoint/e/headers`, body);

/** The headers that the next delivery has. */
async function delivered(): Promise<Record<string, unknown>> {
  const before = receiver.received.length;
  await world.operate('POST', `${path}/msg`, { eventType: 'a', payload: {} });
  await receiver.has(before + 1);
  return receiver.received[before]?.headers ?? {};
}

describe('headers', () => {
  it('are replaced by PUT and sent from the next delivery on', async () => {
    expect(await read()).toEqual({ headers: {}, sensitive: [] });
    const answer = await put({ 'X-One': '1', 'x-two': 'zwei' });
    expect([answer.status, answer.text]).toEqual([204, '']);
    expect(await read()).toEqual({ headers: { 'X-One': '1', 'x-two': 'zwei' }, sensitive: [] });
    expect(await delivered()).toMatchObject({ 'x-one': '1', 'x-two': 'zwei' });
    await put({ 'x-three': '3' });
    const after = await delivered();
    expect([after['x-one'], after['x-three']]).toEqual([undefined, '3']);
    await put({});
    expect(await read()).toEqual({ headers: {}, sensitive: [] });
    expect((await delivered())['x-three']).toBeUndefined();
  });

  it('can be there from the start', async () => {
    const body = {
      url: 'http://127.0.0.1:1',
      uid: 'new',
      headers: { 'X-Start': 'a', authorization: 'Bearer b' },
    };
    expect((await world.operate('POST', `${path}/endpoint`, body)).status).toBe(201);
    expect((await world.operate('GET', `${path}/endpoint/new/headers`)).json()).toEqual({
      headers: { 'X-Start': 'a' },
      sensitive: ['authorization'],
    });
    const refused = { ...body, uid: 'refused', headers: { 'X-Start': 'a', 'Content-Length': '1' } };
    const answer = await world.operate('POST', `${path}/endpoint`, refused);
    expect(answer.json().detail).toMatchObject([{ loc: ['body', 'headers', 'Content-Length'] }]);
  });

  it('are merged by PATCH: null and deleteHeaders remove, in any case of letters', async () => {
    await put({ 'X-One': '1', 'X-Two': '2', 'X-Three': '3', 'X-Four': '4' });
    const answer = await patch({
      headers: { 'x-one': null, 'x-two': 'two', 'X-Five': '5' },
      deleteHeaders: ['x-THREE'],
    });
    expect([answer.status, answer.text]).toEqual([204, '']);
    expect((await read()).headers).toEqual({ 'x-two': 'two', 'X-Four': '4', 'X-Five': '5' });
    await patch({ deleteHeaders: ['X-Four', 'never-there', 'not a name'] });
    await patch({ headers: { 'never-there': null } });
    await patch({});
    expect((await read()).headers).toEqual({ 'x-two': 'two', 'X-Five': '5' });
    expect(await delivered()).toMatchObject({ 'x-two': 'two', 'x-five': '5' });
  });

  it('hide the values of those that look like credentials', async () => {
    const hidden = {
      'X-Auth-Token': 'a',
      'x-api-key': 'b',
      'WWW-Authenticate': 'c',
      Authorization: 'Basic d',
      'x-acme-secret': 'e',
      'X-Auth': 'f',
      'Ocp-Apim-Subscription-Key': 'g',
      'X-Session-Id': 'h',
      'X-Signature': 'i',
      'X-Pass': 'j',
    };
    await put({ ...hidden, 'x-open': 'shown' });
    const { headers, sensitive } = await read();
    expect(headers).toEqual({ 'x-open': 'shown' });
    expect(sensitive.sort()).toEqual(Object.keys(hidden).sort());
    expect(await delivered()).toMatchObject({
      authorization: 'Basic d',
      'x-api-key': 'b',
      'x-open': 'shown',
    });
    await patch({ headers: { 'X-Open': 'changed' } });
    expect((await read()).sensitive).toHaveLength(10);
  });

  it.each<[string, unknown]>([
    ['content-type', 'text/plain'],
    ['User-Agent', 'x'],
    ['Transfer-Encoding', 'chunked'],
    ['Proxy-Authorization', 'x'],
    ['X-Amz-Date', 'x'],
    ['x-goog-meta', 'x'],
    ['svix-id', 'x'],
    ['webhook-id', 'x'],
    ['Host', 'x'],
    ['connection', 'close'],
    ['__proto__', 'x'],
    ['a b', 'x'],
    ['a:b', 'x'],
    ['a\r\nb', 'x'],
    ['', 'x'],
    ['é', 'x'],
    ['x-value', 'a\r\nb: c'],
    ['x-value', 'a\u0000'],
    ['x-value', '日本'],
    ['x-value', 'x'.repeat(4_097)],
    ['x-value', 5],
  ])('never have %j: %j', async (name, value) => {
    await put({ 'x-before': '1' });
    const headers = JSON.parse(`{${JSON.stringify(name)}:${JSON.stringify(value)}}`);
    for (const answer of [await put(headers), await patch({ headers })]) {
      expect([answer.status, answer.json().detail]).toEqual([
        422,
        [{ loc: ['body', 'headers', name], msg: expect.any(String), type: 'value_error.jsondecode' }],
      ]);
      expect(answer.text).not.toContain('日本');
    }
    expect((await read()).headers).toEqual({ 'x-before': '1' });
  });

  it('are refused as a whole where they are none, or too many', async () => {
    for (const headers of [null, [], 'x', 5]) {
      const answer = await put(headers);
      expect([answer.status, answer.json().detail[0].loc]).toEqual([422, ['body', 'headers']]);
    }
    expect((await world.operate('PUT', `${path}/endpoint/e/headers`, {})).json().detail[0].loc).toEqual([
      'body',
      '',
      '',
    ]);
    const numbered = (count: number, value = 'x') =>
      Object.fromEntries(Array.from({ length: count }, (_one, index) => [`x-${index}`, value]));
    expect((await put(numbered(ENDPOINT_HEADERS + 1))).json().detail[0].loc).toEqual(['body', 'headers']);
    expect((await put(numbered(5, 'x'.repeat(ENDPOINT_HEADERS_BYTES / 5)))).status).toBe(422);
    expect((await put({ 'x-same': '1', 'X-Same': '2' })).json().detail[0].loc).toEqual([
      'body',
      'headers',
      'X-Same',
    ]);
    expect((await put(numbered(ENDPOINT_HEADERS))).status).toBe(204);
    expect((await patch({ headers: { 'x-more': '1' } })).json().detail[0].loc).toEqual(['body', 'headers']);
    expect((await patch({ headers: { 'x-more': '1', 'x-0': null } })).status).toBe(204);
    expect(Object.keys((await read()).headers)).toHaveLength(ENDPOINT_HEADERS);
  });

  it('lose no change of many at once', async () => {
    const numbers = Array.from({ length: 20 }, (_one, index) => index);
    await Promise.all([
      ...numbers.map((each) => patch({ headers: { [`x-${each}`]: `${each}` } })),
      world.operate('PATCH', `${path}/endpoint/e`, { description: 'meanwhile' }),
      world.operate('POST', `${path}/endpoint/e/secret/rotate`, {}),
    ]);
    expect((await read()).headers).toEqual(
      Object.fromEntries(numbers.map((each) => [`x-${each}`, `${each}`])),
    );
  });

  it('are encrypted in the store, and there after a restart', async () => {
    const first = await startWorld();
    await first.operate('POST', '/api/v1/app/1/endpoint', { url: 'http://127.0.0.1:1', uid: 'e' });
    const headers = { 'x-plain': 'a-value-to-look-for', authorization: 'a-credential-to-look-for' };
    await first.operate('PUT', '/api/v1/app/1/endpoint/e/headers', { headers });
    await first.close({ keepFolder: true });
    const kept = await first.kept();
    expect(kept).toContain('http://127.0.0.1:1');
    expect(kept).not.toContain('to-look-for');
    const second = await startWorld({ folder: first.folder });
    expect((await second.operate('GET', '/api/v1/app/1/endpoint/e/headers')).json()).toEqual({
      headers: { 'x-plain': headers['x-plain'] },
      sensitive: ['authorization'],
    });
    await second.close();
  });
});
