import { expect } from 'vitest';
import { StoreError } from '../../src/store/store.ts';
import { ALL, type ContractTest, NOW } from './world.ts';

export function openingContract(test: ContractTest): void {
  test('keeps everything over reopening', async (given) => {
    const { application, keys } = await given.company(2);
    const messageKey = await given.accepted(application.key, keys);
    const lease = given.lease(messageKey, keys[0], given.fence());
    await given.store.deliveryRecord({ results: [given.result(lease, { state: 'succeeded' })], now: NOW });
    const read = async () => [
      await given.store.applicationFind({ ref: application.id }),
      await given.store.endpointList({ applicationKey: application.key }),
      await given.store.messageList({ applicationKey: application.key, ...ALL, withPayload: true }),
      await given.store.deliveryList({ ...given.ref(messageKey), ...ALL }),
      await given.store.attemptList({ ...given.ref(messageKey), ...ALL }),
      await given.store.deliveryBacklog(),
    ];
    const before = await read();
    await given.reopen();
    expect(await read()).toEqual(before);
  });

  test('checks that it works', async (given) => {
    await expect(given.store.check()).resolves.toBeUndefined();
  });

  test('rejects every call once closed; closing again is no harm', async (given) => {
    const { store } = given;
    const application = await given.application();
    await store.close();
    await store.close();
    const calls = [
      store.check(),
      store.applicationFind({ ref: application.id }),
      store.applicationInsert(given.newApplication()),
      store.messageAccept({ publishes: [], fence: 1, now: NOW }),
      store.deliveryRecord({ results: [], now: NOW }),
      store.deliveryBacklog(),
      store.idempotencyPurge({ before: NOW, limit: 1 }),
    ];
    for (const outcome of await Promise.allSettled(calls)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: expect.any(StoreError) });
      expect(outcome).toMatchObject({ reason: { code: 'unavailable' } });
    }
  });
}
