import { expect } from 'vitest';
import { type ContractTest, type Given, NOW } from './world.ts';

export function messageReadContract(test: ContractTest): void {
  test('finds by id, else by event id, in the application only', async (given) => {
    const one = await given.application();
    const other = await given.application();
    const first = given.message({ eventId: 'order-1' });
    const second = given.message({ eventId: first.id });
    const publishes = [given.publish(one.key, first, second)];
    await given.accept({ publishes, fence: 1, now: NOW });
    const find = async (applicationKey: number, ref: string) =>
      (await given.store.messageFind({ applicationKey, ref }))?.id ?? null;
    expect(await find(one.key, first.id)).toBe(first.id);
    expect(await find(one.key, 'order-1')).toBe(first.id);
    expect(await find(one.key, second.id)).toBe(second.id);
    expect(await find(one.key, 'order-2')).toBeNull();
    for (const ref of [first.id, second.id, 'order-1']) expect(await find(other.key, ref)).toBeNull();
  });

  test('lists newest first between exclusive bounds', async (given) => {
    const { key, ids } = await filled(given, 6);
    const page = async (before: number | null, after: number | null, limit = 10) => {
      const bounds = { before: bound(ids, before), after: bound(ids, after) };
      const { rows, scannedTo } = await given.store.messageList({
        applicationKey: key,
        limit,
        withPayload: true,
        ...bounds,
      });
      expect(scannedTo).toBeNull();
      return rows.map(({ id }) => ids.indexOf(id));
    };
    expect(await page(null, null)).toEqual([5, 4, 3, 2, 1, 0]);
    expect(await page(null, null, 2)).toEqual([5, 4]);
    expect(await page(4, null, 2)).toEqual([3, 2]);
    expect(await page(0, null)).toEqual([]);
    expect(await page(null, 5)).toEqual([]);
    // With only a lower bound: the page next to it.
    expect(await page(null, 1, 2)).toEqual([3, 2]);
    expect(await page(5, 1)).toEqual([4, 3, 2]);
    expect(await page(5, 1, 2)).toEqual([4, 3]);
    expect(await page(1, 4)).toEqual([]);
  });

  test('takes bounds that are no ids of messages here', async (given) => {
    const { key } = await filled(given, 2);
    const list = async (before: string | null, after: string | null) =>
      (await given.store.messageList({ applicationKey: key, limit: 9, withPayload: false, before, after }))
        .rows.length;
    expect(await list('msg_zzz', null)).toBe(2);
    expect(await list('msg_', null)).toBe(0);
    expect(await list(null, 'msg_')).toBe(2);
  });

  test('lists the messages of no other application', async (given) => {
    const { key, ids } = await filled(given, 2);
    const other = await filled(given, 1);
    const page = { limit: 9, before: null, after: null, withPayload: false };
    const list = async (applicationKey: number) =>
      (await given.store.messageList({ applicationKey, ...page })).rows.map(({ id }) => id);
    expect(await list(key)).toEqual(ids.toReversed());
    expect(await list(other.key)).toEqual(other.ids);
    expect(await list(99)).toEqual([]);
  });

  test('ends a page with the first message whose payload has no room left', async (given) => {
    const { key } = await given.application();
    const payloads = ['{"n":0}', '{"n":1}', '{"long":12345678}', '{"n":3}', '{"n":4}'];
    const messages = payloads.map((payload) => given.message({ payload }));
    await given.accept({ publishes: [given.publish(key, ...messages)], fence: 1, now: NOW });
    const page = async (payloadCharacters: number, after: number | null = null, limit = 9) => {
      const bounds = { before: null, after: bound(ids, after) };
      const asked = { applicationKey: key, limit, withPayload: true, payloadCharacters, ...bounds };
      return (await given.store.messageList(asked)).rows.map(({ id }) => ids.indexOf(id));
    };
    const ids = messages.map(({ id }) => id);
    expect(await page(14)).toEqual([4, 3, 2]);
    expect(await page(13)).toEqual([4, 3]);
    expect(await page(14, null, 2)).toEqual([4, 3]);
    expect(await page(1_000)).toEqual([4, 3, 2, 1, 0]);
    // Counted from where the page begins.
    expect(await page(23, 0)).toEqual([2, 1]);
    expect(await page(24, 0)).toEqual([3, 2, 1]);
    // The first is there whatever its length, and one more.
    expect(await page(0)).toEqual([4, 3]);
    expect(await page(0, 1)).toEqual([3, 2]);
  });

  test('leaves the payload out where it is not asked for', async (given) => {
    const { key } = await filled(given, 1);
    const page = { applicationKey: key, limit: 9, before: null, after: null };
    const [with_] = (await given.store.messageList({ ...page, withPayload: true })).rows;
    const [without] = (await given.store.messageList({ ...page, withPayload: false })).rows;
    expect(with_?.payload).toBe('{}');
    expect(without).toEqual({ ...with_, payload: null });
  });
}

function bound(ids: readonly string[], index: number | null): string | null {
  return index === null ? null : (ids[index] as string);
}

async function filled(given: Given, count: number): Promise<{ key: number; ids: string[] }> {
  const { key } = await given.application();
  const messages = Array.from({ length: count }, () => given.message());
  await given.accept({ publishes: [given.publish(key, ...messages)], fence: 1, now: NOW });
  return { key, ids: messages.map(({ id }) => id) };
}
