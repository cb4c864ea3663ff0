import { expect } from 'vitest';
import { type ContractTest, NOW } from './world.ts';

export function webHookIdContract(test: ContractTest): void {
  test('are the company number and the second of creation in UTC', async (given) => {
    await given.application();
    const second = await given.application();
    const endpoint = await given.endpoint(second.key, { now: Date.UTC(2012, 4, 1, 7, 19, 47, 999) });
    expect(endpoint.webHookId).toBe('2_20120501071947');
  });

  test('go on to the next second when one is taken, over the end of a day', async (given) => {
    const application = await given.application();
    const now = Date.UTC(2024, 1, 28, 23, 59, 59);
    const ids: string[] = [];
    for (let count = 0; count < 3; count++) {
      ids.push((await given.endpoint(application.key, { now })).webHookId);
    }
    expect(ids).toEqual(['1_20240228235959', '1_20240229000000', '1_20240229000001']);
  });

  test('of 1,000 created in one second are distinct, and valid dates', async (given) => {
    const { key } = await given.application();
    const ids = new Set<string>();
    for (let count = 0; count < 1_000; count++) ids.add((await given.endpoint(key)).webHookId);
    expect(ids.size).toBe(1_000);
    for (const id of ids) {
      const date = new Date(id.replace(/^1_(....)(..)(..)(..)(..)(..)$/, '$1-$2-$3T$4:$5:$6Z'));
      expect(`1_${date.toISOString().slice(0, 19).replace(/\D/g, '')}`).toBe(id);
      expect(date.getTime()).toBeGreaterThanOrEqual(NOW);
    }
  });

  test('of two companies do not hold each other up', async (given) => {
    const one = await given.application();
    const other = await given.application();
    expect((await given.endpoint(one.key)).webHookId).toBe('1_20260101000000');
    expect((await given.endpoint(other.key)).webHookId).toBe('2_20260101000000');
  });

  test('are not used again: not after deletion, nor reopening, nor when the clock steps back', async (given) => {
    const application = await given.application();
    const ids: string[] = [];
    const create = async (now: number) => {
      const { key, webHookId } = await given.endpoint(application.key, { now });
      ids.push(webHookId);
      await given.store.endpointDelete({ applicationKey: application.key, endpointKey: key, now });
    };
    await create(NOW);
    await create(NOW + 1_000);
    await given.reopen();
    await create(NOW);
    await create(NOW - 3_600_000);
    await given.reopen();
    for (let count = 0; count < 5; count++) await create(NOW - 2_000);
    await create(NOW + 60_000);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.at(-1)).toBe('1_20260101000100');
  });
}
