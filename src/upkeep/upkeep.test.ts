import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import {
  ENDED_KEY_KEPT_MS,
  EXPUNGE_DELIVERIES,
  IDEMPOTENCY_KEPT_MS,
  PAYLOAD_KEPT_MS,
  TASK_KEPT_MS,
} from '../limits.ts';
import type { Task } from '../model/task.ts';
import { StoreError } from '../store/store.ts';
import { Upkeep, type UpkeepOptions } from './upkeep.ts';

/** Upkeep over a store that has nothing to do but what a test gives it. */
function upkeeping(store: Partial<UpkeepOptions['store']>) {
  const clock = new ManualClock();
  const stored: number[] = [];
  const dropped: unknown[] = [];
  const upkeep = new Upkeep({
    store: {
      deliveryWithdraw: async () => 0,
      deliveryOrphans: async () => [],
      deliveryExpire: async () => ({ messages: 0, more: false, ...NOTHING }),
      deliveryCancel: async () => ({ cancelled: [], ...NOTHING }),
      taskListRunning: async () => [],
      taskStep: async () => null,
      taskPurge: async () => 0,
      announcementList: async () => [],
      announcementDelete: async () => {},
      attemptFind: async () => null,
      messageFind: async () => null,
      applicationFindByKey: async () => null,
      messageListExpired: async () => [],
      messageExpunge: async ({ messages }) => ({ expunged: messages.length, ...NOTHING }),
      idempotencyPurge: async () => 0,
      keyPurge: async () => 0,
      storeTend: async () => ({ more: false }),
      tallyRoll: async () => 0,
      tallyPurge: async () => 0,
      sessionPurge: async () => 0,
      ...store,
    },
    clock,
    keepMs: 5,
    stored: (endpointKey) => stored.push(endpointKey),
    dropped: (leases) => dropped.push(...leases),
    publish: async () => {},
    log: { warn: () => {} },
  });
  return { upkeep, clock, stored, dropped };
}

const NOTHING = { dropped: [], stored: [] };
const refusal = () => Promise.reject(new StoreError('unavailable', 'Not now.'));

describe('upkeep', () => {
  it('withdraws in steps until nothing is left, of one endpoint after another, and again when it is asked again', async () => {
    const left = new Map([
      [1, 1_200],
      [2, 3],
    ]);
    const { upkeep, clock } = upkeeping({
      deliveryWithdraw: async ({ endpointKey, limit }) => {
        const taken = Math.min(limit, left.get(endpointKey) ?? 0);
        left.set(endpointKey, (left.get(endpointKey) ?? 0) - taken);
        return taken;
      },
    });
    for (const endpointKey of [1, 2]) upkeep.withdraw(endpointKey);
    await clock.settle();
    expect([...left.values()]).toEqual([0, 0]);
    left.set(2, 7);
    upkeep.withdraw(2);
    await clock.settle();
    expect(left.get(2)).toBe(0);
  });

  it('goes on with what the store refused', async () => {
    let refusals = 2;
    let withdrawn = false;
    const { upkeep, clock } = upkeeping({
      deliveryWithdraw: async () => {
        if (refusals-- > 0) return refusal();
        withdrawn = true;
        return 0;
      },
    });
    upkeep.withdraw(1);
    await clock.advance(10_000);
    expect(withdrawn).toBe(true);
  });

  it('withdraws at its start what is held for endpoints that were deleted', async () => {
    const withdrawn: number[] = [];
    const { upkeep, clock } = upkeeping({
      deliveryOrphans: async () => [3, 5],
      deliveryWithdraw: async ({ endpointKey }) => {
        withdrawn.push(endpointKey);
        return 1;
      },
    });
    await upkeep.start();
    await clock.settle();
    expect(withdrawn).toEqual([3, 5]);
    upkeep.stop();
  });

  it('expunges payloads within a minute of their time, and tells which deliveries are dropped', async () => {
    const until = new Map(Array.from({ length: 130 }, (_, key) => [key, 90_000]));
    until.set(500, 10 * 60_000);
    const expunged: number[] = [];
    const start = Date.UTC(2026, 0, 1);
    const { upkeep, clock, dropped, stored } = upkeeping({
      messageListExpired: async ({ now, keptSince, limit }) => {
        expect(keptSince).toBe(now - PAYLOAD_KEPT_MS);
        const due = [...until].filter(([, at]) => start + at <= now).map(([key]) => key);
        return due.slice(0, limit).map((messageKey) => ({ applicationKey: 1, messageKey }));
      },
      // Some have so many deliveries that a step does not get further than to the 20th.
      messageExpunge: async ({ messages, now, scan }) => {
        expect([scan, now]).toEqual([EXPUNGE_DELIVERIES, clock.now()]);
        const done = messages.slice(0, 20).map(({ messageKey }) => messageKey);
        for (const key of done) until.delete(key);
        expunged.push(...done);
        const leased = done.map((messageKey) => ({ messageKey, endpointKey: 1, fence: 7, resendKey: null }));
        return { expunged: done.length, dropped: leased, stored: [{ endpointKey: 7, dueAt: 5 }] };
      },
    });
    await upkeep.start();
    await clock.advance(80_000);
    expect(expunged).toEqual([]);
    await clock.advance(70_000);
    expect(expunged).toHaveLength(130);
    expect(dropped).toHaveLength(130);
    // What waited behind it in an order goes on.
    expect(dropped[0]).toEqual({ messageKey: 0, endpointKey: 1, fence: 7, resendKey: null });
    expect(new Set(stored)).toEqual(new Set([7]));
    upkeep.stop();
  });

  it('deletes what ended long ago, whatever else fails', async () => {
    const purged: Record<string, number> = {};
    const { upkeep, clock } = upkeeping({
      messageListExpired: refusal,
      idempotencyPurge: async ({ before, limit }) => {
        purged.answers ??= clock.now() - before;
        // A full step, and then the rest.
        return purged.answers++ === IDEMPOTENCY_KEPT_MS ? limit : 0;
      },
      keyPurge: async ({ before }) => {
        purged.keys = clock.now() - before;
        return 0;
      },
      taskPurge: async ({ before }) => {
        purged.tasks = clock.now() - before;
        return 0;
      },
    });
    await upkeep.start();
    await clock.advance(61_000);
    expect(purged).toEqual({
      answers: IDEMPOTENCY_KEPT_MS + 2,
      keys: ENDED_KEY_KEPT_MS,
      tasks: TASK_KEPT_MS,
    });
    upkeep.stop();
  });

  it('does what one process does for all only while it leads', async () => {
    const calls: string[] = [];
    const running = ['qtask_1'];
    const { upkeep, clock } = upkeeping({
      taskListRunning: async () =>
        running.map((id) => ({ id, kind: 'release', applicationKey: 1, targetKey: 1, rate: 100 }) as Task),
      taskStep: async ({ id }) => {
        calls.push(id);
        return null;
      },
      deliveryExpire: async () => {
        calls.push('expiry');
        return { messages: 0, more: false, ...NOTHING };
      },
      announcementList: async () => {
        calls.push('announcements');
        return [];
      },
      storeTend: async ({ keepMs }) => {
        calls.push(`tend ${keepMs}`);
        return { more: false };
      },
      deliveryCancel: async () => {
        calls.push('cancel');
        return { cancelled: [], ...NOTHING };
      },
      deliveryWithdraw: async () => {
        calls.push('withdraw');
        return 0;
      },
    });
    const callsIn = async (ms: number) => {
      calls.length = 0;
      await clock.advance(ms);
      return new Set(calls);
    };
    const begin = (id: string) =>
      upkeep.task({ id, kind: 'release', applicationKey: 1, targetKey: 1, rate: 100 });
    begin('qtask_2');
    upkeep.announced();
    upkeep.expired([{ messageKey: 1, endpointKey: 1 }]);
    upkeep.withdraw(1);
    // What comes of its own doings it does all the same.
    expect(await callsIn(120_000)).toEqual(new Set(['cancel', 'withdraw']));
    await upkeep.start();
    expect(await callsIn(60_000)).toEqual(new Set(['qtask_1', 'expiry', 'announcements', 'tend 5']));
    begin('qtask_2');
    running.splice(0, 1, 'qtask_3');
    await upkeep.look();
    expect(await callsIn(1_000)).toEqual(new Set(['qtask_2', 'qtask_3', 'announcements']));
    upkeep.rest();
    begin('qtask_4');
    await upkeep.look();
    expect(await callsIn(120_000)).toEqual(new Set());
    await upkeep.start();
    expect(await callsIn(1_000)).toEqual(new Set(['qtask_3', 'expiry', 'announcements']));
    upkeep.stop();
    await upkeep.start();
    expect(await callsIn(120_000)).toEqual(new Set());
  });

  it('makes hours of minutes that are some hours old, and forgets hours after their time, in steps', async () => {
    const left = { roll: 1_100, purge: 700 };
    const asked = new Set<string>();
    const step = (what: 'roll' | 'purge') => async (params: { before: number; limit: number }) => {
      asked.add(`${what} before ${new Date(params.before).toISOString()}`);
      const taken = Math.min(params.limit, left[what]);
      left[what] -= taken;
      return taken;
    };
    const { upkeep, clock } = upkeeping({ tallyRoll: step('roll'), tallyPurge: step('purge') });
    clock.jumpWall(Date.UTC(2026, 0, 31, 9, 20) - clock.now());
    await upkeep.start();
    await clock.advance(60_000);
    expect(left).toEqual({ roll: 0, purge: 0 });
    expect([...asked]).toEqual([
      'roll before 2026-01-31T03:00:00.000Z',
      'purge before 2025-11-02T09:21:00.000Z',
    ]);
    upkeep.stop();
  });

  it('begins to lead when the store lets it', async () => {
    let refusals = 1;
    const withdrawn: number[] = [];
    const { upkeep, clock } = upkeeping({
      deliveryOrphans: async () => (refusals-- > 0 ? refusal() : [3]),
      deliveryWithdraw: async ({ endpointKey }) => {
        withdrawn.push(endpointKey);
        return 0;
      },
    });
    await expect(upkeep.start()).rejects.toThrow('Not now.');
    await upkeep.start();
    await clock.settle();
    expect(withdrawn).toEqual([3]);
    upkeep.stop();
  });
});
