import { expect } from 'vitest';
import { hashKeyText, type Key } from '../../src/model/key.ts';
import { type ContractTest, type Given, NOW } from './world.ts';

export function keyContract(test: ContractTest): void {
  insertions(test);
  revocations(test);
  lists(test);
  rotations(test);
  ends(test);
}

function insertions(test: ContractTest): void {
  test('are found by their hash or id, as they were put in', async (given) => {
    const application = await given.application();
    const operator = given.key({ slot: 'operator', name: 'Ünlimited', lastUsedAt: NOW + 1 });
    const tenant = given.key({
      applicationKey: application.key,
      capabilities: ['ViewBase', 'CreateAttempts'],
      featureFlags: ['beta'],
      expiresAt: NOW + 5,
      replacedBy: 'key_next',
    });
    const powerless = given.key({ applicationKey: application.key, capabilities: [] });
    const added = [operator, tenant, powerless];
    for (const each of added) expect(await given.store.keyInsert(each)).toBe(true);
    await given.reopen();
    for (const each of added) {
      expect(await given.store.keyFind({ hash: each.hash })).toEqual(each);
      expect(await given.store.keyFindById({ id: each.id })).toEqual(each);
    }
    expect(await given.store.keyFind({ hash: hashKeyText('three') })).toBeNull();
    expect(await given.store.keyFindById({ id: 'key_unknown' })).toBeNull();
  });

  test('are not added when a live key has the hash, nor when that has expired', async (given) => {
    const first = given.key({ expiresAt: NOW - 1_000 });
    await given.store.keyInsert(first);
    expect(await given.store.keyInsert(given.key({ hash: first.hash, name: 'other' }))).toBe(false);
    expect(await given.store.keyInsert(first)).toBe(false);
    expect(await given.store.keyFind({ hash: first.hash })).toEqual(first);
  });
}

function revocations(test: ContractTest): void {
  test('are revoked once and found no more, also after reopening', async (given) => {
    const one = await added(given, { slot: 'operator' });
    const kept = await added(given, { slot: 'operator' });
    expect(await given.store.keyRevoke({ id: one.id, now: NOW })).toBe(true);
    expect(await given.store.keyRevoke({ id: one.id, now: NOW })).toBe(false);
    expect(await given.store.keyRevoke({ id: 'key_unknown', now: NOW })).toBe(false);
    await given.reopen();
    expect(await given.store.keyFind({ hash: one.hash })).toBeNull();
    expect(await given.store.keyFindById({ id: one.id })).toBeNull();
    expect(await given.store.keyListBySlot({ slot: 'operator' })).toEqual([kept]);
    expect(await given.store.keyList({ limit: 9, before: null, after: null })).toEqual([kept]);
  });

  test('can be added again after they were revoked, under a new id or the same', async (given) => {
    const one = await added(given, {
      slot: 'operator',
      capabilities: ['ViewBase'],
      lastUsedAt: NOW,
      replacedBy: 'key_1',
    });
    await given.store.keyRevoke({ id: one.id, now: NOW });
    const again = given.key({ hash: one.hash, name: 'again', featureFlags: ['x'], createdAt: NOW + 9 });
    expect(await given.store.keyInsert(again)).toBe(true);
    expect(await given.store.keyFind({ hash: one.hash })).toEqual(again);
    await given.store.keyRevoke({ id: again.id, now: NOW });
    expect(await given.store.keyInsert(again)).toBe(true);
    expect(await given.store.keyInsert(again)).toBe(false);
    expect(await given.store.keyFind({ hash: one.hash })).toEqual(again);
  });
}

function lists(test: ContractTest): void {
  test('are listed by setting, oldest first', async (given) => {
    const late = await added(given, { slot: 'operator', createdAt: NOW + 2 });
    const early = await added(given, { slot: 'operator', createdAt: NOW + 1 });
    const other = await added(given, { slot: 'company 1' });
    await added(given, { name: 'operator' });
    expect(await given.store.keyListBySlot({ slot: 'operator' })).toEqual([early, late]);
    expect(await given.store.keyListBySlot({ slot: 'company 1' })).toEqual([other]);
  });

  test('are listed by id: of one application, of operators, or all', async (given) => {
    const one = await given.application();
    const other = await given.application();
    const owners = [one.key, null, one.key, other.key, null, one.key];
    const ids: string[] = [];
    for (const applicationKey of owners) ids.push((await added(given, { applicationKey })).id);
    const list = async (applicationKey: number | null | undefined, limit: number, bounds: object = {}) => {
      const params = { before: null, after: null, ...bounds };
      const listed = await given.store.keyList({ applicationKey, limit, ...params });
      return listed.map(({ id }) => ids.indexOf(id));
    };
    expect(await list(one.key, 9)).toEqual([0, 2, 5]);
    expect(await list(null, 9)).toEqual([1, 4]);
    expect(await list(undefined, 9)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(await list(99, 9)).toEqual([]);
    expect(await list(undefined, 2, { after: ids[1] })).toEqual([2, 3]);
    expect(await list(undefined, 2, { before: ids[4] })).toEqual([2, 3]);
    expect(await list(undefined, 2, { before: ids[5], after: ids[0] })).toEqual([1, 2]);
    expect(await list(one.key, 1, { before: ids[5] })).toEqual([2]);
    expect(await list(null, 9, { after: ids[1] })).toEqual([4]);
  });
}

function rotations(test: ContractTest): void {
  test('are rotated: both are good until the old one expires, and the setting goes to the new one', async (given) => {
    const old = await added(given, { slot: 'operator' });
    const replacement = given.key({ name: 'new' });
    const params = { id: old.id, replacement, expiresAt: NOW + 60_000 };
    expect(await given.store.keyRotate(params)).toBe(true);
    await given.reopen();
    const rotated = { ...replacement, slot: 'operator' };
    expect(await given.store.keyFind({ hash: replacement.hash })).toEqual(rotated);
    const ending = { ...old, slot: null, expiresAt: NOW + 60_000, replacedBy: replacement.id };
    expect(await given.store.keyFind({ hash: old.hash })).toEqual(ending);
    expect(await given.store.keyListBySlot({ slot: 'operator' })).toEqual([rotated]);
  });

  test('do not live longer by a rotation', async (given) => {
    const old = await added(given, { expiresAt: NOW + 10 });
    const rotate = (expiresAt: number) =>
      given.store.keyRotate({ id: old.id, replacement: given.key(), expiresAt });
    const expiry = async () => (await given.store.keyFindById({ id: old.id }))?.expiresAt;
    expect(await rotate(NOW + 20)).toBe(true);
    expect(await expiry()).toBe(NOW + 10);
    expect(await rotate(NOW)).toBe(true);
    expect(await expiry()).toBe(NOW);
  });

  test('that are not there are not rotated, and nothing is added', async (given) => {
    const revoked = await added(given);
    await given.store.keyRevoke({ id: revoked.id, now: NOW });
    for (const id of ['key_unknown', revoked.id]) {
      const replacement = given.key();
      expect(await given.store.keyRotate({ id, replacement, expiresAt: NOW })).toBe(false);
      expect(await given.store.keyFindById({ id: replacement.id })).toBeNull();
    }
  });
}

function ends(test: ContractTest): void {
  test('note when they were last used, and never an earlier time', async (given) => {
    const [one, other] = [await added(given), await added(given)];
    const lastUsed = async (id: string) => (await given.store.keyFindById({ id }))?.lastUsedAt;
    const use = (id: string, at: number) => given.store.keyTouch({ uses: [{ id, at }] });
    const uses = [one.id, 'key_unknown', other.id].map((id, index) => ({ id, at: NOW + index }));
    await given.store.keyTouch({ uses });
    expect([await lastUsed(one.id), await lastUsed(other.id)]).toEqual([NOW, NOW + 2]);
    await use(one.id, NOW - 1);
    expect(await lastUsed(one.id)).toBe(NOW);
    await use(one.id, NOW + 9);
    await given.reopen();
    expect([await lastUsed(one.id), await lastUsed(other.id)]).toEqual([NOW + 9, NOW + 2]);
    await given.store.keyTouch({ uses: [] });
  });

  test('are purged some at a time once they expired or were revoked before a time', async (given) => {
    const expired = await added(given, { expiresAt: NOW - 1 });
    const expiring = await added(given, { expiresAt: NOW });
    const revoked = await added(given);
    const revokedLate = await added(given);
    const revokedAfterItExpired = await added(given, { expiresAt: NOW - 1 });
    const lasting = await added(given);
    await given.store.keyRevoke({ id: revoked.id, now: NOW - 1 });
    await given.store.keyRevoke({ id: revokedLate.id, now: NOW });
    await given.store.keyRevoke({ id: revokedAfterItExpired.id, now: NOW + 5 });
    const purge = () => given.store.keyPurge({ before: NOW, limit: 2 });
    expect([await purge(), await purge(), await purge()]).toEqual([2, 1, 0]);
    expect(await given.store.keyFindById({ id: expired.id })).toBeNull();
    for (const kept of [expiring, lasting]) {
      expect(await given.store.keyFindById({ id: kept.id })).toEqual(kept);
    }
  });
}

async function added(given: Given, fields: Partial<Key> = {}): Promise<Key> {
  const key = given.key(fields);
  if (!(await given.store.keyInsert(key))) throw new Error('The key was not added.');
  return key;
}
