import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Given, NOW } from '../../../test/contract/world.ts';
import { RETENTION_LOOK_AGAIN_MS } from '../../limits.ts';
import { openSqliteStore } from './open.ts';

const KEEP_MS = 1_000;
const MB = 1_000_000;

let folder: string;
let given: Given;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posthorn-retention-'));
  const store = await openSqliteStore({ folder });
  const refuse = () => Promise.reject(new Error('There is one.'));
  given = new Given({ store, reopen: refuse, another: refuse, dispose: () => store.close() });
  await given.join();
});
afterEach(async () => {
  await given.store.close();
  await rm(folder, { recursive: true });
});

async function tend(now: number, rows = 500): Promise<void> {
  for (let more = true; more; ) ({ more } = await given.store.storeTend({ now, keepMs: KEEP_MS, rows }));
}

test('what went leaves room for what comes: the file and its log do not grow', async () => {
  const { application } = await given.company();
  const size = async (name: string) => (await stat(join(folder, name))).size;
  const sizes: number[] = [];
  const logs: number[] = [];
  for (let round = 0; round < 6; round++) {
    const now = NOW + round * 10 * KEEP_MS;
    for (let batch = 0; batch < 8; batch++) {
      const messages = Array.from({ length: 50 }, () =>
        given.message({ createdAt: now, payload: JSON.stringify('x'.repeat(20_000)) }),
      );
      const publishes = [given.publish(application.key, ...messages)];
      await given.accept({ publishes, fence: given.fence(), now });
    }
    await tend(now + 5 * KEEP_MS);
    sizes.push(await size('posthorn.db'));
    logs.push(await size('posthorn.db-wal'));
  }
  expect(sizes.at(-1)).toBeLessThanOrEqual((sizes[1] as number) + MB);
  expect(Math.max(...logs)).toBeLessThan(16 * MB);
});

test('a large payload makes a step shorter: each of its pages is read', async () => {
  const { application } = await given.company();
  const large = { createdAt: NOW, payload: JSON.stringify('x'.repeat(2 * MB)) };
  const keys: number[] = [];
  for (let count = 0; count < 5; count++)
    keys.push(await given.accepted(application.key, [], { message: large }));
  const left = async () =>
    (
      await given.store.messageList({
        applicationKey: application.key,
        limit: 9,
        before: null,
        after: null,
        withPayload: false,
      })
    ).rows.length;
  const now = NOW + 2 * KEEP_MS;
  expect(await given.store.storeTend({ now, keepMs: KEEP_MS, rows: 400 })).toEqual({ more: true });
  expect(await left()).toBe(4);
});

test('what was left because it is open is not looked at again with each round', async () => {
  const { application, keys } = await given.company();
  const messageKey = await given.accepted(application.key, keys, { state: 'held' });
  const isThere = async () =>
    (await given.store.deliveryFind({ endpointKey: keys[0], messageKeys: [messageKey] })).length === 1;
  const now = NOW + 2 * KEEP_MS;
  await tend(now);
  const deliveries = [{ messageKey, endpointKey: keys[0] }];
  await given.store.deliveryCancel({ deliveries, reason: 'cancelled', now });
  await tend(now + RETENTION_LOOK_AGAIN_MS - 1);
  expect(await isThere()).toBe(true);
  await tend(now + RETENTION_LOOK_AGAIN_MS);
  expect(await isThere()).toBe(false);
});

test('nothing of a message that went in part can be sent again', async () => {
  const { application, keys } = await given.company(9);
  const fence = given.fence();
  const messageKey = await given.accepted(application.key, keys, { state: 'sending', fence });
  const done = { state: 'succeeded' as const };
  const results = keys.map((key) => given.result(given.lease(messageKey, key, fence), done));
  await given.record({ results, now: NOW });
  expect(await given.store.storeTend({ now: NOW + 2 * KEEP_MS, keepMs: KEEP_MS, rows: 12 })).toEqual({
    more: true,
  });
  const endpointKey = keys.at(-1) as number;
  const asked = { messageKey, endpointKey, now: NOW };
  expect(await given.store.resendInsert({ ...asked, limit: 9 })).toBe('expunged');
  expect(await given.store.deliveryHurry(asked)).toMatchObject({
    state: expect.stringMatching(/expunged|ended/),
  });
  await tend(NOW + 2 * KEEP_MS, 12);
  expect(await given.store.deliveryFind({ endpointKey, messageKeys: [messageKey] })).toEqual([]);
});
