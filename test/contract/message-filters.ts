import { expect } from 'vitest';
import type { NewMessage } from '../../src/model/message.ts';
import type { MessageFilter } from '../../src/store/store.ts';
import { type ContractTest, delivery, type Given, NOW } from './world.ts';

export function messageFilterContract(test: ContractTest): void {
  words(test);
  texts(test);
  deliveries(test);
  missing(test);
  counts(test);
  steps(test);
}

function words(test: ContractTest): void {
  test('picks by event type, channel and tag, alone and together', async (given) => {
    const pick = await filled(given, [
      { eventType: 'a', channels: ['x', 'y'], tags: ['vip'] },
      { eventType: 'b', channels: ['x'], tags: [] },
      { eventType: 'c' },
      { eventType: 'a', channels: [], tags: ['vip', 'eu'] },
    ]);
    expect(await pick({})).toEqual([3, 2, 1, 0]);
    expect(await pick({ eventTypes: ['a'] })).toEqual([3, 0]);
    expect(await pick({ eventTypes: ['c', 'b', 'nope'] })).toEqual([2, 1]);
    expect(await pick({ eventTypes: [] })).toEqual([]);
    expect(await pick({ eventTypes: ['A'] })).toEqual([]);
    expect(await pick({ channel: 'x' })).toEqual([1, 0]);
    expect(await pick({ channel: 'vip' })).toEqual([]);
    expect(await pick({ tag: 'vip' })).toEqual([3, 0]);
    expect(await pick({ tag: 'vip', eventTypes: ['a'], channel: 'y' })).toEqual([0]);
    expect(await pick({ tag: 'eu', channel: 'y' })).toEqual([]);
  });

  test('picks what some endpoint got, or none', async (given) => {
    const { key } = await given.endpoint((await given.application()).key);
    const pick = await filled(given, [{}, { deliveries: [delivery(key)] }, {}]);
    expect(await pick({ matched: true })).toEqual([1]);
    expect(await pick({ matched: false })).toEqual([2, 0]);
  });

  test('picks by patterns of event types, which stand for what begins so', async (given) => {
    const types = [
      'ticket.created',
      'ticket.',
      'ticket',
      'tickets.x',
      'Ticket.x',
      'ticket.a.b',
      '%.x',
      'ü.x',
    ];
    const pick = await filled(
      given,
      types.map((eventType) => ({ eventType })),
    );
    expect(await pick({ eventTypes: ['ticket.*'] })).toEqual([5, 1, 0]);
    expect(await pick({ eventTypes: ['ticket.a.*', 'ticket'] })).toEqual([5, 2]);
    expect(await pick({ eventTypes: ['%.*', 'ü.*'] })).toEqual([7, 6]);
    expect(await pick({ eventTypes: ['*', '.*', 'ticket*'] })).toEqual([]);
  });

  test('looks up very many patterns as fast as one', async (given) => {
    const many = Array.from({ length: 1_000 }, (_, index) => `${'z'.repeat(240)}${index}.*`);
    const types = ['ticket.a', ...Array(500).fill('b.c.d')];
    const pick = await filled(
      given,
      types.map((eventType) => ({ eventType })),
    );
    const times: number[] = [];
    for (let round = 0; round < 3; round++) {
      const begin = performance.now();
      expect(await pick({ eventTypes: [...many, 'ticket.*'] })).toEqual([0]);
      times.push(performance.now() - begin);
    }
    expect(Math.min(...times)).toBeLessThan(60);
  });

  test('takes a pattern for more work where event types have many dots', async (given) => {
    const { applicationKey } = await accepted(
      given,
      Array.from({ length: 5 }, () => ({ eventType: `${'a.'.repeat(100)}a` })),
    );
    const page = { limit: 100, before: null, after: null, withPayload: false, scan: 40 };
    const look = (filter: MessageFilter) => given.store.messageList({ applicationKey, ...page, filter });
    expect((await look({ eventTypes: ['b.*'] })).scannedTo).not.toBeNull();
    expect((await look({ eventTypes: ['b'] })).scannedTo).toBeNull();
  });

  test('picks by any of several channels', async (given) => {
    const channels = [['x', 'y'], ['y'], [], null, ['z']];
    const pick = await filled(
      given,
      channels.map((each) => ({ channels: each })),
    );
    expect(await pick({ channels: ['x', 'z'] })).toEqual([4, 0]);
    expect(await pick({ channels: ['y'], channel: 'x' })).toEqual([0]);
    expect(await pick({ channels: [] })).toEqual([]);
  });

  test('takes a tag for what it is, to the letter', async (given) => {
    const tags = ['a', 'A', 'x"a', 'a"', ',', '["a"]', 'ü🦊', '\\', '%', ''];
    const pick = await filled(given, [...tags.map((tag) => ({ tags: [tag] })), { tags: ['b', 'c'] }]);
    for (const [index, tag] of tags.entries()) expect([tag, await pick({ tag })]).toEqual([tag, [index]]);
    for (const tag of ['b","c', 'b,c', '","']) expect([tag, await pick({ tag })]).toEqual([tag, []]);
    expect(await pick({ tag: 'c' })).toEqual([tags.length]);
  });
}

function texts(test: ContractTest): void {
  test('finds a text as id, event id, event type or tag, or within the payload', async (given) => {
    const id = given.id('msg');
    const pick = await filled(given, [
      { id },
      { eventId: 'order-1' },
      { eventType: 'order-1' },
      { tags: ['other', 'order-1'] },
      { payload: '{"ref":"order-12"}' },
      { eventId: 'order-12', eventType: 'order-123', tags: ['order-1234'] },
      { payload: '{"Ref":"ORDER-1"}' },
    ]);
    expect(await pick({ text: id })).toEqual([0]);
    expect(await pick({ text: id.slice(0, -1) })).toEqual([]);
    expect(await pick({ text: 'order-1' })).toEqual([4, 3, 2, 1]);
    expect(await pick({ text: 'order-1', eventTypes: ['order-1'] })).toEqual([2]);
    expect(await pick({ text: 'ORDER' })).toEqual([6]);
    expect(await pick({ text: 'rdEr' })).toEqual([]);
  });

  test('finds a text in a long payload, and one that a pattern would take for something else', async (given) => {
    const long = JSON.stringify({ text: 'ü'.repeat(100_000), end: '100%_🦊' });
    const pick = await filled(given, [{ payload: long }, { payload: '{"a":"100 "}' }]);
    expect(await pick({ text: '100%_🦊' })).toEqual([0]);
    expect(await pick({ text: '100' })).toEqual([1, 0]);
    expect(await pick({ text: '%' })).toEqual([0]);
  });

  test('finds a text that the publisher wrote with escapes', async (given) => {
    const pick = await filled(given, [
      { payload: '{"a":"J\\u00fcrgen \\"Jay\\" a\\/b"}' },
      { payload: '{"a":"J\\u00FCrgen"}' },
      { payload: '{"a":"Jürgen a/b"}' },
    ]);
    expect(await pick({ text: 'Jürgen' })).toEqual([2, 1, 0]);
    expect(await pick({ text: '"Jay"' })).toEqual([0]);
    expect(await pick({ text: 'a/b' })).toEqual([2, 0]);
  });

  test('finds nothing in a payload that was expunged', async (given) => {
    const { key: applicationKey } = await given.application();
    const message = { eventId: 'e', payload: '{"a":"needle"}' };
    const messageKey = await given.accepted(applicationKey, [], { message });
    await given.store.messageExpunge({ messages: [given.ref(messageKey)], now: NOW });
    const found = async (text: string) => (await list(given, applicationKey, { text })).rows.length;
    expect([await found('needle'), await found('e')]).toEqual([0, 1]);
  });
}

function deliveries(test: ContractTest): void {
  test('picks by endpoint and by the state of a delivery', async (given) => {
    const { application, keys } = await given.company(2);
    const [one, other] = keys as unknown as [number, number];
    const ids: number[] = [];
    const add = async (endpointKeys: number[], state: 'pending' | 'held' | 'sending') =>
      ids.push(await given.accepted(application.key, endpointKeys, { state }));
    await add([one, other], 'pending');
    await add([one], 'held');
    await add([other], 'sending');
    await add([], 'pending');
    const pick = async (filter: MessageFilter) =>
      (await list(given, application.key, filter)).rows.map(({ key }) => ids.indexOf(key));
    expect(await pick({ endpointKey: one })).toEqual([1, 0]);
    expect(await pick({ endpointKey: other })).toEqual([2, 0]);
    expect(await pick({ endpointKey: 99 })).toEqual([]);
    expect(await pick({ states: ['held'] })).toEqual([1]);
    expect(await pick({ states: ['sending', 'pending'] })).toEqual([2, 0]);
    expect(await pick({ states: ['failed', 'succeeded', 'cancelled'] })).toEqual([]);
    expect(await pick({ states: [] })).toEqual([]);
    expect(await pick({ endpointKey: one, states: ['sending', 'held'] })).toEqual([1]);
    expect(await pick({ endpointKey: other, states: ['held'] })).toEqual([]);
  });
}

function missing(test: ContractTest): void {
  test('picks what an endpoint never had', async (given) => {
    const { application, keys } = await given.company(2);
    const [one, other] = keys as unknown as [number, number];
    const ids: number[] = [];
    for (const to of [[one, other], [one], [other], []]) ids.push(await given.accepted(application.key, to));
    const pick = async (filter: MessageFilter) =>
      (await list(given, application.key, filter)).rows.map(({ key }) => ids.indexOf(key));
    expect(await pick({ missingFor: one })).toEqual([3, 2]);
    expect(await pick({ missingFor: other, endpointKey: one })).toEqual([1]);
    expect(await pick({ missingFor: 99 })).toEqual([3, 2, 1, 0]);
  });

  test('picks by what an endpoint answered last', async (given) => {
    const { application, keys } = await given.company(2);
    const [one, other] = keys as unknown as [number, number];
    const ids: number[] = [];
    for (const statuses of [[500, 200], [204], [null, 503], [404, null], []] as (number | null)[][]) {
      const fence = given.fence();
      const messageKey = await given.accepted(application.key, keys, { state: 'sending', fence });
      ids.push(messageKey);
      const results = statuses.map((status) => {
        const result = given.result(given.lease(messageKey, one, fence), {
          state: 'pending',
          nextAttemptAt: NOW,
        });
        const exchange = { ...result.attempt.exchange, status };
        return { ...result, keepLease: true, attempt: { ...result.attempt, exchange } };
      });
      // The other one's are none of it, though they come last.
      const elsewhere = given.result(given.lease(messageKey, other, fence), { state: 'succeeded' });
      await given.store.deliveryRecord({ results: [...results, elsewhere], now: NOW });
    }
    const pick = async (statusClass: number, filter: MessageFilter = {}) => {
      const { rows } = await list(given, application.key, { endpointKey: one, statusClass, ...filter });
      return rows.map(({ key }) => ids.indexOf(key));
    };
    expect(await pick(200)).toEqual([1, 0]);
    expect(await pick(500)).toEqual([2]);
    expect(await pick(400)).toEqual([]);
    expect(await pick(0)).toEqual([3]);
    expect(await pick(500, { states: ['sending'] })).toEqual([2]);
    expect(await pick(500, { states: ['failed'] })).toEqual([]);
  });
}

function counts(test: ContractTest): void {
  test('counts within a range of ids, some rows a call, and says how far it came', async (given) => {
    const types = Array.from({ length: 20 }, (_, n) => ({ eventType: n % 3 === 0 ? 'a' : 'b' }));
    const { applicationKey } = await accepted(given, types);
    const page = { applicationKey, limit: 99, before: null, after: null, withPayload: false };
    const ids = (await given.store.messageList(page)).rows.map(({ id }) => id).reverse();
    const at = (index: number) => ids[index] as string;
    const count = (filter: MessageFilter, from = 'msg_', to = 'msg_~', scan = 100) =>
      given.store.messageCount({ applicationKey, filter, from, to, scan });
    expect(await count({})).toEqual({ count: 20, scanned: 20, scannedTo: null });
    expect(await count({ eventTypes: ['a'] })).toEqual({ count: 7, scanned: 20, scannedTo: null });
    expect(await count({}, at(3), at(7))).toEqual({ count: 4, scanned: 4, scannedTo: null });
    expect(await count({}, at(7), at(3))).toEqual({ count: 0, scanned: 0, scannedTo: null });
    expect(await count({ eventTypes: ['a'] }, 'msg_', 'msg_~', 5)).toEqual({
      ...{ count: 2, scanned: 5, scannedTo: at(4) },
    });
    expect(
      await given.store.messageCount({ applicationKey: 99, filter: {}, from: '', to: '~', scan: 9 }),
    ).toEqual({
      ...{ count: 0, scanned: 0, scannedTo: null },
    });
  });
}

function steps(test: ContractTest): void {
  test('looks at so many rows a call and says how far it came', async (given) => {
    const messages = Array.from({ length: 25 }, (_, n) => ({ eventType: n % 10 === 3 ? 'rare' : 'usual' }));
    const { applicationKey, ids } = await accepted(given, messages);
    for (const scan of [1, 2, 7, 24, 25, 26, 1_000]) {
      const found: string[] = [];
      let calls = 0;
      for (let before: string | null = null; ; ) {
        const filter = { eventTypes: ['rare'] };
        const page = { applicationKey, before, after: null, withPayload: false, limit: 50 };
        const { rows, scannedTo } = await given.store.messageList({ ...page, filter, scan });
        calls++;
        found.push(...rows.map(({ id }) => id));
        if (scannedTo === null) break;
        // It goes on, and never over a row that was not looked at.
        const from: number = before === null ? ids.length : ids.indexOf(before);
        expect(from - ids.indexOf(scannedTo)).toBeGreaterThan(0);
        expect(from - ids.indexOf(scannedTo)).toBeLessThanOrEqual(scan);
        before = scannedTo;
      }
      expect(found).toEqual([ids[23], ids[13], ids[3]]);
      expect(calls).toBeGreaterThanOrEqual(Math.floor(25 / scan));
    }
  });

  test('goes upwards from a lower bound alone, and shows the page newest first', async (given) => {
    const messages = Array.from({ length: 9 }, (_, n) => ({ eventType: n % 2 === 0 ? 'even' : 'odd' }));
    const { applicationKey, ids } = await accepted(given, messages);
    const page = async (after: number, limit: number, scan: number, before: number | null = null) => {
      const bounds = {
        after: ids[after] as string,
        before: before === null ? null : (ids[before] as string),
      };
      const params = { applicationKey, ...bounds, withPayload: true, limit, scan };
      const { rows, scannedTo } = await given.store.messageList({
        ...params,
        filter: { eventTypes: ['even'] },
      });
      return [rows.map(({ id }) => ids.indexOf(id)), scannedTo === null ? null : ids.indexOf(scannedTo)];
    };
    expect(await page(0, 2, 100)).toEqual([[4, 2], null]);
    expect(await page(0, 9, 3)).toEqual([[2], 3]);
    expect(await page(3, 9, 100)).toEqual([[8, 6, 4], null]);
    expect(await page(0, 2, 100, 7)).toEqual([[6, 4], null]);
    expect(await page(1, 9, 2, 8)).toEqual([[6], 6]);
  });

  test('says nothing of how far it came when the page is full', async (given) => {
    const { applicationKey } = await accepted(given, [{}, {}, {}, {}]);
    const page = { applicationKey, before: null, after: null, withPayload: false };
    const params = { ...page, filter: { eventTypes: ['ticket.created'] } };
    for (const scan of [2, 3, 100]) {
      const { rows, scannedTo } = await given.store.messageList({ ...params, limit: 2, scan });
      expect([rows.length, scannedTo]).toEqual([2, null]);
    }
  });

  test('ends a page of picked messages with the one whose payload has no room left', async (given) => {
    const payloads = ['{"n":0}', '{"no":1}', '{"n":2}', '{"n":3}'];
    const { applicationKey, ids } = await accepted(
      given,
      payloads.map((payload) => ({ payload })),
    );
    const page = { applicationKey, limit: 9, before: null, after: null, filter: { text: '"n"' } };
    const params = { ...page, payloadCharacters: 13 };
    const shown = async (withPayload: boolean, scan: number) => {
      const { rows, scannedTo } = await given.store.messageList({ ...params, withPayload, scan });
      expect(scannedTo).toBeNull();
      return rows.map(({ id, payload }) => [ids.indexOf(id), payload]);
    };
    // What was looked at behind its last row is not passed over.
    for (const scan of [4, 100]) {
      expect(await shown(true, scan)).toEqual([
        [3, '{"n":3}'],
        [2, '{"n":2}'],
      ]);
    }
    expect(await shown(false, 100)).toEqual([
      [3, null],
      [2, null],
      [0, null],
    ]);
  });

  test('picks from its application only', async (given) => {
    const one = await accepted(given, [{ tags: ['vip'] }]);
    const other = await accepted(given, [{ tags: ['vip'] }, {}]);
    const ofOne = await list(given, one.applicationKey, { tag: 'vip' });
    expect(ofOne.rows.map(({ id }) => id)).toEqual(one.ids);
    const ofOther = await list(given, other.applicationKey, { tag: 'vip' });
    expect(ofOther.rows.map(({ id }) => id)).toEqual(other.ids.slice(0, 1));
  });
}

async function accepted(given: Given, fields: readonly Partial<NewMessage>[]) {
  const { key: applicationKey } = await given.application();
  const messages = fields.map((each) => given.message(each));
  const publishes = [given.publish(applicationKey, ...messages)];
  await given.accept({ publishes, fence: 1, now: NOW });
  return { applicationKey, ids: messages.map(({ id }) => id) };
}

/** Picks from these messages: the places of what was found, newest first. */
async function filled(given: Given, fields: readonly Partial<NewMessage>[]) {
  const { applicationKey, ids } = await accepted(given, fields);
  return async (filter: MessageFilter) => {
    const { rows, scannedTo } = await list(given, applicationKey, filter);
    expect(scannedTo).toBeNull();
    return rows.map(({ id }) => ids.indexOf(id));
  };
}

function list(given: Given, applicationKey: number, filter: MessageFilter) {
  const page = { limit: 100, before: null, after: null, withPayload: false };
  return given.store.messageList({ applicationKey, ...page, filter, scan: 10_000 });
}
