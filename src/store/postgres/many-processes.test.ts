import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Given, NOW } from '../../../test/contract/world.ts';
import { type TestDatabase, testDatabase } from '../../../test/helpers/postgres.ts';
import type { EventType } from '../../model/event-type.ts';
import { systemClock } from '../../system/clock.ts';
import { type Store, StoreError } from '../store.ts';
import { openPostgresStore } from './open.ts';

const PROCESSES = 4;

let database: TestDatabase;
let given: Given;
let stores: Store[];

beforeEach(async () => {
  database = await testDatabase();
  stores = await Promise.all(Array.from({ length: PROCESSES }, () => open()));
  given = new Given({
    store: stores[0] as Store,
    reopen: async () => given.store,
    another: open,
    dispose: async () => {},
  });
  await given.join();
});
afterEach(async () => {
  for (const store of stores) await store.close();
  await database.dispose();
});

const open = (options = '') => openPostgresStore({ url: `${database.url}${options}`, clock: systemClock });

/** So many calls at once, spread over the processes. */
function together<T>(calls: number, call: (store: Store, index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(
    Array.from({ length: calls }, (_, index) => call(stores[index % PROCESSES] as Store, index)),
  );
}

const revisionOf = async (applicationKey: number) =>
  (await given.store.applicationFindByKey({ applicationKey }))?.revision as number;

describe('applications', () => {
  test('have numbers and uids that find one each, however many processes make them', async () => {
    const inserted = await together(60, (store, index) =>
      // Numbers that are given about now, in between.
      store.applicationInsert(
        given.newApplication({ uid: index % 3 === 0 ? String(1 + (index % 40)) : null }),
      ),
    );
    const there = inserted.filter((application) => application !== null);
    expect(there.length).toBeGreaterThanOrEqual(40);
    expect(new Set(there.map(({ number }) => number)).size).toBe(there.length);
    for (const { key, number, uid } of there) {
      expect(await given.store.applicationFind({ ref: String(number) })).toMatchObject({ key });
      if (uid !== null) expect(await given.store.applicationFind({ ref: uid })).toMatchObject({ key });
    }
    const renamed = await together(20, (store, index) =>
      store.applicationUpdate({
        ...{ applicationKey: there[index]?.key as number, now: NOW },
        changes: { uid: `new-${index % 5}` },
      }),
    );
    expect(renamed.filter((each) => each !== 'uid_taken')).toHaveLength(5);
  });

  test('count each change of theirs, and of their endpoints, once', async () => {
    const { application, keys } = await given.company(2);
    const before = await revisionOf(application.key);
    const place = { applicationKey: application.key, now: NOW };
    await together(40, async (store, index) => {
      const endpointKey = keys[index % 2] as number;
      if (index % 4 === 0) await store.applicationUpdate({ ...place, changes: { name: `${index}` } });
      else if (index % 4 === 1)
        await store.endpointInsert({ ...given.newEndpoint(application.key), limit: 99 });
      else await store.endpointUpdate({ ...place, endpointKey, changes: { description: `${index}` } });
    });
    expect(await revisionOf(application.key)).toBe(before + 40);
    // What changes nothing does not count.
    await given.store.endpointInsert({ ...given.newEndpoint(application.key), limit: 1 });
    await given.store.endpointDelete({ ...place, endpointKey: 99_999 });
    await given.store.endpointUpdate({ ...place, endpointKey: 99_999, changes: {} });
    expect(await revisionOf(application.key)).toBe(before + 40);
    const deleted = await together(8, (store) => store.endpointDelete({ ...place, endpointKey: keys[0] }));
    expect(deleted.filter(Boolean)).toHaveLength(1);
    expect(await revisionOf(application.key)).toBe(before + 41);
  });

  test('leave nothing live behind when they are deleted while others add to them', async () => {
    for (let round = 0; round < 5; round++) {
      const { application } = await given.company();
      const applicationKey = application.key;
      const added: Promise<unknown>[] = [];
      await together(24, async (store, index) => {
        if (index === 9) await store.applicationDelete({ applicationKey, now: NOW });
        else if (index % 2 === 0) {
          added.push(store.endpointInsert({ ...given.newEndpoint(applicationKey), limit: 99 }));
        } else
          added.push(store.keyInsert(given.key({ hash: Buffer.from(`${round} ${index}`), applicationKey })));
      });
      await Promise.all(added);
      expect(await given.store.endpointList({ applicationKey })).toEqual([]);
      const all = { applicationKey, limit: 99, before: null, after: null };
      expect(await given.store.keyList(all)).toEqual([]);
    }
  });
});

describe('endpoints', () => {
  test('have web hook ids of their own, and keep to the limit and to one of each uid', async () => {
    const { key } = await given.application();
    const inserted = await together(40, (store, index) =>
      store.endpointInsert({ ...given.newEndpoint(key, { uid: `uid-${index % 30}` }), limit: 25 }),
    );
    const there = inserted.filter((each) => typeof each !== 'string');
    expect(there).toHaveLength(25);
    expect(new Set(there.map(({ webHookId }) => webHookId)).size).toBe(25);
    expect(new Set(there.map(({ uid }) => uid)).size).toBe(25);
    expect(await given.store.endpointList({ applicationKey: key })).toHaveLength(25);
  });
});

describe('event types', () => {
  const named = (name: string): EventType => ({
    ...{ name, description: '', schemas: null, archived: false, deprecated: false, featureFlags: null },
    ...{ groupName: null, validation: 'off', createdAt: NOW, updatedAt: NOW },
  });

  test('keep to the limit, and each is added once', async () => {
    const inserted = await together(40, (store, index) =>
      store.eventTypeInsert({ eventType: named(`type.${index % 20}`), limit: 12 }),
    );
    expect(inserted.filter((each) => typeof each !== 'string')).toHaveLength(12);
    expect(await given.store.eventTypeList()).toHaveLength(12);
    const all = Array.from({ length: 50 }, (_, index) => named(`more.${index}`));
    const counts = await together(PROCESSES, (store) => store.eventTypeInsertMissing({ eventTypes: all }));
    expect(counts.sort((one, other) => one - other)).toEqual([0, 0, 0, 50]);
    const names = (await given.store.eventTypeList()).map(({ name }) => name);
    expect(names.slice(12)).toEqual(all.map(({ name }) => name));
  });
});

describe('keys', () => {
  test('are revoked once, and noted as used by many, in whatever order', async () => {
    const ids = Array.from({ length: 30 }, () => given.id('key'));
    for (const id of ids) await given.store.keyInsert(given.key({ id, hash: Buffer.from(id) }));
    await together(40, (store, index) =>
      store.keyTouch({
        uses: ids
          .flatMap((id) => [
            { id, at: NOW + index },
            { id, at: NOW },
          ])
          .sort(() => (index % 2) - 0.5),
      }),
    );
    for (const id of ids) {
      expect(await given.store.keyFindById({ id })).toMatchObject({ lastUsedAt: NOW + 39 });
    }
    const [id] = ids as [string];
    const rotated = await together(8, (store, index) =>
      store.keyRotate({ id, expiresAt: NOW, replacement: given.key({ hash: Buffer.from(`new ${index}`) }) }),
    );
    expect(rotated).toContain(true);
    const revoked = await together(8, (store) => store.keyRevoke({ id, now: NOW }));
    expect(revoked.filter(Boolean)).toHaveLength(1);
  });
});

describe('exclusively', () => {
  test('runs one work at a time over all processes, with connections left for it', async () => {
    const small = await open('?pool=2');
    stores.push(small);
    let running = 0;
    let most = 0;
    const done = await Promise.all(
      [...stores, ...stores, small, small, small].map((store, index) =>
        store.exclusively(async () => {
          most = Math.max(most, ++running);
          await store.check();
          running--;
          return index;
        }),
      ),
    );
    expect(most).toBe(1);
    expect(done).toEqual(done.map((_, index) => index));
  });

  test('gives what the work throws as it is, runs it once, and goes on with the next', async () => {
    const errors = [new Error('timeout'), new StoreError('unavailable', 'mine'), 'a text', undefined];
    for (const error of errors) {
      let times = 0;
      const failing = given.store.exclusively(async () => {
        times++;
        throw error;
      });
      expect(await failing.catch((caught) => [caught])).toEqual([error]);
      expect(times).toBe(1);
    }
    expect(await (stores[1] as Store).exclusively(async () => 'next')).toBe('next');
  });

  test('is over when the process dies that is in it', async () => {
    let end = () => {};
    const dying = given.store.exclusively(
      () =>
        new Promise<void>((resolve) => {
          end = resolve;
        }),
    );
    const holders = `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = (-3 & x'FFFFFFFF'::bigint)::oid AND granted`;
    await expect.poll(async () => (await database.query(holders)).rows.length).toBe(1);
    const next = (stores[1] as Store).exclusively(async () => 'next');
    await database.query(`SELECT pg_terminate_backend(pid) FROM (${holders}) AS holders`);
    expect(await next).toBe('next');
    end();
    await dying;
  });
});
