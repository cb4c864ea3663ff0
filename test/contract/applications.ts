import { expect } from 'vitest';
import { hashKeyText } from '../../src/model/key.ts';
import { type ContractTest, type Given, NOW } from './world.ts';

export function applicationContract(test: ContractTest): void {
  insertions(test);
  changes(test);
  deletions(test);
  lists(test);
}

function insertions(test: ContractTest): void {
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
      revision: expect.any(Number),
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

  test('have a revision each, which tells whether they or their endpoints were changed since', async (given) => {
    const { store } = given;
    const [first, second] = [await given.application(), await given.application()];
    const revisions = async () => {
      const applicationKeys = [first.key, second.key, 999_999];
      const found = await store.applicationRevisions({ applicationKeys });
      return Object.fromEntries(found.map(({ applicationKey, revision }) => [applicationKey, revision]));
    };
    const before = await revisions();
    expect(before).toEqual({ [first.key]: first.revision, [second.key]: second.revision });
    const { key: endpointKey } = await given.endpoint(first.key);
    const of = { applicationKey: first.key, now: NOW };
    await store.endpointUpdate({ ...of, endpointKey, changes: { description: 'Another' } });
    await store.applicationUpdate({ ...of, changes: { name: 'Another' } });
    await store.endpointDelete({ ...of, endpointKey });
    const changes = store.shared ? 4 : 0;
    expect(await revisions()).toEqual({ ...before, [first.key]: (before[first.key] as number) + changes });
    expect((await store.applicationFindByKey({ applicationKey: first.key }))?.revision).toBe(
      first.revision + changes,
    );
    await store.applicationDelete({ applicationKey: second.key, now: NOW });
    expect(Object.keys(await revisions())).toEqual([String(first.key)]);
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

function changes(test: ContractTest): void {
  const update = (given: Given, applicationKey: number, fields: object, now = NOW) =>
    given.store.applicationUpdate({ applicationKey, now, changes: fields });

  test('change only in what is named', async (given) => {
    const before = await given.application({ uid: 'acme', throttleRate: 5, metadata: { a: 'b' } });
    const neighbour = await given.application();
    const changed = { ...before, revision: expect.any(Number) };
    const renamed = { ...changed, name: 'Acme "2"', updatedAt: NOW + 5 };
    expect(await update(given, before.key, { name: 'Acme "2"', uid: undefined }, NOW + 5)).toEqual(renamed);
    const fields = { uid: null, throttleRate: null, metadata: {} };
    const cleared = { ...renamed, ...fields, updatedAt: NOW + 6 };
    expect(await update(given, before.key, fields, NOW + 6)).toEqual(cleared);
    await given.reopen();
    expect(await given.store.applicationFindByKey({ applicationKey: before.key })).toEqual(cleared);
    expect(await given.store.applicationFind({ ref: 'acme' })).toBeNull();
    expect(await given.store.applicationFindByKey({ applicationKey: neighbour.key })).toEqual(neighbour);
  });

  test('do not change when the new uid is taken, or is the number of another', async (given) => {
    const one = await given.application({ uid: 'one' });
    const other = await given.application({ uid: 'other' });
    for (const uid of ['other', '2']) {
      expect(await update(given, one.key, { uid, name: 'new' })).toBe('uid_taken');
    }
    expect(await given.store.applicationFindByKey({ applicationKey: one.key })).toEqual(one);
    // Its own uid and its own number it may have, and a number that no application has yet.
    for (const uid of ['one', '1', '3']) expect(await update(given, one.key, { uid })).toMatchObject({ uid });
    expect(await given.store.applicationFind({ ref: '3' })).toMatchObject({ key: one.key });
    expect((await given.application()).number).toBe(4);
    expect(await given.store.applicationFind({ ref: '2' })).toEqual(other);
  });

  test('that are not there do not change', async (given) => {
    expect(await update(given, 99, { name: 'x' })).toBeNull();
  });
}

function deletions(test: ContractTest): void {
  test('are gone with their endpoints and keys once deleted, and others are not', async (given) => {
    const { application, keys } = await given.company(2);
    const other = await given.company();
    const gone = await given.endpoint(application.key, { uid: 'main' });
    await given.store.endpointDelete({ applicationKey: application.key, endpointKey: gone.key, now: NOW });
    const hashes = [application.key, other.application.key].map((key) => hashKeyText(`${key}`));
    for (const [index, hash] of hashes.entries()) {
      const applicationKey = [application.key, other.application.key][index] as number;
      await given.store.keyInsert(given.key({ hash, applicationKey }));
    }
    const remove = () => given.store.applicationDelete({ applicationKey: application.key, now: NOW });
    expect(await remove()).toEqual({ endpointKeys: keys });
    expect(await remove()).toBeNull();
    await given.reopen();
    const { store } = given;
    for (const ref of [application.id, '1']) expect(await store.applicationFind({ ref })).toBeNull();
    expect(await store.applicationFindByNumber({ number: 1 })).toBeNull();
    expect(await store.applicationFindByKey({ applicationKey: application.key })).toBeNull();
    const changes = { name: 'x' };
    expect(await store.applicationUpdate({ applicationKey: application.key, now: NOW, changes })).toBeNull();
    expect(await store.endpointList({ applicationKey: application.key })).toEqual([]);
    for (const endpointKey of keys) expect(await store.endpointFindByKey({ endpointKey })).toBeNull();
    expect(await store.keyFind({ hash: hashes[0] as Buffer })).toBeNull();
    expect(await store.keyFind({ hash: hashes[1] as Buffer })).not.toBeNull();
    expect(await store.applicationFind({ ref: '2' })).toMatchObject({ key: other.application.key });
    expect(await store.endpointFindByKey({ endpointKey: other.keys[0] })).not.toBeNull();
  });

  test('free their uid when deleted, but never their number', async (given) => {
    const { key: applicationKey } = await given.application({ uid: 'acme' });
    expect(await given.store.applicationLastNumber()).toBe(1);
    await given.store.applicationDelete({ applicationKey, now: NOW });
    await given.reopen();
    expect(await given.store.applicationLastNumber()).toBe(1);
    const again = await given.application({ uid: 'acme' });
    expect(again).toMatchObject({ number: 2, uid: 'acme' });
    expect(await given.store.applicationFind({ ref: 'acme' })).toEqual(again);
    expect(await given.store.applicationLastNumber()).toBe(2);
  });

  test('have no last number as long as there never was one', async (given) => {
    expect(await given.store.applicationLastNumber()).toBe(0);
  });
}

function lists(test: ContractTest): void {
  test('have one for operational webhooks beside them: made once, in no list, and found by nothing but its id', async (given) => {
    const first = await given.application();
    const id = given.id('app');
    const made = await given.store.applicationOperational({ id, now: NOW + 1 });
    expect(made).toMatchObject({ id, number: 0, uid: null, throttleRate: null, createdAt: NOW + 1 });
    await given.reopen();
    expect(await given.store.applicationOperational({ id: given.id('app'), now: NOW + 2 })).toEqual(made);
    expect(await given.store.applicationFind({ ref: id })).toEqual(made);
    expect(await given.store.applicationFindByKey({ applicationKey: made.key })).toEqual(made);
    expect(await given.store.applicationFind({ ref: '0' })).toBeNull();
    expect(await given.store.applicationFindByNumber({ number: 0 })).toBeNull();
    const all = { limit: 9, before: null, after: null, fromEnd: false };
    expect(await given.store.applicationList(all)).toEqual([first]);
    expect(await given.store.applicationLastNumber()).toBe(1);
    const endpoint = await given.endpoint(made.key);
    expect(await given.store.endpointList({ applicationKey: made.key })).toEqual([endpoint]);
    // It may come before any other.
    expect((await given.application({ uid: '0' })).number).toBe(2);
  });

  test('are listed by id, live ones only, between exclusive bounds', async (given) => {
    const ids: string[] = [];
    for (let count = 0; count < 7; count++) {
      const { id, key: applicationKey } = await given.application();
      if (count === 3) await given.store.applicationDelete({ applicationKey, now: NOW });
      else ids.push(id);
    }
    const page = async (before: number | null, after: number | null, limit = 10, fromEnd = false) => {
      const bounds = { before: at(ids, before), after: at(ids, after) };
      const listed = await given.store.applicationList({ ...bounds, limit, fromEnd });
      return listed.map(({ id }) => ids.indexOf(id));
    };
    expect(await page(null, null)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(await page(null, null, 2)).toEqual([0, 1]);
    expect(await page(null, null, 2, true)).toEqual([4, 5]);
    expect(await page(null, 1, 2)).toEqual([2, 3]);
    expect(await page(4, null, 2)).toEqual([2, 3]);
    expect(await page(4, 0, 2)).toEqual([1, 2]);
    expect(await page(0, null)).toEqual([]);
    expect(await page(null, 5)).toEqual([]);
  });
}

function at(ids: readonly string[], index: number | null): string | null {
  return index === null ? null : (ids[index] as string);
}
