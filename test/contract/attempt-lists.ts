import { expect } from 'vitest';
import type { Exchange } from '../../src/model/exchange.ts';
import type { AttemptPage, ListedAttempt } from '../../src/store/store.ts';
import { ALL, type ContractTest, type Given, NOW } from './world.ts';

export function attemptListContract(test: ContractTest): void {
  test('show attempts as they were recorded', async (given) => {
    const { application, keys } = await given.company();
    const message = given.message();
    const messageKey = await given.accepted(application.key, keys, { message: { id: message.id } });
    const [endpoint] = await given.store.endpointList({ applicationKey: application.key });
    const lease = given.lease(messageKey, keys[0], 1);
    const url = 'https://old.example/hook';
    const results = exchanges().map((exchange, index) =>
      given.result(lease, { state: 'succeeded' }, { exchange, url, number: index + 1, trigger: 'manual' }),
    );
    await given.store.deliveryRecord({ results, now: NOW });
    await given.reopen();
    const named = { messageId: message.id, endpointId: endpoint?.id };
    const expected = results.map(({ attempt }) => ({ ...attempt, ...named })).toReversed();
    const listed = { rows: expected, scannedTo: null };
    expect(await given.store.attemptList({ ...given.ref(messageKey), ...ALL })).toEqual(listed);
    expect(await given.store.attemptList({ endpointKey: keys[0], ...ALL })).toEqual(listed);
  });

  test('are newest first between exclusive bounds', async (given) => {
    const { ids, byMessage, byEndpoint } = await recorded(given);
    for (const list of [byMessage, byEndpoint]) {
      const page = async (before: number | null, after: number | null, limit = 10) => {
        const bounds = { before: bound(ids, before), after: bound(ids, after) };
        return (await list({ ...bounds, limit })).rows.map(({ id }) => ids.indexOf(id));
      };
      expect(await page(null, null)).toEqual([5, 4, 3, 2, 1, 0]);
      expect(await page(null, null, 2)).toEqual([5, 4]);
      expect(await page(4, null, 2)).toEqual([3, 2]);
      expect(await page(null, 1, 2)).toEqual([3, 2]);
      expect(await page(5, 1)).toEqual([4, 3, 2]);
      expect(await page(5, 1, 2)).toEqual([4, 3]);
      expect(await page(1, 4)).toEqual([]);
      expect(await page(0, null)).toEqual([]);
    }
  });

  test('show no attempts of other messages or other endpoints', async (given) => {
    const { application, keys } = await given.company(2);
    const first = await given.accepted(application.key, keys);
    const second = await given.accepted(application.key, keys);
    const ids: Record<string, string> = {};
    for (const messageKey of [first, second]) {
      for (const endpointKey of keys) {
        const result = given.result(given.lease(messageKey, endpointKey, 1), { state: 'succeeded' });
        ids[`${messageKey} ${endpointKey}`] = result.attempt.id;
        await given.store.deliveryRecord({ results: [result], now: NOW });
      }
    }
    const named = ({ rows }: { rows: ListedAttempt[] }) => rows.map(({ id }) => id);
    const [one, other] = keys as unknown as [number, number];
    const ofFirst = named(await given.store.attemptList({ ...given.ref(first), ...ALL }));
    expect(ofFirst).toEqual([ids[`${first} ${other}`], ids[`${first} ${one}`]]);
    const ofOther = named(await given.store.attemptList({ endpointKey: other, ...ALL }));
    expect(ofOther).toEqual([ids[`${second} ${other}`], ids[`${first} ${other}`]]);
    const unknown = { applicationKey: application.key, messageKey: 999 };
    expect(named(await given.store.attemptList({ ...unknown, ...ALL }))).toEqual([]);
    expect(named(await given.store.attemptList({ endpointKey: 999, ...ALL }))).toEqual([]);
  });

  test('keep a body with a NUL character', async (given) => {
    const { application, keys } = await given.company();
    const messageKey = await given.accepted(application.key, keys);
    const result = given.result(given.lease(messageKey, keys[0], 1), { state: 'succeeded' });
    const exchange = { ...result.attempt.exchange, body: 'x\u0000y' };
    const results = [{ ...result, attempt: { ...result.attempt, exchange } }];
    await given.store.deliveryRecord({ results, now: NOW });
    const { rows } = await given.store.attemptList({ ...given.ref(messageKey), ...ALL });
    expect(rows.map((row) => row.exchange.body)).toEqual(['x\u0000y']);
  });

  test('still show the attempts at an endpoint that was deleted', async (given) => {
    const { application, keys } = await given.company();
    const messageKey = await given.accepted(application.key, keys);
    const lease = given.lease(messageKey, keys[0], 1);
    await given.store.deliveryRecord({ results: [given.result(lease, { state: 'succeeded' })], now: NOW });
    await given.store.endpointDelete({ applicationKey: application.key, endpointKey: keys[0], now: NOW });
    expect((await given.store.attemptList({ ...given.ref(messageKey), ...ALL })).rows).toHaveLength(1);
    expect((await given.store.attemptList({ endpointKey: keys[0], ...ALL })).rows).toHaveLength(1);
  });
}

function exchanges(): Exchange[] {
  const times = {
    startedAt: NOW + 7,
    durationMs: 0,
    requestHeaders: 'webhook-id\nmsg_1\nx-ü\n',
    responseHeaders: '',
  };
  return [
    { ...times, status: 204, body: '', retryAfter: null, error: null },
    {
      ...times,
      responseHeaders: 'set-cookie\n[redacted]\nx\n1',
      status: 503,
      body: 'xü🦊'.repeat(5_000),
      retryAfter: 'soon',
      error: null,
    },
    {
      ...times,
      status: null,
      body: '',
      retryAfter: null,
      error: { code: 'timed_out', message: 'No answer.' },
    },
    {
      ...times,
      status: 200,
      body: 'par',
      retryAfter: null,
      error: { code: 'connection_closed', message: '' },
    },
  ];
}

function bound(ids: readonly string[], index: number | null): string | null {
  return index === null ? null : (ids[index] as string);
}

/** Six attempts of one delivery among those of others. */
async function recorded(given: Given) {
  const { application, keys } = await given.company(2);
  const messageKey = await given.accepted(application.key, keys);
  const [endpointKey, other] = keys as unknown as [number, number];
  const ids: string[] = [];
  for (let number = 1; number <= 6; number++) {
    const result = given.result(given.lease(messageKey, endpointKey, 1), { state: 'succeeded' }, { number });
    ids.push(result.attempt.id);
    const elsewhere = await given.accepted(application.key, [other]);
    const stranger = given.result(given.lease(elsewhere, other, 1), { state: 'succeeded' });
    await given.store.deliveryRecord({ results: [result, stranger], now: NOW });
  }
  return {
    ids,
    byMessage: (page: AttemptPage) => given.store.attemptList({ ...given.ref(messageKey), ...page }),
    byEndpoint: (page: AttemptPage) => given.store.attemptList({ endpointKey, ...page }),
  };
}
