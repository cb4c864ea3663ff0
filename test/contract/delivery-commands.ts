import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Verdict } from '../../src/model/delivery.ts';
import type { Lease } from '../../src/model/lease.ts';
import type { AttemptResult } from '../../src/store/store.ts';
import {
  change,
  compare,
  dueOf,
  emptyModel,
  isOpen,
  type Model,
  nextDueOf,
  pendingOf,
  type Real,
  type Row,
  waitingOf,
} from './delivery-model.ts';
import { claimDue, Given, NOW, type OpenWorld } from './world.ts';

const ENDPOINTS = 3;
const RUNS = 40;
const COMMANDS = 50;

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
          await fc.asyncModelRun(() => ({ model: emptyModel(), real }), commands);
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
  fc.nat().map(unlease),
  fc.tuple(fc.nat(), moment).map((params) => resend(...params)),
  fc
    .tuple(endpointIndex, fc.constantFrom('disabled' as const, 'deleted' as const, null))
    .map((params) => stop(...params)),
  fc.tuple(endpointIndex, fc.integer({ min: 1, max: 3 })).map((params) => withdraw(...params)),
  fc.tuple(endpointIndex, moment).map((params) => recover(...params)),
  fc.nat().map(expunge),
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
      if (state === 'sending') model.leases.push(given.lease(messageKey, endpointKey, fence));
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
    const resent = waitingOf(model, endpointKey).slice(0, limit);
    const pending = pendingOf(model, endpointKey).filter((row) => dueOf(row) <= dueBy);
    const taken = pending.slice(0, limit - resent.length);
    const place = { endpointKey, fence };
    expect(claimed).toMatchObject([
      ...resent.map(({ messageKey, resendKey }) => ({
        ...{ ...place, messageKey, attemptCount: 0, nextAttemptAt: 0 },
        resendKey: resendKey ?? expect.any(Number),
      })),
      ...taken.map(({ messageKey, attemptCount, nextAttemptAt }) => ({
        ...{ ...place, messageKey, attemptCount, nextAttemptAt, resendKey: null },
      })),
    ]);
    for (const [at, each] of resent.entries()) {
      each.resendKey = claimed[at]?.resendKey as number;
      each.fence = fence;
    }
    for (const row of taken) change(row, { state: 'sending', fence });
    model.leases.push(...claimed);
    expect(nextDueAt).toBe(nextDueOf(model, endpointKey));
  });
}

function record(picks: readonly (readonly [number, Verdict, boolean])[]): Command {
  return command(`record(${JSON.stringify(picks)})`, async (model, { given }) => {
    if (model.leases.length === 0) return;
    const results = picks.map(([pick, verdict, keepLease]) => {
      const lease = model.leases[pick % model.leases.length] as Lease;
      const number = lease.resendKey === null ? pick % 9 : 0;
      return { ...given.result(lease, verdict, { number }), keepLease };
    });
    const expected = results.map((result) => recorded(model, result));
    expect(await given.store.deliveryRecord({ results })).toEqual(expected);
  });
}

/** Does to the model what a result does to a store. Returns whether the fence held. */
function recorded(model: Model, { lease, verdict, keepLease, attempt }: AttemptResult): boolean {
  const row = rowOf(model, lease);
  if (lease.resendKey !== null) {
    const held = model.resends.find(
      (each) => each.resendKey === lease.resendKey && each.fence === lease.fence,
    );
    if (held === undefined) return changeStopped(row, verdict, attempt.number);
    model.resends = model.resends.filter((each) => each !== held);
    if (verdict.state === 'succeeded') {
      change(row, { state: 'succeeded', fence: 0, nextAttemptAt: null, reason: null });
    }
    return true;
  }
  if (row.fence !== lease.fence) return changeStopped(row, verdict, attempt.number);
  const retry = verdict.state === 'pending';
  change(row, {
    state: retry && keepLease ? 'sending' : verdict.state,
    fence: retry && keepLease ? lease.fence : 0,
    attemptCount: attempt.number,
    nextAttemptAt: retry ? verdict.nextAttemptAt : null,
    reason: verdict.state === 'failed' ? verdict.reason : null,
  });
  return true;
}

/** Cancelled or held while it was under way: that it arrived still counts. */
function changeStopped(row: Row, verdict: Verdict, number: number): false {
  if (row.state !== 'cancelled' && row.state !== 'held') return false;
  change(row, { attemptCount: Math.max(row.attemptCount, number) });
  if (verdict.state === 'succeeded') change(row, { state: 'succeeded', reason: null });
  return false;
}

function release(pick: number): Command {
  return command(`release(${pick})`, async (model, { given }) => {
    const before = model.leases[pick % Math.max(1, model.leases.length)]?.fence ?? 1;
    const freed = model.rows.filter((row) => row.state === 'sending' && row.fence < before);
    const resends = model.resends.filter(({ fence }) => fence > 0 && fence < before);
    expect(await given.store.deliveryRelease({ before })).toBe(freed.length + resends.length);
    for (const row of freed) change(row, { state: 'pending', fence: 0 });
    for (const each of resends) each.fence = 0;
  });
}

function unlease(pick: number): Command {
  return command(`unlease(${pick})`, async (model, { given }) => {
    const lease = model.leases[pick % Math.max(1, model.leases.length)];
    if (lease === undefined) return;
    const { resendKey, fence } = lease;
    const row = rowOf(model, lease);
    const waits = model.resends.find((each) => each.resendKey === resendKey && each.fence === fence);
    const holds = resendKey === null ? row.fence === fence : waits !== undefined;
    expect(await given.store.deliveryUnlease({ leases: [lease] })).toBe(holds ? 1 : 0);
    if (resendKey === null && holds) change(row, { state: 'pending', fence: 0 });
    else if (waits !== undefined) waits.fence = 0;
  });
}

function resend(pick: number, now: number): Command {
  return command(`resend(${pick}, +${now - NOW})`, async (model, { given }) => {
    const row = model.rows[pick % Math.max(1, model.rows.length)];
    if (row === undefined) return;
    const { messageKey, endpointKey } = row;
    const asked = await given.store.resendInsert({ messageKey, endpointKey, now, limit: 1_000 });
    const there = waitingOf(model, endpointKey).some((each) => each.messageKey === messageKey);
    expect(asked).toBe(!there && model.expunged.has(messageKey) ? 'expunged' : 'waits');
    if (there || model.expunged.has(messageKey)) return;
    model.resends.push({ messageKey, endpointKey, resendKey: null, fence: 0 });
  });
}

/** Disables, deletes or (null) enables an endpoint. Deleted is for good. */
function stop(index: number, how: 'disabled' | 'deleted' | null): Command {
  return command(`stop(${index}, ${how})`, async (model, { given, applicationKey, keys }) => {
    const endpointKey = keys[index] as number;
    if (model.stopped.get(endpointKey) === 'deleted') return;
    const place = { applicationKey, endpointKey, now: NOW };
    if (how === 'deleted') await given.store.endpointDelete(place);
    else await given.store.endpointUpdate({ ...place, changes: { disabled: how === 'disabled' } });
    if (how === null) model.stopped.delete(endpointKey);
    else model.stopped.set(endpointKey, how);
  });
}

/** Until nothing is left: which go first is the store's affair. */
function withdraw(index: number, limit: number): Command {
  return command(`withdraw(${index}, ${limit})`, async (model, { given, keys }) => {
    const endpointKey = keys[index] as number;
    const how = model.stopped.get(endpointKey);
    const ofEndpoint = (each: { endpointKey: number }) => each.endpointKey === endpointKey;
    const rows = model.rows.filter(
      (row) =>
        ofEndpoint(row) && (how === 'deleted' ? isOpen(row) : how === 'disabled' && row.state === 'pending'),
    );
    const resends = how === 'deleted' ? model.resends.filter(ofEndpoint) : [];
    let left = rows.length + resends.length;
    for (let taken = -1; taken !== 0; left -= taken) {
      taken = await given.store.deliveryWithdraw({ endpointKey, limit });
      expect(taken).toBe(Math.min(limit, left));
    }
    const reason = how === 'deleted' ? 'endpoint_deleted' : 'endpoint_disabled';
    const state = how === 'deleted' ? 'cancelled' : 'held';
    for (const row of rows) change(row, { state, fence: 0, nextAttemptAt: null, reason });
    model.resends = model.resends.filter((each) => !resends.includes(each));
  });
}

function recover(index: number, now: number): Command {
  return command(`recover(${index}, +${now - NOW})`, async (model, { given, applicationKey, keys }) => {
    const endpointKey = keys[index] as number;
    const range = { from: 'msg_', to: 'msg_~' };
    const id = given.id('qtask');
    const limits = { limit: 99, applicationLimit: 99 };
    await given.store.recoveryInsert({ id, applicationKey, endpointKey, ...range, ...limits, now });
    const back = model.rows.filter(
      (row) =>
        row.endpointKey === endpointKey &&
        (row.state === 'failed' || row.state === 'held') &&
        !model.expunged.has(row.messageKey) &&
        !model.stopped.has(endpointKey),
    );
    const stepped = await given.store.recoveryStep({ id, now, scan: 1_000 });
    if (model.stopped.get(endpointKey) === 'disabled') expect(stepped).toBe('waits');
    else expect(stepped).toMatchObject({ recovered: back.length, finished: true });
    for (const row of back) {
      change(row, { state: 'pending', attemptCount: 0, nextAttemptAt: now, fence: 0, reason: null });
    }
  });
}

function expunge(pick: number): Command {
  return command(`expunge(${pick})`, async (model, { given }) => {
    const messageKey = model.rows[pick % Math.max(1, model.rows.length)]?.messageKey;
    if (messageKey === undefined) return;
    const ofMessage = (each: { messageKey: number }) => each.messageKey === messageKey;
    const leased = [
      ...model.rows.filter((row) => ofMessage(row) && row.state === 'sending'),
      ...model.resends.filter((each) => ofMessage(each) && each.fence > 0),
    ].map(({ endpointKey }) => endpointKey);
    const { expunged, leased: named } = await given.store.messageExpunge({ messageKeys: [messageKey] });
    expect(expunged).toBe(1);
    expect(named.every(ofMessage)).toBe(true);
    expect(new Set(named.map(({ endpointKey }) => endpointKey))).toEqual(new Set(leased));
    model.expunged.add(messageKey);
    model.resends = model.resends.filter((each) => !ofMessage(each));
    const closed = { state: 'cancelled', reason: 'payload_expunged', fence: 0, nextAttemptAt: null } as const;
    for (const row of model.rows) if (ofMessage(row) && isOpen(row)) change(row, closed);
  });
}

function reopen(): Command {
  return command('reopen()', (_, { given }) => given.reopen());
}

function rowOf(model: Model, { messageKey, endpointKey }: Lease): Row {
  return model.rows.find((each) => each.messageKey === messageKey && each.endpointKey === endpointKey) as Row;
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
