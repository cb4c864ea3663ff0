import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { type ContractTest, type Given, NOW } from './world.ts';

export function answerContract(test: ContractTest): void {
  test('are found under their key as they were kept, also after reopening', async (given) => {
    const answer = { bodyHash: hash('body'), sealed: Buffer.from([0, 255, 7]) };
    await given.store.answerInsert({ keyHash: hash('a'), ...answer, now: NOW });
    await given.reopen();
    expect(await given.store.answerFind({ keyHash: hash('a') })).toEqual(answer);
    expect(await given.store.answerFind({ keyHash: hash('b') })).toBeNull();
  });

  test('stay as they are when another comes under their key', async (given) => {
    const answer = { bodyHash: hash('body'), sealed: Buffer.from('first') };
    await given.store.answerInsert({ keyHash: hash('a'), ...answer, now: NOW });
    const other = { bodyHash: hash('other'), sealed: Buffer.from('second') };
    await given.store.answerInsert({ keyHash: hash('a'), ...other, now: NOW + 1 });
    expect(await given.store.answerFind({ keyHash: hash('a') })).toEqual(answer);
  });

  test('are forgotten with the keys of publishes, so many of each at a time', async (given) => {
    const { key: applicationKey } = await given.application();
    for (const [name, now] of [
      ['a', NOW],
      ['b', NOW + 1],
      ['c', NOW + 2],
      ['d', NOW + 3],
    ] as const) {
      await keep(given, name, now);
    }
    const published = (name: string, now: number) => {
      const idempotency = { keyHash: hash(name), bodyHash: hash('body') };
      const publishes = [{ applicationKey, messages: [given.message()], idempotency }];
      return given.accept({ publishes, fence: 1, now });
    };
    await published('a', NOW);
    const purge = () => given.store.idempotencyPurge({ before: NOW + 3, limit: 2 });
    expect([await purge(), await purge(), await purge()]).toEqual([2, 1, 0]);
    for (const name of ['a', 'b', 'c'])
      expect(await given.store.answerFind({ keyHash: hash(name) })).toBeNull();
    expect(await given.store.answerFind({ keyHash: hash('d') })).not.toBeNull();
    expect(await published('a', NOW)).toMatchObject([{ kind: 'accepted' }]);
  });
}

function keep(given: Given, name: string, now: number): Promise<void> {
  const answer = { bodyHash: hash('body'), sealed: Buffer.from(name) };
  return given.store.answerInsert({ keyHash: hash(name), ...answer, now });
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
