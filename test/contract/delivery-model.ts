import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Delivery, DeliveryState, Verdict } from '../../src/model/delivery.ts';
import type { Lease } from '../../src/model/lease.ts';
import { claimDue, Given, NOW, type OpenWorld } from './world.ts';

const ENDPOINTS = 3;
const RUNS = 40;
const COMMANDS = 40;

interface Row extends Delivery {
  fence: number;
}
/** What a store should hold: as simple as it can be. */
interface Model {
  rows: Row[];
  /** Every lease that ever was, good or stale. */
  leases: Lease[];
}
interface Real {
  given: Given;
  applicationKey: number;
  keys: readonly number[];
}
type Command = fc.AsyncCommand<Model, Real>;

/** Random calls in random order: after each the store shows what the model says. */
export function deliveryModelContract(open: OpenWorld): void {
  test('behaves as the model does', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.commands(COMMANDS_OF_ALL_KINDS, { maxCommands: COMMANDS }), async (commands) => {
        const world = await open();
        try {
          const given = new Given(world);
          const { application, keys } = await given.company(ENDPOINTS);
          const real = { given, applicationKey: application.key, keys };
          await fc.asyncModelRun(() => ({ model: { rows: [], leases: [] }, real }), commands);
        } finally {
          await world.dispose();
        }
      }),
      { numRuns: RUNS },
    );
  });
}

const endpointIndex = fc.nat({ max: ENDPOINTS - 1 });
const moment = fc.integer({ min: 0, max: 5 }).map((offset) => NOW + offset);
const verdict: fc.Arbitrary<Verdict> = fc.oneof(
  fc.constant({ state: 'succeeded' as const }),
  fc.constant({ state: 'failed' as const, reason: 'retries_exhausted' as const }),
  moment.map((nextAttemptAt) => ({ state: 'pending' as const, nextAttemptAt })),
);

const COMMANDS_OF_ALL_KINDS: fc.Arbitrary<Command>[] = [
  fc
    .tuple(
      fc.uniqueArray(endpointIndex, { minLength: 1 }),
      fc.constantFrom('pending' as const, 'sending' as const, 'held' as const),
      moment,
    )
    .map(([endpoints, state, now]) => accept(endpoints, state, now)),
  fc.tuple(endpointIndex, moment, fc.nat({ max: 3 })).map((params) => claim(...params)),
  fc.array(fc.tuple(fc.nat(), verdict, fc.boolean()), { minLength: 1, maxLength: 3 }).map(record),
  fc.nat().map(release),
  fc.tuple(endpointIndex, fc.nat({ max: 3 })).map((params) => cancel(...params)),
  fc.constant(reopen()),
];

function accept(endpoints: readonly number[], state: 'pending' | 'sending' | 'held', now: number): Command {
  return command(`accept(${endpoints}, ${state}, +${now - NOW})`, async (model, real) => {
    const keys = endpoints.map((index) => real.keys[index] as number);
    const given = real.given;
    const fence = given.fence();
    const messageKey = await given.accepted(real.applicationKey, keys, { state, now, fence });
    for (const endpointKey of keys) {
      const held = state === 'held';
      const place = { messageKey, endpointKey };
      if (state === 'sending') model.leases.push({ ...place, fence });
      const due = { nextAttemptAt: held ? null : now, fence: state === 'sending' ? fence : 0 };
      model.rows.push({
        ...place,
        state,
        attemptCount: 0,
        reason: held ? 'endpoint_disabled' : null,
        ...due,
      });
    }
  });
}

function claim(index: number, dueBy: number, limit: number): Command {
  return command(`claim(${index}, +${dueBy - NOW}, ${limit})`, async (model, { given, keys }) => {
    const endpointKey = keys[index] as number;
    const fence = given.fence();
    const { claimed, nextDueAt } = await claimDue(given.store, { endpointKey, dueBy, limit, fence });
    const pending = pendingOf(model, endpointKey);
    const taken = pending.filter((row) => dueOf(row) <= dueBy).slice(0, limit);
    expect(claimed).toMatchObject(
      taken.map(({ messageKey, attemptCount, nextAttemptAt }) => ({
        ...{ messageKey, endpointKey, attemptCount, nextAttemptAt, fence },
      })),
    );
    for (const row of taken) change(row, { state: 'sending', fence });
    model.leases.push(...taken.map(({ messageKey }) => ({ messageKey, endpointKey, fence })));
    expect(nextDueAt).toBe(pendingOf(model, endpointKey)[0]?.nextAttemptAt ?? null);
  });
}

function record(picks: readonly (readonly [number, Verdict, boolean])[]): Command {
  return command(`record(${JSON.stringify(picks)})`, async (model, { given }) => {
    if (model.leases.length === 0) return;
    const results = picks.map(([pick, verdict, keepLease]) => {
      const lease = model.leases[pick % model.leases.length] as Lease;
      return { ...given.result(lease, verdict, { number: pick % 9 }), keepLease };
    });
    const expected = results.map(({ lease, verdict, keepLease, attempt }) => {
      const row = model.rows.find(
        (each) => each.messageKey === lease.messageKey && each.endpointKey === lease.endpointKey,
      );
      if (row?.fence !== lease.fence) {
        if (row?.state === 'cancelled') changeCancelled(row, verdict, attempt.number);
        return false;
      }
      const retry = verdict.state === 'pending';
      change(row, {
        state: retry && keepLease ? 'sending' : verdict.state,
        fence: retry && keepLease ? lease.fence : 0,
        attemptCount: attempt.number,
        nextAttemptAt: retry ? verdict.nextAttemptAt : null,
        reason: verdict.state === 'failed' ? verdict.reason : null,
      });
      return true;
    });
    expect(await given.store.deliveryRecord({ results })).toEqual(expected);
  });
}

function release(pick: number): Command {
  return command(`release(${pick})`, async (model, { given }) => {
    const before = model.leases[pick % Math.max(1, model.leases.length)]?.fence ?? 1;
    const freed = model.rows.filter((row) => row.state === 'sending' && row.fence < before);
    expect(await given.store.deliveryRelease({ before })).toBe(freed.length);
    for (const row of freed) change(row, { state: 'pending', fence: 0 });
  });
}

function cancel(index: number, limit: number): Command {
  return command(`cancel(${index}, ${limit})`, async (model, { given, keys }) => {
    const endpointKey = keys[index] as number;
    const open = model.rows.filter(
      (row) => row.endpointKey === endpointKey && ['pending', 'sending', 'held'].includes(row.state),
    );
    const reason = 'endpoint_deleted';
    const cancelled = await given.store.deliveryCancel({ endpointKey, reason, limit });
    expect(cancelled).toBe(Math.min(limit, open.length));
    // Which of them go first is the store's affair.
    let seen = 0;
    for (const row of open) {
      const shown = await given.store.deliveryList({ messageKey: row.messageKey });
      if (shown.find((each) => each.endpointKey === endpointKey)?.state !== 'cancelled') continue;
      change(row, { state: 'cancelled', fence: 0, nextAttemptAt: null, reason });
      seen++;
    }
    expect(seen).toBe(cancelled);
  });
}

function reopen(): Command {
  return command('reopen()', (_, { given }) => given.reopen());
}

function command(name: string, run: (model: Model, real: Real) => Promise<void>): Command {
  return {
    check: () => true,
    run: async (model, real) => {
      await run(model, real);
      await compare(model, real);
    },
    toString: () => name,
  };
}

/** All that the store shows of deliveries is what the model has. */
async function compare({ rows }: Model, { given, keys }: Real): Promise<void> {
  for (const messageKey of new Set(rows.map((row) => row.messageKey))) {
    const shown = await given.store.deliveryList({ messageKey });
    const expected = rows.filter((row) => row.messageKey === messageKey).map(({ fence: _, ...row }) => row);
    const byEndpoint = (one: Delivery, other: Delivery) => one.endpointKey - other.endpointKey;
    expect(shown.toSorted(byEndpoint)).toMatchObject(expected.toSorted(byEndpoint));
    expect(shown).toHaveLength(expected.length);
  }
  const count = (state: DeliveryState) => rows.filter((row) => row.state === state).length;
  const counts = { pending: count('pending'), sending: count('sending'), held: count('held') };
  expect(await given.store.deliveryCountOpen()).toEqual(counts);
  const backlog = await given.store.deliveryBacklog();
  const waiting = keys.flatMap((endpointKey) => {
    const nextDueAt = pendingOf({ rows, leases: [] }, endpointKey)[0]?.nextAttemptAt;
    return nextDueAt == null ? [] : [{ endpointKey, nextDueAt }];
  });
  expect(backlog.toSorted((one, other) => one.endpointKey - other.endpointKey)).toEqual(waiting);
}

/** Pending deliveries of an endpoint in the order they go out. */
function pendingOf({ rows }: Model, endpointKey: number): Row[] {
  return rows
    .filter((row) => row.state === 'pending' && row.endpointKey === endpointKey)
    .sort((one, other) => dueOf(one) - dueOf(other) || one.messageKey - other.messageKey);
}

function dueOf(row: Row): number {
  return row.nextAttemptAt ?? Number.POSITIVE_INFINITY;
}

/** Cancelled while it was under way: that it arrived still counts. */
function changeCancelled(row: Row, verdict: Verdict, number: number): void {
  change(row, { attemptCount: Math.max(row.attemptCount, number) });
  if (verdict.state === 'succeeded') change(row, { state: 'succeeded', reason: null });
}

function change(row: Row, fields: Partial<Row>): void {
  Object.assign(row, fields);
}
