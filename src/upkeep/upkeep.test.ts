import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import { ENDED_KEY_KEPT_MS, IDEMPOTENCY_KEPT_MS, PAYLOAD_KEPT_MS } from '../limits.ts';
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
      recoveryList: async () => [],
      recoveryStep: async () => null,
      messageListExpired: async () => [],
      messageExpunge: async () => [],
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
  return { id, endpointKey: 1, recovered: 0, finished: false, updatedAt: 0, ...fields };
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
      messageExpunge: async ({ messageKeys }) => {
        for (const key of messageKeys) until.delete(key);
        expunged.push(...messageKeys);
        return messageKeys.map((messageKey) => ({ messageKey, endpointKey: 1 }));
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
    });
    await upkeep.start();
    await clock.advance(61_000);
    expect(purged).toEqual({ answers: IDEMPOTENCY_KEPT_MS + 2, keys: ENDED_KEY_KEPT_MS });
    upkeep.stop();
  });
});
