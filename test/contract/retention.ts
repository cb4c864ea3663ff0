import { expect } from 'vitest';
import { PARTITION_CLOSED_MS, RETENTION_LOOK_AGAIN_MS } from '../../src/limits.ts';
import type { Verdict } from '../../src/model/delivery.ts';
import { ALL, type ContractTest, claimDue, type Given } from './world.ts';

const DAY_MS = 86_400_000;
const KEEP_MS = 2 * DAY_MS;
const DONE: Verdict = { state: 'succeeded' };
const FAILED: Verdict = { state: 'failed', reason: 'retries_exhausted' };

export function retentionContract(test: ContractTest): void {
  forgets(test);
  keeps(test);
}

function forgets(test: ContractTest): void {
  test('forgets messages that are too old with all that hangs on them, and nothing younger', async (given) => {
    const { applicationKey, endpointKey, old, young, forget } = await overTime(given, DONE);
    await forget();
    const { store } = given;
    expect(await store.messageFind({ applicationKey, ref: 'old' })).toBeNull();
    expect(await store.messageFind({ applicationKey, ref: 'young' })).toMatchObject({ key: young });
    const { rows } = await store.messageList({ applicationKey, ...ALL, withPayload: true });
    expect(rows.map(({ key }) => key)).toEqual([young]);
    const found = await store.deliveryFind({ endpointKey, messageKeys: [old, young] });
    expect(found.map(({ messageKey }) => messageKey)).toEqual([young]);
    expect((await store.attemptList({ endpointKey, ...ALL })).rows).toEqual([]);
    expect((await store.attemptList({ applicationKey, messageKey: old, ...ALL })).rows).toEqual([]);
    // Its event id is free; its key is not.
    const again = await given.accepted(applicationKey, [endpointKey], { message: { eventId: 'old' } });
    expect(again).toBeGreaterThan(young);
  });

  test('never gives the key of a message again, also when none is left', async (given) => {
    const { applicationKey, endpointKey, young, forget, end } = await overTime(given, DONE);
    await end(young);
    await forget(3 * DAY_MS);
    const { rows } = await given.store.messageList({ applicationKey, ...ALL, withPayload: false });
    // Where a partition goes at a time, the one that is in use stays.
    expect(rows.length).toBeLessThanOrEqual(1);
    await given.reopen();
    expect(await given.accepted(applicationKey, [endpointKey])).toBeGreaterThan(young);
  });

  test('goes on in small steps, through messages to many endpoints, and leaves the others whole', async (given) => {
    const { application, keys } = await given.company(23);
    const wide: number[] = [];
    const before = async (begin: number) => {
      for (let count = 0; count < 5; count++) {
        const fence = given.fence();
        const options = { message: { createdAt: begin }, now: begin, state: 'sending' as const, fence };
        const messageKey = await given.accepted(application.key, keys, options);
        const results = keys.map((key) => given.result(given.lease(messageKey, key, fence), DONE));
        await given.record({ results, now: begin });
        wide.push(messageKey);
      }
    };
    const { applicationKey, endpointKey, young, forget } = await overTime(given, DONE, { before });
    for (const rows of [1, 4, 30]) await forget(0, rows);
    const listed = await given.store.messageList({
      applicationKey: application.key,
      ...ALL,
      withPayload: false,
    });
    expect(listed.rows).toEqual([]);
    for (const key of keys) {
      expect(await given.store.deliveryFind({ endpointKey: key, messageKeys: wide })).toEqual([]);
      expect((await given.store.attemptList({ endpointKey: key, ...ALL })).rows).toEqual([]);
    }
    expect(await given.store.messageFind({ applicationKey, ref: 'young' })).toMatchObject({ payload: '{}' });
    expect(await given.deliveryOf({ messageKey: young, endpointKey })).toMatchObject({ state: 'pending' });
  });

  test('takes attempts with it that end after their message is gone, and holds up no others', async (given) => {
    const { endpointKey, old, forget, begin } = await overTime(given, DONE);
    await forget();
    const fence = given.fence();
    const due = { endpointKey, dueBy: begin + 30 * DAY_MS, limit: 9, fence };
    const { claimed } = await claimDue(given.store, due);
    const late = given.lease(old, endpointKey, fence);
    const results = [late, ...claimed, late].map((lease) => given.result(lease, DONE));
    expect(await given.record({ results, now: begin })).toEqual([false, true, false]);
    const { rows } = await given.store.attemptList({ endpointKey, ...ALL });
    expect(rows.map(({ id }) => id)).toEqual([results[1]?.attempt.id]);
    const again = await given.store.attemptList({ ...given.ref(old), ...ALL });
    expect(again.rows).toEqual([]);
  });
}

function keeps(test: ContractTest): void {
  test('forgets nothing where messages are kept for good', async (given) => {
    const { applicationKey, old, young, begin } = await overTime(given, DONE);
    for (const days of [9, 10, 900]) await tendAll(given, begin + days * DAY_MS, { keepMs: null });
    const { rows } = await given.store.messageList({ applicationKey, ...ALL, withPayload: true });
    expect(rows.map(({ key }) => key)).toEqual([young, old]);
  });

  const later: Verdict = { state: 'pending', nextAttemptAt: Date.UTC(2090, 0) };
  const open: [string, Verdict, { orderKey?: string; resend?: true; keepLease?: true; held?: true }][] = [
    ['is to be tried again', later, {}],
    ['is under way', later, { keepLease: true }],
    ['is held', DONE, { held: true }],
    ['failed and stands before others', FAILED, { orderKey: 'line' }],
    ['is to be sent once more', DONE, { resend: true }],
  ];
  for (const [what, verdict, how] of open) {
    test(`keeps a message for as long as something of it ${what}`, async (given) => {
      const { applicationKey, endpointKey, old, forget } = await overTime(given, verdict, how);
      const isKept = async () =>
        (await given.store.messageFind({ applicationKey, ref: 'old' }))?.payload === '{}';
      await forget();
      expect(await isKept()).toBe(true);
      expect(await given.deliveryOf({ messageKey: old, endpointKey })).toBeDefined();
      const deliveries = [{ messageKey: old, endpointKey }];
      await given.store.deliveryCancel({ deliveries, reason: 'cancelled', failedToo: true, now: 0 });
      await given.store.messageExpunge({ messages: [given.ref(old)], now: 0 });
      await forget(DAY_MS);
      expect(await given.store.messageFind({ applicationKey, ref: 'old' })).toBeNull();
    });
  }
}

interface How {
  readonly orderKey?: string;
  readonly resend?: true;
  readonly keepLease?: true;
  readonly held?: true;
  /** What else is as old as that. */
  before?(begin: number): Promise<void>;
}

/**
 * An old message whose delivery is as `verdict` says, and one two days younger that is pending. (PostgreSQL's first partition begins
 * when the test does.)
 */
async function overTime(given: Given, verdict: Verdict, how: How = {}) {
  const begin = Date.now();
  const { application, keys } = await given.company();
  const [endpointKey] = keys;
  await how.before?.(begin);
  const orderKey = how.orderKey ?? null;
  const message = { createdAt: begin, eventId: 'old' };
  const state = how.held === true ? 'held' : 'pending';
  const old = await given.accepted(application.key, keys, { orderKey, message, now: begin, state });
  const end = async (messageKey: number, result: Verdict = DONE) => {
    const due = { endpointKey, dueBy: begin + 30 * DAY_MS, limit: 1, fence: given.fence() };
    for (const lease of (await claimDue(given.store, due)).claimed) {
      expect(lease.messageKey).toBe(messageKey);
      const keepLease = how.keepLease === true;
      const results = [{ ...given.result(lease, result), keepLease }];
      await given.store.deliveryRecord({ results, now: begin });
    }
  };
  await end(old, verdict);
  const resend = { messageKey: old, endpointKey, now: begin, limit: 9 };
  if (how.resend === true) await given.store.resendInsert(resend);
  await tendAll(given, begin + DAY_MS);
  const youngMessage = { createdAt: begin + 2 * DAY_MS, eventId: 'young' };
  const young = await given.accepted(application.key, keys, { message: youngMessage });
  const { key: applicationKey } = application;
  return {
    ...{ applicationKey, endpointKey, old, young, begin, end },
    /** Until nothing more goes, some time after the old one's time is over. */
    forget: (after = 0, rows = 1_000) => forgetting(given, begin + DAY_MS + KEEP_MS + 1 + after, rows),
  };
}

/** What was found open is looked at again in an hour; what is closed, in ten minutes. */
async function forgetting(given: Given, from: number, rows: number): Promise<void> {
  for (const round of [0, RETENTION_LOOK_AGAIN_MS]) {
    for (const closed of [0, PARTITION_CLOSED_MS]) await tendAll(given, from + round + closed, { rows });
  }
}

async function tendAll(
  given: Given,
  now: number,
  { keepMs = KEEP_MS, rows = 1_000 }: { keepMs?: number | null; rows?: number } = {},
): Promise<void> {
  for (let more = true; more; ) ({ more } = await given.store.storeTend({ now, keepMs, rows }));
}
