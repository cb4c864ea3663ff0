import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManualClock, seededRandom } from '../../test/helpers/manual-clock.ts';
import { KEY_READ_FAILURES } from '../limits.ts';
import { createIds } from '../model/id.ts';
import { openSqliteStore } from '../store/sqlite/open.ts';
import { type Store, StoreError } from '../store/store.ts';
import { Keyring, type KeyScope } from './keyring.ts';

const MINUTE_MS = 60_000;
const GIVEN = 'a-key-given-by-a-setting';

let folder: string;
let store: Store;
let clock: ManualClock;
let keyring: Keyring;
let warnings: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posthorn-keyring-'));
  store = await openSqliteStore({ folder });
  clock = new ManualClock();
  warnings = [];
  keyring = openKeyring();
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

function openKeyring(on: Partial<Store> = {}): Keyring {
  const random = seededRandom(1);
  const log = { warn: (_: object, text: string) => void warnings.push(text) };
  return new Keyring({ store: { ...store, ...on }, clock, random, ids: createIds(clock, random), log });
}

const operator: KeyScope = {
  name: 'one',
  applicationKey: null,
  capabilities: null,
  featureFlags: [],
  expiresAt: null,
};
const ensure = (text: string | null) => keyring.ensure({ slot: 'operator', applicationKey: null, text });
const isGood = async (text: string) => (await keyring.authenticate(text)) !== null;
const operatorKeys = () => keyring.list({ applicationKey: null, limit: 100, before: null, after: null });

describe('the key of a setting', () => {
  it('is made when there is none that lasts, and not again', async () => {
    const text = await ensure(null);
    expect(await isGood(text ?? '')).toBe(true);
    expect(await ensure(null)).toBeNull();
  });

  it('is not made beside another that lasts', async () => {
    await keyring.create(operator);
    expect(await ensure(null)).toBeNull();
    expect(await operatorKeys()).toHaveLength(1);
  });

  it('is made beside others that expire', async () => {
    await keyring.create({ ...operator, expiresAt: clock.now() + MINUTE_MS });
    expect(await ensure(null)).not.toBeNull();
  });

  it('replaces the one before, and leaves what was made otherwise', async () => {
    const generated = await ensure(null);
    const { text: other } = await keyring.create(operator);
    expect(await ensure(GIVEN)).toBeNull();
    expect([await isGood(GIVEN), await isGood(generated ?? ''), await isGood(other)]).toEqual([
      true,
      false,
      true,
    ]);
  });

  it('is refused when it is a key for something else', async () => {
    await ensure(GIVEN);
    const application = await store.applicationInsert({
      id: 'app_1',
      uid: null,
      name: 'A',
      throttleRate: null,
      metadata: {},
      now: clock.now(),
    });
    const taken = keyring.ensure({
      slot: 'company 1',
      applicationKey: application?.key ?? 0,
      text: GIVEN,
    });
    await expect(taken).rejects.toMatchObject({
      name: 'KeyTaken',
      message: expect.stringContaining('POSTHORN_COMPANY_TOKEN'),
    });
  });

  it('can be neither revoked nor rotated while the setting gives it', async () => {
    await keyring.create(operator);
    await ensure(GIVEN);
    const given = (await operatorKeys()).find(({ key }) => key.slot === 'operator')?.key.id ?? '';
    const refusal = { code: 'conflict', message: expect.stringContaining('POSTHORN_OPERATOR_KEY') };
    await expect(keyring.revoke(given)).rejects.toMatchObject(refusal);
    await expect(keyring.rotate(given, { graceMs: 0, expiresAt: undefined })).rejects.toMatchObject(refusal);
    expect(await isGood(GIVEN)).toBe(true);
    // A later start without the setting.
    keyring = openKeyring();
    await keyring.revoke(given);
    expect(await isGood(GIVEN)).toBe(false);
  });

  it('wins over a rotation that was made without knowing of it', async () => {
    await ensure(GIVEN);
    keyring = openKeyring();
    const [given] = await operatorKeys();
    const rotated = await keyring.rotate(given?.key.id ?? '', { graceMs: 0, expiresAt: undefined });
    expect([await isGood(GIVEN), await isGood(rotated.text)]).toEqual([false, true]);
    keyring = openKeyring();
    await ensure(GIVEN);
    expect([await isGood(GIVEN), await isGood(rotated.text)]).toEqual([true, false]);
  });
});

describe('the last operator key that does not expire', () => {
  it('can not be revoked, nor be rotated into one that expires', async () => {
    const { key, text } = await keyring.create(operator);
    await keyring.create({ ...operator, expiresAt: clock.now() + MINUTE_MS });
    const refusal = { code: 'conflict', message: expect.stringContaining('last operator key') };
    await expect(keyring.revoke(key.id)).rejects.toMatchObject(refusal);
    const soon = { graceMs: 0, expiresAt: clock.now() + MINUTE_MS };
    await expect(keyring.rotate(key.id, soon)).rejects.toMatchObject(refusal);
    expect(await isGood(text)).toBe(true);
    const rotated = await keyring.rotate(key.id, { graceMs: 0, expiresAt: undefined });
    expect([await isGood(text), await isGood(rotated.text)]).toEqual([false, true]);
  });

  it('is left when all are revoked at once', async () => {
    const made = await Promise.all(Array.from({ length: 5 }, () => keyring.create(operator)));
    const ended = await Promise.allSettled(made.map(({ key }) => keyring.revoke(key.id)));
    expect(ended.filter(({ status }) => status === 'rejected')).toHaveLength(1);
    expect(await operatorKeys()).toHaveLength(1);
  });
});

describe('when a key was last used', () => {
  const lastUsed = async (id: string) => (await store.keyFindById({ id }))?.lastUsedAt;

  it('is noted once a minute, and at the close', async () => {
    const { key, text } = await keyring.create(operator);
    keyring.start();
    await clock.advance(5_000);
    await keyring.authenticate(text);
    expect((await keyring.find(key.id)).key.lastUsedAt).toBe(clock.now());
    expect(await lastUsed(key.id)).toBeNull();
    const usedAt = clock.now();
    await clock.advance(MINUTE_MS);
    expect(await lastUsed(key.id)).toBe(usedAt);
    await keyring.authenticate(text);
    await keyring.close();
    expect(await lastUsed(key.id)).toBe(usedAt + MINUTE_MS);
  });

  it('is noted later when the store can not write, with a warning', async () => {
    let full = true;
    keyring = openKeyring({
      keyTouch: (params) =>
        full ? Promise.reject(new StoreError('unavailable', 'The disk is full.')) : store.keyTouch(params),
    });
    const { key, text } = await keyring.create(operator);
    keyring.start();
    await keyring.authenticate(text);
    const usedAt = clock.now();
    await clock.advance(MINUTE_MS);
    expect([warnings.length, await lastUsed(key.id)]).toEqual([1, null]);
    full = false;
    await clock.advance(MINUTE_MS);
    expect(await lastUsed(key.id)).toBe(usedAt);
    await keyring.close();
  });

  it('says nothing of calls that were refused', async () => {
    const { key, text } = await keyring.create({ ...operator, expiresAt: clock.now() });
    expect(await isGood(text)).toBe(false);
    await keyring.close();
    expect(await lastUsed(key.id)).toBeNull();
  });
});

it('refuses the keys of a deleted application at once', async () => {
  const application = await store.applicationInsert({
    id: 'app_1',
    uid: null,
    name: 'A',
    throttleRate: null,
    metadata: {},
    now: clock.now(),
  });
  const applicationKey = application?.key ?? 0;
  const { text } = await keyring.create({ ...operator, applicationKey });
  expect(await isGood(text)).toBe(true);
  await store.applicationDelete({ applicationKey, now: clock.now() });
  keyring.forget(applicationKey);
  expect(await isGood(text)).toBe(false);
});

describe('a store that does not answer', () => {
  it('is asked for one key at a time after some failures; other calls are refused at once, until it is back', async () => {
    const text = (await ensure(null)) as string;
    const asked: { end(): void; fail(): void }[] = [];
    const held = openKeyring({
      keyFind: (params) =>
        new Promise((resolve, reject) => {
          asked.push({
            end: () => resolve(store.keyFind(params)),
            fail: () => reject(new StoreError('unavailable', 'It does not answer.')),
          });
        }),
    });
    const answerOf = () =>
      Promise.resolve(held.authenticate(text)).then(
        (caller) => caller !== null,
        (error: Error & { code: string }) => error.code,
      );
    const first = Array.from({ length: KEY_READ_FAILURES }, answerOf);
    for (const { fail } of asked.splice(0)) fail();
    expect(await Promise.all(first)).toEqual(first.map(() => 'unavailable'));
    const trial = answerOf();
    expect(await Promise.all([answerOf(), answerOf()])).toEqual(['unavailable', 'unavailable']);
    expect(asked).toHaveLength(1);
    asked.splice(0)[0]?.end();
    expect(await trial).toBe(true);
    // It is back, and asked as ever.
    await clock.advance(MINUTE_MS);
    const both = [answerOf(), answerOf()];
    for (const { end } of asked) end();
    expect(asked).toHaveLength(2);
    expect(await Promise.all(both)).toEqual([true, true]);
  });
});
