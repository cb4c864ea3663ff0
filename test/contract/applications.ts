import { expect } from 'vitest';
import { type ContractTest, NOW } from './world.ts';

export function applicationContract(test: ContractTest): void {
  test('are numbered 1, 2, 3…, and a refused one takes no number', async (given) => {
    const first = await given.application({ uid: 'acme' });
    expect(await given.store.applicationInsert(given.newApplication({ uid: 'acme' }))).toBeNull();
    const second = await given.application();
    await given.reopen();
    const third = await given.application();
    expect([first.number, second.number, third.number]).toEqual([1, 2, 3]);
    expect(new Set([first.key, second.key, third.key]).size).toBe(3);
  });

  test('come back as they were put in', async (given) => {
    const params = given.newApplication({
      uid: 'acme-1',
      name: 'Acme "Ünlimited" 🦊',
      throttleRate: 50,
      metadata: { __proto__x: 'a', plan: 'gold' },
    });
    const { now, ...fields } = params;
    const inserted = await given.store.applicationInsert(params);
    expect(inserted).toEqual({
      ...fields,
      key: inserted?.key,
      number: 1,
      createdAt: now,
      updatedAt: now,
    });
    expect(await given.store.applicationFind({ ref: params.id })).toEqual(inserted);
  });

  test('are found by id, else by uid, else by number', async (given) => {
    const first = await given.application();
    const second = await given.application({ uid: first.id });
    const third = await given.application({ uid: 'three' });
    const { store } = given;
    expect(await store.applicationFind({ ref: first.id })).toEqual(first);
    expect(await store.applicationFind({ ref: '1' })).toEqual(first);
    expect(await store.applicationFind({ ref: '2' })).toEqual(second);
    expect(await store.applicationFind({ ref: 'three' })).toEqual(third);
    expect(await store.applicationFindByNumber({ number: 1 })).toEqual(first);
    expect(await store.applicationFindByKey({ applicationKey: third.key })).toEqual(third);
  });

  test('are refused with a uid that is the number of another', async (given) => {
    const first = await given.application();
    const { store } = given;
    expect(await store.applicationInsert(given.newApplication({ uid: '1' }))).toBeNull();
    expect(await store.applicationFind({ ref: '1' })).toEqual(first);
    // Not how a number is written, so that it can't be taken for one.
    expect((await given.application({ uid: '01' })).number).toBe(2);
  });

  test('get no number that is the uid of another', async (given) => {
    const named = await given.application({ uid: '2' });
    await given.application({ uid: '3' });
    const plain = await given.application();
    const own = await given.application({ uid: '5' });
    expect([named.number, plain.number, own.number]).toEqual([1, 4, 5]);
    for (const application of [named, plain, own]) {
      const { number, uid } = application;
      expect(await given.store.applicationFind({ ref: String(number) })).toEqual(application);
      if (uid !== null) expect(await given.store.applicationFind({ ref: uid })).toEqual(application);
    }
  });

  test('are not found by what is no reference to them', async (given) => {
    await given.application({ uid: null });
    const refs = ['', '0', '2', '01', '+1', '1.0', '1e0', ' 1', '-1', 'null', 'app_', '9'.repeat(40)];
    for (const ref of refs) expect([ref, await given.store.applicationFind({ ref })]).toEqual([ref, null]);
    expect(await given.store.applicationFindByNumber({ number: 2 })).toBeNull();
    expect(await given.store.applicationFindByKey({ applicationKey: 99 })).toBeNull();
  });

  test('keep their uids apart to the letter', async (given) => {
    const lower = await given.application({ uid: 'acme' });
    const upper = await given.application({ uid: 'ACME', now: NOW + 1 });
    expect(await given.store.applicationFind({ ref: 'acme' })).toEqual(lower);
    expect(await given.store.applicationFind({ ref: 'ACME' })).toEqual(upper);
  });
}
