import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ALL, claimDue, Given } from '../../../test/contract/world.ts';
import { type TestDatabase, testDatabase } from '../../../test/helpers/postgres.ts';
import { PARTITION_CLOSED_MS } from '../../limits.ts';
import type { Verdict } from '../../model/delivery.ts';
import type { LeasedDelivery } from '../../model/lease.ts';
import { systemClock } from '../../system/clock.ts';
import type { Store } from '../store.ts';
import { openPostgresStore } from './open.ts';

const DAY_MS = 86_400_000;
const KEYS = 2 ** 30;
const KEPT_MS = 2 * DAY_MS;
const DONE: Verdict = { state: 'succeeded' };

let database: TestDatabase;
let given: Given;
/** When the first partition began. */
let begin: number;
const opened: Store[] = [];

beforeEach(async () => {
  database = await testDatabase();
  given = new Given({
    store: await open(),
    reopen: async () => given.store,
    another: () => open(),
    dispose: async () => {},
  });
  await given.join();
  begin =
    (await database.query('SELECT began_at FROM posthorn.partition WHERE number = 0')).rows[0].began_at - 0;
});
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
  await database.dispose();
});

async function open(options = ''): Promise<Store> {
  const store = await openPostgresStore({ url: `${database.url}${options}`, clock: systemClock });
  opened.push(store);
  return store;
}

const tend = (now: number, keepMs: number | null = KEPT_MS, store = given.store) =>
  store.storeTend({ now, keepMs, rows: 1_000 });
const partitionOf = (messageKey: number) => Math.floor(messageKey / KEYS);

async function numbers(table = 'delivery'): Promise<number[]> {
  const { rows } = await database.query(
    `SELECT c.relname AS name FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
     WHERE inhparent = 'posthorn.${table}'::regclass AND NOT inhdetachpending`,
  );
  return rows.map(({ name }) => Number(name.split('_').at(-1))).sort((one, other) => one - other);
}

async function tables(): Promise<string[]> {
  const { rows } = await database.query(
    "SELECT relname FROM pg_class WHERE relnamespace = 'posthorn'::regnamespace AND relkind = 'r' AND relname ~ '_0$' ORDER BY 1",
  );
  return rows.map(({ relname }) => relname);
}

/** A message of the first partition whose delivery is as `verdict` says, and then one of the second. */
async function overTheCut(verdict: Verdict = DONE, orderKey: string | null = null) {
  const { application, keys } = await given.company();
  const message = { createdAt: begin, eventId: 'first' };
  const old = await given.accepted(application.key, keys, { orderKey, message, now: begin });
  const due = { endpointKey: keys[0], dueBy: begin, limit: 1, fence: given.fence() };
  const [lease] = (await claimDue(given.store, due)).claimed as [LeasedDelivery];
  await given.store.deliveryRecord({ results: [given.result(lease, verdict)], now: begin });
  await tend(begin + DAY_MS);
  const young = await given.accepted(application.key, keys, { message: { eventId: 'second' } });
  expect([old, young].map(partitionOf)).toEqual([0, 1]);
  return { applicationKey: application.key, endpointKey: keys[0], old, young };
}

/** All that lets the first partition go. */
async function drop(from = begin + DAY_MS + KEPT_MS + 1): Promise<void> {
  await tend(from);
  await tend(from + PARTITION_CLOSED_MS);
}

describe('a new partition', () => {
  test('begins when the one before was in use for a while, and keys go on ascending', async () => {
    const { application, keys } = await given.company();
    const accepted: number[] = [];
    for (let day = 0; day < 4; day++) {
      accepted.push(await given.accepted(application.key, keys));
      await tend(begin + day * DAY_MS + DAY_MS / 2);
      accepted.push(await given.accepted(application.key, keys));
      await tend(begin + (day + 1) * DAY_MS);
    }
    expect(accepted.map(partitionOf)).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
    expect(accepted).toEqual(accepted.toSorted((one, other) => one - other));
    for (const table of ['message', 'delivery', 'attempt']) {
      expect(await numbers(table)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    }
  });

  test('does not begin as long as nothing came to the one before, and seldom where little or all is kept', async () => {
    for (let day = 1; day < 5; day++) await tend(begin + day * 400 * DAY_MS);
    const { application, keys } = await given.company();
    expect(partitionOf(await given.accepted(application.key, keys))).toBe(0);
    for (const [days, keepMs] of [
      [20, null],
      [10, 365 * DAY_MS],
      [0.9, 1_000],
    ] as const) {
      await tend(begin + days * DAY_MS, keepMs);
      expect(partitionOf(await given.accepted(application.key, keys))).toBe(0);
    }
    await tend(begin + 30 * DAY_MS, null);
    expect(partitionOf(await given.accepted(application.key, keys))).toBe(1);
  });

  test('is not jumped to from near the end of the one before, and begins by itself', async () => {
    const { application, keys } = await given.company();
    const [last] = [KEYS - 2];
    await database.query(`SELECT setval('posthorn.message_key', ${last})`);
    await tend(begin + 9 * DAY_MS);
    const accepted: number[] = [];
    for (let count = 0; count < 3; count++) accepted.push(await given.accepted(application.key, keys));
    expect(accepted).toEqual([KEYS - 1, KEYS, KEYS + 1]);
    await tend(begin + 10 * DAY_MS);
    await tend(begin + 10.5 * DAY_MS);
    expect(await given.accepted(application.key, keys)).toBe(KEYS + 2);
    await tend(begin + 11 * DAY_MS);
    expect(partitionOf(await given.accepted(application.key, keys))).toBe(2);
  });

  test('leaves what is in old ones where it is found', async () => {
    const { applicationKey, endpointKey, old, young } = await overTheCut({
      state: 'failed',
      reason: 'retries_exhausted',
    });
    const { store } = given;
    const list = await store.messageList({ applicationKey, ...ALL, withPayload: true });
    expect(list.rows.map(({ key }) => key)).toEqual([young, old]);
    expect(await store.messageFind({ applicationKey, ref: 'first' })).toMatchObject({ key: old });
    expect(await store.deliveryFind({ endpointKey, messageKeys: [old, young] })).toHaveLength(2);
    expect((await store.attemptList({ applicationKey, messageKey: old, ...ALL })).rows).toHaveLength(1);
    expect((await store.attemptList({ endpointKey, ...ALL })).rows).toHaveLength(1);
    await store.resendInsert({ messageKey: old, endpointKey, now: begin, limit: 9 });
    const { claimed } = await claimDue(store, {
      endpointKey,
      dueBy: begin + 9 * DAY_MS,
      limit: 9,
      fence: given.fence(),
    });
    expect(claimed.map(({ messageKey }) => messageKey).sort()).toEqual([old, young].sort());
  });
});

describe('an old partition', () => {
  test('is dropped when all in it is too old and has been so for a while, with what names its messages', async () => {
    const { applicationKey, endpointKey, old, young } = await overTheCut();
    const { store } = given;
    await database.query(
      `INSERT INTO posthorn.event_id (application_key, event_id, message_key)
       SELECT ${applicationKey}, 'old ' || key, key FROM generate_series(100, 25000) AS key`,
    );
    await tend(begin + DAY_MS + KEPT_MS);
    await tend(begin + DAY_MS + KEPT_MS + PARTITION_CLOSED_MS);
    expect(await numbers()).toContain(0);
    await tend(begin + DAY_MS + KEPT_MS + 2 * PARTITION_CLOSED_MS);
    expect(await numbers()).not.toContain(0);
    expect(await tables()).toEqual([]);
    expect(await store.messageFind({ applicationKey, ref: 'first' })).toBeNull();
    expect(await store.deliveryFind({ endpointKey, messageKeys: [old, young] })).toMatchObject([
      { messageKey: young },
    ]);
    const list = await store.messageList({ applicationKey, ...ALL, withPayload: true });
    expect(list.rows.map(({ key }) => key)).toEqual([young]);
    const again = await given.accepted(applicationKey, [endpointKey], { message: { eventId: 'first' } });
    expect(again).toBeGreaterThan(young);
    const { rows } = await database.query('SELECT event_id FROM posthorn.event_id ORDER BY 1');
    expect(rows).toEqual([{ event_id: 'first' }, { event_id: 'second' }]);
    const { rows: kept } = await database.query('SELECT number FROM posthorn.partition ORDER BY 1');
    expect(kept.map(({ number }) => Number(number))).not.toContain(0);
  });

  test('is kept where all is kept', async () => {
    await overTheCut();
    await tend(begin + 1_000 * DAY_MS, null);
    await tend(begin + 1_001 * DAY_MS, null);
    expect(await numbers()).toContain(0);
  });

  const failed: Verdict = { state: 'failed', reason: 'retries_exhausted' };
  test.each<[string, Verdict, string | null]>([
    ['is to be tried again', { state: 'pending', nextAttemptAt: Date.UTC(2090, 0) }, null],
    ['failed and stands before others', failed, 'line'],
  ])('is kept as long as something of it %s', async (_, verdict, orderKey) => {
    const { endpointKey, old } = await overTheCut(verdict, orderKey);
    await drop();
    expect(await numbers()).toContain(0);
    await given.store.deliveryCancel({
      ...{ deliveries: [{ messageKey: old, endpointKey }], reason: 'cancelled', failedToo: true, now: begin },
    });
    await drop();
    expect(await numbers()).not.toContain(0);
  });

  test('is kept as long as something of it is held, under way, or to be sent once more', async () => {
    const { applicationKey, endpointKey, old } = await overTheCut();
    const change = (sql: string) => database.query(sql);
    const kept = async () => {
      await drop();
      return (await numbers()).includes(0);
    };
    for (const state of [0, 1, 4]) {
      await change(
        `UPDATE posthorn.delivery SET state = ${state}, next_attempt_at = NULL WHERE message_key = ${old}`,
      );
      expect([state, await kept()]).toEqual([state, true]);
    }
    await change(`UPDATE posthorn.delivery SET state = 2 WHERE message_key = ${old}`);
    await given.store.resendInsert({ messageKey: old, endpointKey, now: begin, limit: 9 });
    expect(await kept()).toBe(true);
    await change('DELETE FROM posthorn.resend');
    expect(await kept()).toBe(false);
    expect(await given.store.messageFind({ applicationKey, ref: 'first' })).toBeNull();
  });

  test('is counted anew from when something of it was open again', async () => {
    const { endpointKey, old } = await overTheCut();
    const closed = begin + DAY_MS + KEPT_MS + 1;
    await tend(closed);
    await given.store.resendInsert({ messageKey: old, endpointKey, now: begin, limit: 9 });
    await tend(closed + 1);
    await database.query('DELETE FROM posthorn.resend');
    await tend(closed + PARTITION_CLOSED_MS);
    expect(await numbers()).toContain(0);
    await tend(closed + 2 * PARTITION_CLOSED_MS);
    expect(await numbers()).not.toContain(0);
  });

  test('takes attempts with it that end after it, and holds up no others', async () => {
    const { endpointKey, old, young } = await overTheCut();
    const fence = given.fence();
    const late = { ...given.lease(old, endpointKey, fence), applicationKey: 1 };
    await drop();
    const { claimed } = await claimDue(given.store, {
      endpointKey,
      dueBy: begin + 9 * DAY_MS,
      limit: 9,
      fence,
    });
    const results = [late, ...claimed, late].map((lease) => given.result(lease, DONE));
    expect(await given.record({ results, now: begin })).toEqual([false, true, false]);
    const special = results.map((result) => ({ ...result, again: true }));
    expect(await given.record({ results: special, now: begin })).toEqual([false, false, false]);
    const { rows } = await given.store.attemptList({ endpointKey, ...ALL });
    expect(rows.map(({ messageKey }) => messageKey)).toEqual([young]);
  });

  test('is put back when something of it turned out to be open in the last moment', async () => {
    const { applicationKey, endpointKey, old } = await overTheCut();
    await given.store.resendInsert({ messageKey: old, endpointKey, now: begin, limit: 9 });
    await database.query('UPDATE posthorn.partition SET ending = 1 WHERE number = 0');
    await tend(begin + 2 * DAY_MS);
    for (const table of ['message', 'delivery', 'attempt']) expect(await numbers(table)).toContain(0);
    expect(await given.store.messageFind({ applicationKey, ref: 'first' })).toMatchObject({ key: old });
    const lease = await given.resendLeased(old, endpointKey);
    await given.store.deliveryRecord({ results: [given.result(lease, DONE)], now: begin });
    await drop();
    expect(await numbers()).not.toContain(0);
  });
});

describe('dropping', () => {
  test('goes on around what is being written and read, which all succeeds and waits for nothing', async () => {
    const { applicationKey, endpointKey, young } = await overTheCut();
    await tend(begin + DAY_MS + KEPT_MS + 1);
    let done = false;
    let slowest = 0;
    const accepted: number[] = [];
    const timed = async (work: () => Promise<unknown>) => {
      const from = performance.now();
      await work();
      slowest = Math.max(slowest, performance.now() - from);
    };
    const writing = Array.from({ length: 4 }, async () => {
      while (!done) {
        await timed(async () => accepted.push(await given.accepted(applicationKey, [endpointKey])));
      }
    });
    const reading = Array.from({ length: 2 }, async () => {
      while (!done) {
        await timed(() => given.store.messageList({ applicationKey, ...ALL, withPayload: true }));
        await timed(() => given.store.deliveryFind({ endpointKey, messageKeys: [young] }));
      }
    });
    await expect.poll(() => accepted.length).toBeGreaterThan(20);
    const tender = await open();
    await tend(begin + DAY_MS + KEPT_MS + 1 + PARTITION_CLOSED_MS, KEPT_MS, tender);
    done = true;
    await Promise.all([...writing, ...reading]);
    expect(await numbers()).not.toContain(0);
    expect(new Set(accepted).size).toBe(accepted.length);
    expect(await given.store.deliveryFind({ endpointKey, messageKeys: accepted })).toHaveLength(
      accepted.length,
    );
    expect(slowest).toBeLessThan(2_000);
  });

  test('that has to wait for somebody too long is left half done, and goes on later', async () => {
    const { applicationKey, endpointKey } = await overTheCut();
    await tend(begin + DAY_MS + KEPT_MS + 1);
    const reader = new pg.Client({ connectionString: database.url });
    await reader.connect();
    await reader.query('BEGIN; SELECT count(*) FROM posthorn.delivery');
    const later = begin + DAY_MS + KEPT_MS + 1 + PARTITION_CLOSED_MS;
    const impatient = await open('?options=-c%20statement_timeout%3D300');
    await tend(later, KEPT_MS, impatient);
    expect(await tables()).toEqual(['attempt_0', 'delivery_0', 'message_0']);
    // Nobody waits behind that.
    await given.accepted(applicationKey, [endpointKey]);
    expect((await reader.query('SELECT count(*)::int AS n FROM posthorn.delivery')).rows).toHaveLength(1);
    await tend(later + 1, KEPT_MS, impatient);
    await given.accepted(applicationKey, [endpointKey]);
    await reader.query('COMMIT');
    await reader.end();
    // Whatever is kept by then.
    await tend(later + 2, null, impatient);
    expect(await tables()).toEqual([]);
    expect(await numbers()).not.toContain(0);
  });

  test('of several at once is left where somebody is waited for, and nothing of it is found by then', async () => {
    const { applicationKey, endpointKey, old, young } = await overTheCut();
    for (const day of [2, 3]) {
      await given.accepted(applicationKey, [endpointKey]);
      await tend(begin + day * DAY_MS);
    }
    await database.query(`UPDATE posthorn.delivery SET state = 2, next_attempt_at = NULL`);
    const later = begin + 9 * DAY_MS;
    await tend(later);
    const reader = new pg.Client({ connectionString: database.url });
    await reader.connect();
    await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM posthorn.message');
    const impatient = await open('?options=-c%20statement_timeout%3D300');
    for (const again of [0, 1]) {
      await tend(later + PARTITION_CLOSED_MS + again, KEPT_MS, impatient);
      for (const table of ['message', 'delivery', 'attempt']) {
        expect((await numbers(table)).slice(0, 3)).toEqual([1, 2, 3]);
      }
      expect(await given.store.messageFind({ applicationKey, ref: 'first' })).toBeNull();
      const found = await given.store.deliveryFind({ endpointKey, messageKeys: [old, young] });
      expect(found.map(({ messageKey }) => messageKey)).toEqual([young]);
    }
    await reader.query('COMMIT');
    await reader.end();
    await tend(later + PARTITION_CLOSED_MS + 2, KEPT_MS, impatient);
    for (const table of ['message', 'delivery', 'attempt']) expect((await numbers(table))[0]).toBe(3);
    expect(await tables()).toEqual([]);
  });

  test('and all else is done by one process when several are at it', async () => {
    const { application, keys } = await given.company();
    const stores = await Promise.all(Array.from({ length: 5 }, () => open()));
    const together = (now: number) => Promise.all(stores.map((store) => tend(now, KEPT_MS, store)));
    const fence = given.fence();
    for (let day = 1; day < 8; day++) {
      const messageKey = await given.accepted(application.key, keys, { state: 'sending', fence });
      const results = [given.result(given.lease(messageKey, keys[0], fence), DONE)];
      await given.store.deliveryRecord({ results, now: begin });
      await together(begin + day * DAY_MS);
      await together(begin + day * DAY_MS + PARTITION_CLOSED_MS);
    }
    expect(partitionOf(await given.accepted(application.key, keys))).toBe(7);
    expect(await numbers()).toEqual([4, 5, 6, 7, 8, 9]);
    expect(
      (await given.store.messageList({ applicationKey: application.key, ...ALL, withPayload: false })).rows,
    ).toHaveLength(4);
  });
});
