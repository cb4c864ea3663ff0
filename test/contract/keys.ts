import { expect } from 'vitest';
import { hashKeyText, type Key } from '../../src/model/key.ts';
import { type ContractTest, type Given, NOW } from './world.ts';

export function keyContract(test: ContractTest): void {
  test('are found by their hash, as they were put in', async (given) => {
    const application = await given.application();
    const operator = key(given, 'one');
    const tenant = { ...key(given, 'two'), applicationKey: application.key, expiresAt: NOW + 5 };
    expect(await given.store.keyInsert(operator)).toBe(true);
    expect(await given.store.keyInsert(tenant)).toBe(true);
    await given.reopen();
    expect(await given.store.keyFind({ hash: operator.hash })).toEqual(operator);
    expect(await given.store.keyFind({ hash: tenant.hash })).toEqual(tenant);
    expect(await given.store.keyFind({ hash: hashKeyText('three') })).toBeNull();
  });

  test('are not added when a live key has the hash', async (given) => {
    const first = key(given, 'one');
    await given.store.keyInsert(first);
    expect(await given.store.keyInsert({ ...key(given, 'one'), name: 'other' })).toBe(false);
    expect(await given.store.keyInsert(first)).toBe(false);
    expect(await given.store.keyFind({ hash: first.hash })).toEqual(first);
  });

  test('are revoked once and found no more, also after reopening', async (given) => {
    const one = key(given, 'one');
    const kept = key(given, 'kept');
    await given.store.keyInsert(one);
    await given.store.keyInsert(kept);
    expect(await given.store.keyRevoke({ id: one.id, now: NOW })).toBe(true);
    expect(await given.store.keyRevoke({ id: one.id, now: NOW })).toBe(false);
    expect(await given.store.keyRevoke({ id: 'key_unknown', now: NOW })).toBe(false);
    await given.reopen();
    expect(await given.store.keyFind({ hash: one.hash })).toBeNull();
    expect(await given.store.keyList({ name: 'operator' })).toEqual([kept]);
  });

  test('can be added again after they were revoked, under a new id or the same', async (given) => {
    const one = key(given, 'one');
    await given.store.keyInsert(one);
    await given.store.keyRevoke({ id: one.id, now: NOW });
    const again = { ...key(given, 'one'), name: 'again', createdAt: NOW + 9 };
    expect(await given.store.keyInsert(again)).toBe(true);
    expect(await given.store.keyFind({ hash: one.hash })).toEqual(again);
    await given.store.keyRevoke({ id: again.id, now: NOW });
    expect(await given.store.keyInsert(again)).toBe(true);
    expect(await given.store.keyInsert(again)).toBe(false);
    expect(await given.store.keyFind({ hash: one.hash })).toEqual(again);
  });

  test('are listed by name, oldest first', async (given) => {
    const late = { ...key(given, 'late'), createdAt: NOW + 2 };
    const early = { ...key(given, 'early'), createdAt: NOW + 1 };
    const other = { ...key(given, 'other'), name: 'company 1' };
    for (const each of [late, early, other]) await given.store.keyInsert(each);
    expect(await given.store.keyList({ name: 'operator' })).toEqual([early, late]);
    expect(await given.store.keyList({ name: 'nobody' })).toEqual([]);
  });
}

function key(given: Given, text: string): Key {
  const hash = hashKeyText(text);
  return {
    id: given.id('key'),
    name: 'operator',
    hash,
    applicationKey: null,
    createdAt: NOW,
    expiresAt: null,
  };
}
