import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import {
  ENDED_KEY_KEPT_MS,
  EXPUNGE_DELIVERIES,
  IDEMPOTENCY_KEPT_MS,
  PAYLOAD_KEPT_MS,
  RECOVERY_KEPT_MS,
} from '../limits.ts';
import { type Recovery, StoreError } from '../store/store.ts';
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
      recoveryList: async () => [],
      recoveryStep: async () => null,
      recoveryPurge: async () => 0,
      messageListExpired: async () => [],
      messageExpunge: async ({ messageKeys }) => ({ expunged: messageKeys.length, leased: [] }),
      idempotencyPurge: async () => 0,
      keyPurge: async () => 0,
      ...store,
    },
    clock,
    stored: (endpointKey) => stored.push(endpointKey),
    dropped: (deliveries) => dropped.push(...deliveries),
    log: { warn: () => {} },
  });
  return { upkeep, clock, stored, dropped };
}

function recovery(id: string, fields: Partial<Recovery> = {}): Recovery {
  return { id, applicationKey: 1, endpointKey: 1, recovered: 0, finished: false, updatedAt: 0, ...fields };
}

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
    let stepped = false;
    const { upkeep, clock } = upkeeping({
      deliveryWithdraw: async () => {
        if (refusals-- > 0) return refusal();
        withdrawn = true;
        return 0;
      },
      recoveryStep: async ({ id }) => {
        if (refusals > 0) return refusal();
        stepped = true;
        return recovery(id, { finished: true });
      },
    });
    upkeep.withdraw(1);
    upkeep.recover(recovery('qtask_1'));
    await clock.advance(10_000);
    expect([withdrawn, stepped]).toEqual([true, true]);
  });

  it('takes up at its start the recoveries that the last run left, and goes on with each in turn', async () => {
    const steps: string[] = [];
    const { upkeep, clock, stored } = upkeeping({
      recoveryList: async () => [
        recovery('qtask_a', { recovered: 10 }),
        recovery('qtask_b', { endpointKey: 2 }),
      ],
      recoveryStep: async ({ id }) => {
        steps.push(id);
        const count = steps.filter((each) => each === id).length;
        // The first finds nothing more; the second finds something once.
        if (id === 'qtask_a') return recovery(id, { recovered: 10, finished: count === 3 });
        return recovery(id, { endpointKey: 2, recovered: 5, finished: count === 2 });
      },
    });
    await upkeep.start();
    await clock.settle();
    expect(steps).toEqual(['qtask_a', 'qtask_b', 'qtask_a', 'qtask_b', 'qtask_a']);
    expect(stored).toEqual([2]);
    upkeep.stop();
  });

  it('takes turns over applications, however many recoveries one of them has', async () => {
    const steps: string[] = [];
    const left = new Map<string, number>();
    const { upkeep, clock } = upkeeping({
      recoveryStep: async ({ id }) => {
        steps.push(id);
        left.set(id, (left.get(id) ?? 2) - 1);
        const applicationKey = id.startsWith('busy') ? 1 : 2;
        return recovery(id, { applicationKey, finished: left.get(id) === 0 });
      },
    });
    for (const id of ['busy_1', 'busy_2', 'busy_3']) upkeep.recover(recovery(id));
    upkeep.recover(recovery('other', { applicationKey: 2 }));
    await clock.settle();
    expect(steps.slice(0, 4)).toEqual(['busy_1', 'other', 'busy_2', 'other']);
    expect(steps.toSorted()).toEqual([
      ...['busy_1', 'busy_1', 'busy_2', 'busy_2', 'busy_3', 'busy_3', 'other', 'other'],
    ]);
  });

  it('lays a recovery aside while its endpoint is disabled, and goes on when that is enabled', async () => {
    const disabled = new Set([1, 2]);
    const steps: string[] = [];
    const { upkeep, clock } = upkeeping({
      recoveryList: async () => [recovery('left', { endpointKey: 1 })],
      recoveryStep: async ({ id }) => {
        steps.push(id);
        const endpointKey = id === 'left' ? 1 : 2;
        return disabled.has(endpointKey) ? 'waits' : recovery(id, { endpointKey, finished: true });
      },
    });
    await upkeep.start();
    upkeep.recover(recovery('begun', { endpointKey: 2 }));
    await clock.advance(30_000);
    expect(steps).toEqual(['left', 'begun']);
    disabled.delete(1);
    upkeep.endpointChanged(1);
    await clock.settle();
    expect(steps).toEqual(['left', 'begun', 'left']);
    // One whose endpoint was enabled without a word is found by the next round.
    disabled.delete(2);
    await clock.advance(60_000);
    expect(steps).toEqual(['left', 'begun', 'left', 'begun']);
    await clock.advance(120_000);
    expect(steps).toHaveLength(4);
    upkeep.stop();
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

  it('stops between two steps', async () => {
    let steps = 0;
    const { upkeep, clock } = upkeeping({
      recoveryStep: async ({ id }) => {
        if (++steps === 3) upkeep.stop();
        return recovery(id);
      },
    });
    upkeep.recover(recovery('qtask_1'));
    await clock.advance(60_000);
    expect(steps).toBe(3);
  });

  it('expunges payloads within a minute of their time, and tells which deliveries are dropped', async () => {
    const until = new Map(Array.from({ length: 130 }, (_, key) => [key, 90_000]));
    until.set(500, 10 * 60_000);
    const expunged: number[] = [];
    const start = Date.UTC(2026, 0, 1);
    const { upkeep, clock, dropped } = upkeeping({
      messageListExpired: async ({ now, keptSince, limit }) => {
        expect(keptSince).toBe(now - PAYLOAD_KEPT_MS);
        const due = [...until].filter(([, at]) => start + at <= now).map(([key]) => key);
        return due.slice(0, limit);
      },
      // Some have so many deliveries that a step does not get further than to the 20th.
      messageExpunge: async ({ messageKeys, scan }) => {
        expect(scan).toBe(EXPUNGE_DELIVERIES);
        const done = messageKeys.slice(0, 20);
        for (const key of done) until.delete(key);
        expunged.push(...done);
        const leased = done.map((messageKey) => ({ messageKey, endpointKey: 1 }));
        return { expunged: done.length, leased };
      },
    });
    await upkeep.start();
    await clock.advance(80_000);
    expect(expunged).toEqual([]);
    await clock.advance(70_000);
    expect(expunged).toHaveLength(130);
    expect(dropped).toHaveLength(130);
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
      recoveryPurge: async ({ before }) => {
        purged.recoveries = clock.now() - before;
        return 0;
      },
    });
    await upkeep.start();
    await clock.advance(61_000);
    expect(purged).toEqual({
      answers: IDEMPOTENCY_KEPT_MS + 2,
      keys: ENDED_KEY_KEPT_MS,
      recoveries: RECOVERY_KEPT_MS,
    });
    upkeep.stop();
  });
});
