import { expect } from 'vitest';
import type { NewMessage } from '../../src/model/message.ts';
import type { AttemptFilter } from '../../src/store/store.ts';
import { ALL, type ContractTest, type Given, NOW } from './world.ts';

export function attemptFilterContract(test: ContractTest): void {
  statuses(test);
  messages(test);
  steps(test);
}

function statuses(test: ContractTest): void {
  test('picks by outcome and by class of status', async (given) => {
    const answers = [200, 299, 300, 199, 404, 500, null, 599, 100];
    const { endpointKey, ids } = await recorded(given, [{}], answers);
    const [messageKey] = (await given.store.attemptList({ endpointKey, ...ALL })).rows.map(
      (row) => row.messageKey,
    );
    const pick = async (filter: AttemptFilter) => {
      const page = { ...ALL, filter, scan: 1_000 };
      const ofEndpoint = await given.store.attemptList({ endpointKey, ...page });
      expect(await given.store.attemptList({ ...given.ref(messageKey as number), ...page })).toEqual(
        ofEndpoint,
      );
      expect(ofEndpoint.scannedTo).toBeNull();
      return ofEndpoint.rows.map(({ id }) => answers[ids.indexOf(id)]);
    };
    expect(await pick({})).toEqual(answers.toReversed());
    expect(await pick({ succeeded: true })).toEqual([299, 200]);
    expect(await pick({ succeeded: false })).toEqual([100, 599, null, 500, 404, 199, 300]);
    expect(await pick({ statusClass: 200 })).toEqual([299, 200]);
    expect(await pick({ statusClass: 100 })).toEqual([100, 199]);
    expect(await pick({ statusClass: 300 })).toEqual([300]);
    expect(await pick({ statusClass: 400 })).toEqual([404]);
    expect(await pick({ statusClass: 500 })).toEqual([599, 500]);
    expect(await pick({ statusClass: 0 })).toEqual([null]);
    expect(await pick({ statusClass: 500, succeeded: true })).toEqual([]);
    expect(await pick({ statusClass: 500, succeeded: false })).toEqual([599, 500]);
  });
}

function messages(test: ContractTest): void {
  test('picks by what the message is: event type, channel and tag', async (given) => {
    const fields = [
      { eventType: 'a', channels: ['x', 'y'], tags: ['vip'] },
      { eventType: 'b', channels: ['x'] },
      { eventType: 'a', tags: ['eu', 'vip'] },
    ];
    const { endpointKey, ids } = await recorded(given, fields, [200, 500]);
    const pick = async (filter: AttemptFilter) => {
      const { rows } = await given.store.attemptList({ endpointKey, ...ALL, filter, scan: 1_000 });
      return rows.map(({ id }) => ids.indexOf(id));
    };
    // Two attempts of each message.
    expect(await pick({ eventTypes: ['a'] })).toEqual([5, 4, 1, 0]);
    expect(await pick({ eventTypes: ['b', 'c'] })).toEqual([3, 2]);
    expect(await pick({ eventTypes: [] })).toEqual([]);
    expect(await pick({ eventTypes: ['a.*', 'b'] })).toEqual([3, 2]);
    expect(await pick({ channel: 'x' })).toEqual([3, 2, 1, 0]);
    expect(await pick({ tag: 'vip' })).toEqual([5, 4, 1, 0]);
    expect(await pick({ tag: 'vi' })).toEqual([]);
    expect(await pick({ tag: 'vip', channel: 'y', succeeded: false })).toEqual([1]);
    expect(await pick({ tag: 'vip', channel: 'y', eventTypes: ['b'] })).toEqual([]);
  });

  test('picks by endpoint among the attempts of a message', async (given) => {
    const { application, keys } = await given.company(2);
    const messageKey = await given.accepted(application.key, keys);
    const results = keys.map((key) => given.result(given.lease(messageKey, key, 1), { state: 'succeeded' }));
    await given.store.deliveryRecord({ results, now: NOW });
    for (const [index, endpointKey] of keys.entries()) {
      const filter = { endpointKey };
      const { rows } = await given.store.attemptList({ ...given.ref(messageKey), ...ALL, filter, scan: 100 });
      expect(rows).toMatchObject([{ id: results[index]?.attempt.id, endpointKey }]);
    }
    const filter = { endpointKey: 99 };
    expect(
      (await given.store.attemptList({ ...given.ref(messageKey), ...ALL, filter, scan: 100 })).rows,
    ).toEqual([]);
  });
}

function steps(test: ContractTest): void {
  test('looks at so many rows a call and says how far it came', async (given) => {
    const answers = Array.from({ length: 25 }, (_, n) => (n % 10 === 3 ? 500 : 200));
    const { endpointKey, ids } = await recorded(given, [{}], answers);
    for (const scan of [1, 7, 24, 25, 26]) {
      const found: number[] = [];
      for (let before: string | null = null; ; ) {
        const params = { endpointKey, limit: 50, before, after: null, filter: { succeeded: false }, scan };
        const { rows, scannedTo } = await given.store.attemptList(params);
        found.push(...rows.map(({ id }) => ids.indexOf(id)));
        if (scannedTo === null) break;
        const from: number = before === null ? ids.length : ids.indexOf(before);
        expect(from - ids.indexOf(scannedTo)).toBeGreaterThan(0);
        expect(from - ids.indexOf(scannedTo)).toBeLessThanOrEqual(scan);
        before = scannedTo;
      }
      expect(found).toEqual([23, 13, 3]);
    }
  });

  test('goes upwards from a lower bound alone, and shows the page newest first', async (given) => {
    const answers = [200, 500, 500, 200, 500, 200, 500];
    const { endpointKey, ids } = await recorded(given, [{}], answers);
    const page = async (after: number, limit: number, scan: number) => {
      const params = { endpointKey, before: null, after: ids[after] as string, limit, scan };
      const { rows, scannedTo } = await given.store.attemptList({ ...params, filter: { succeeded: false } });
      return [rows.map(({ id }) => ids.indexOf(id)), scannedTo === null ? null : ids.indexOf(scannedTo)];
    };
    expect(await page(0, 2, 100)).toEqual([[2, 1], null]);
    expect(await page(1, 9, 2)).toEqual([[2], 3]);
    expect(await page(2, 9, 100)).toEqual([[6, 4], null]);
  });
}

/** Attempts at one endpoint: for each of these messages, one with each of these statuses. */
async function recorded(
  given: Given,
  fields: readonly Partial<NewMessage>[],
  answers: readonly (number | null)[],
) {
  const { application, keys } = await given.company();
  const [endpointKey] = keys;
  const ids: string[] = [];
  for (const message of fields) {
    const messageKey = await given.accepted(application.key, keys, { message });
    const results = answers.map((status) => {
      const result = given.result(given.lease(messageKey, endpointKey, 1), { state: 'succeeded' });
      const exchange = { ...result.attempt.exchange, status };
      return { ...result, attempt: { ...result.attempt, exchange } };
    });
    await given.store.deliveryRecord({ results, now: NOW });
    ids.push(...results.map(({ attempt }) => attempt.id));
  }
  return { endpointKey, ids };
}
