import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Verdict } from '../../src/model/delivery.ts';
import { orderKeyOf } from '../../src/model/endpoint.ts';
import type { AttemptResult } from '../../src/store/store.ts';
import { CONTROL_COMMANDS } from './delivery-control-commands.ts';
import {
  advance,
  type Command,
  change,
  command,
  dueOf,
  emptyModel,
  expectDropped,
  isExpired,
  type Model,
  messageOf,
  nextDueOf,
  pendingOf,
  type Real,
  type Row,
  rowOf,
  standing,
  waitingOf,
} from './delivery-model.ts';
import { ENDPOINTS, endpointIndex, moment } from './delivery-values.ts';
import { type ContractDriver, claimDue, delivery, Given, NOW } from './world.ts';

const RUNS = 120;
const COMMANDS = 100;

/** Random calls in random order: after each the store shows what the model says. */
export function deliveryModelContract({ open, modelRuns = RUNS }: ContractDriver): void {
  test('behaves as the model does', { timeout: 240_000 }, async () => {
    // The way of a delivery twice: most of what is asked for happens on it.
    const commandsOfAllKinds = [...COMMANDS_OF_THE_WAY, ...COMMANDS_OF_THE_WAY, ...CONTROL_COMMANDS];
    await fc.assert(
      fc.asyncProperty(
        fc.commands(commandsOfAllKinds, { maxCommands: COMMANDS, size: 'max' }),
        async (commands) => {
          const world = await open();
          try {
            const given = new Given(world);
            await given.join();
            const { application, keys } = await given.company(ENDPOINTS);
            const real = { given, applicationKey: application.key, keys };
            const model = emptyModel();
            // The last one orders from the beginning, the one before by keys.
            for (const [index, ordering] of (['endpoint', 'key'] as const).entries()) {
              const endpointKey = keys.at(-1 - index) as number;
              const place = { applicationKey: application.key, endpointKey, now: NOW };
              await given.store.endpointUpdate({ ...place, changes: { ordering } });
              model.ordering.set(endpointKey, ordering);
            }
            await fc.asyncModelRun(() => ({ model, real }), commands);
          } finally {
            await world.dispose();
          }
        },
      ),
      { numRuns: Number(process.env.POSTHORN_MODEL_RUNS ?? modelRuns) },
    );
  });
}

interface Accepted {
  endpoints: readonly number[];
  state: 'pending' | 'sending' | 'held';
  now: number;
  deliverAt: number | null;
  expiresAt: number | null;
  orderingKey: string | null;
}

const verdict: fc.Arbitrary<Verdict> = fc.oneof(
  fc.constant({ state: 'succeeded' as const }),
  fc.constant({ state: 'succeeded' as const }),
  fc.constant({ state: 'failed' as const, reason: 'retries_exhausted' as const }),
  fc.constant({ state: 'cancelled' as const, reason: 'expired' as const }),
  moment.map((nextAttemptAt) => ({ state: 'pending' as const, nextAttemptAt })),
);
const seldom = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { freq: 3, nil: null });

const COMMANDS_OF_THE_WAY: fc.Arbitrary<Command>[] = [
  fc
    .record({
      endpoints: fc.uniqueArray(endpointIndex, { minLength: 1 }),
      // What is held stands in the way of its line: seldom, so that lines move.
      state: fc.constantFrom('pending', 'pending', 'pending', 'sending', 'held'),
      now: moment,
      deliverAt: seldom(moment),
      expiresAt: seldom(moment),
      orderingKey: fc.constantFrom(null, 'a', 'a'),
    })
    .map(accept),
  fc.tuple(endpointIndex, moment, fc.nat({ max: 3 })).map((params) => claim(...params)),
  fc
    .tuple(fc.array(fc.tuple(fc.nat(), verdict, fc.boolean()), { minLength: 1, maxLength: 3 }), moment)
    .map((params) => record(...params)),
  fc.tuple(fc.nat(), moment).map((params) => release(...params)),
  fc.tuple(fc.nat(), moment).map((params) => unlease(...params)),
  fc.tuple(fc.nat(), moment).map((params) => resend(...params)),
  fc.constant(reopen()),
];

function accept(accepted: Accepted): Command {
  return command(`accept(${JSON.stringify(accepted)})`, async (model, { given, applicationKey, keys }) => {
    const { endpoints, now, orderingKey, ...times } = accepted;
    const { deliverAt, expiresAt } = times;
    const fence = given.fence();
    const deliveries = endpoints.map((index) => {
      const endpointKey = keys[index] as number;
      const ordering = model.ordering.get(endpointKey) ?? 'none';
      const orderKey = orderKeyOf({ ordering }, orderingKey);
      // One that is ordered is not leased at once.
      const leased = accepted.state === 'sending' && orderKey === null;
      return delivery(
        endpointKey,
        accepted.state === 'held' ? 'held' : leased ? 'sending' : 'pending',
        orderKey,
      );
    });
    const message = given.message({ ...{ deliverAt, expiresAt, orderingKey }, deliveries });
    const publishes = [given.publish(applicationKey, message)];
    const [result] = await given.accept({ publishes, fence, now });
    const messageKey = (result?.kind === 'accepted' && result.messageKeys[0]) as number;
    model.messages.push({
      messageKey,
      orderingKey,
      expunged: false,
      lookAt: expiresAt,
      deliverAt,
      expiresAt,
    });
    for (const { endpointKey, state, orderKey } of deliveries) {
      if (state === 'sending') model.leases.push(given.lease(messageKey, endpointKey, fence));
      const timed =
        state !== 'held' && (orderKey === null || standing(model, endpointKey, orderKey).length === 0);
      model.rows.push({
        ...{ messageKey, endpointKey, state, orderKey, attemptCount: 0 },
        reason: state === 'held' ? 'endpoint_disabled' : null,
        nextAttemptAt: timed ? (deliverAt ?? now) : null,
        fence: state === 'sending' ? fence : 0,
      });
    }
    advance(model, now);
  });
}

function claim(index: number, dueBy: number, limit: number): Command {
  return command(`claim(${index}, +${dueBy - NOW}, ${limit})`, async (model, { given, keys }) => {
    const endpointKey = keys[index] as number;
    const fence = given.fence();
    const { claimed, nextDueAt } = await claimDue(given.store, { endpointKey, dueBy, limit, fence });
    const resent = waitingOf(model, endpointKey).slice(0, limit);
    const { taken, expired } = dueRows(model, { endpointKey, dueBy, room: limit - resent.length });
    const place = { endpointKey, fence };
    expect(claimed).toMatchObject([
      ...resent.map(({ messageKey, resendKey }) => ({
        ...{ ...place, messageKey, attemptCount: 0, nextAttemptAt: 0, expiresAt: null, orderKey: null },
        resendKey: resendKey ?? expect.any(Number),
      })),
      ...taken.map(({ messageKey, attemptCount, nextAttemptAt, orderKey }) => ({
        ...{ ...place, messageKey, attemptCount, nextAttemptAt, orderKey, resendKey: null },
        expiresAt: messageOf(model, { messageKey }).expiresAt,
      })),
    ]);
    for (const [at, each] of resent.entries()) {
      each.resendKey = claimed[at]?.resendKey as number;
      each.fence = fence;
    }
    for (const row of taken) change(row, { state: 'sending', fence });
    for (const row of expired) change(row, { state: 'cancelled', nextAttemptAt: null, reason: 'expired' });
    model.leases.push(...claimed);
    advance(model, dueBy);
    expect(nextDueAt).toBe(nextDueOf(model, endpointKey));
  });
}

/** What a claim takes of the schedule, and what it finds to have expired on the way. */
function dueRows(
  model: Model,
  { endpointKey, dueBy, room }: { endpointKey: number; dueBy: number; room: number },
): { taken: Row[]; expired: Row[] } {
  const [taken, expired]: [Row[], Row[]] = [[], []];
  for (const row of pendingOf(model, endpointKey)) {
    if (dueOf(row) > dueBy || taken.length >= room || expired.length >= 64) break;
    (isExpired(model, row, dueBy) ? expired : taken).push(row);
  }
  return { taken, expired };
}

function record(picks: readonly (readonly [number, Verdict, boolean])[], now: number): Command {
  return command(`record(${JSON.stringify(picks)}, +${now - NOW})`, async (model, { given }) => {
    if (model.leases.length === 0) return;
    const results = picks.map(([pick, verdict, keepLease]) => {
      const lease = leaseOf(model, pick);
      const number = lease.resendKey === null ? pick % 9 : 0;
      return { ...given.result(lease, verdict, { number }), keepLease };
    });
    const voided: Row[] = [];
    const expected = results.map((result) => recorded(model, result, voided));
    const { held, dropped } = await given.store.deliveryRecord({ results, now });
    expect(held).toEqual(expected);
    expectDropped(dropped, voided);
    advance(model, now);
  });
}

/** Half of the time one of the latest, which may hold yet. */
function leaseOf({ leases }: Model, pick: number): AttemptResult['lease'] {
  const from = pick % 2 === 0 ? 0 : Math.max(0, leases.length - 3);
  return leases[from + (pick % (leases.length - from))] as AttemptResult['lease'];
}

/** Does to the model what a result does to a store. Returns whether the fence held; `voided` gets what was leased and is no longer. */
function recorded(
  model: Model,
  { lease, verdict, keepLease, attempt }: AttemptResult,
  voided: Row[],
): boolean {
  const row = rowOf(model, lease) as Row;
  if (lease.resendKey !== null) {
    const held = model.resends.find(
      (each) => each.resendKey === lease.resendKey && each.fence === lease.fence,
    );
    if (held === undefined) return changeStopped(row, verdict, attempt.number);
    model.resends = model.resends.filter((each) => each !== held);
    if (verdict.state === 'succeeded') {
      if (row.state === 'sending') voided.push({ ...row });
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
    reason: 'reason' in verdict ? verdict.reason : null,
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

function release(pick: number, now: number): Command {
  return command(`release(${pick}, +${now - NOW})`, async (model, { given }) => {
    const before = model.leases[pick % Math.max(1, model.leases.length)]?.fence ?? 1;
    const freed = model.rows.filter((row) => row.state === 'sending' && row.fence < before);
    const resends = model.resends.filter(({ fence }) => fence > 0 && fence < before);
    expect(await given.release(before, now)).toBe(freed.length + resends.length);
    for (const row of freed) change(row, { state: 'pending', fence: 0 });
    for (const each of resends) each.fence = 0;
    advance(model, now);
  });
}

function unlease(pick: number, now: number): Command {
  return command(`unlease(${pick}, +${now - NOW})`, async (model, { given }) => {
    if (model.leases.length === 0) return;
    const lease = leaseOf(model, pick);
    const { resendKey, fence } = lease;
    const row = rowOf(model, lease) as Row;
    const waits = model.resends.find((each) => each.resendKey === resendKey && each.fence === fence);
    const holds = resendKey === null ? row.fence === fence : waits !== undefined;
    expect(await given.store.deliveryUnlease({ leases: [lease], now })).toBe(holds ? 1 : 0);
    if (resendKey === null && holds) change(row, { state: 'pending', fence: 0 });
    else if (waits !== undefined) waits.fence = 0;
    advance(model, now);
  });
}

function resend(pick: number, now: number): Command {
  return command(`resend(${pick}, +${now - NOW})`, async (model, { given }: Real) => {
    const row = model.rows[pick % Math.max(1, model.rows.length)];
    if (row === undefined) return;
    const { messageKey, endpointKey } = row;
    const asked = await given.store.resendInsert({ messageKey, endpointKey, now, limit: 1_000 });
    const there = waitingOf(model, endpointKey).some((each) => each.messageKey === messageKey);
    const { expunged } = messageOf(model, row);
    expect(asked).toBe(!there && expunged ? 'expunged' : 'waits');
    if (there || expunged) return;
    model.resends.push({ messageKey, endpointKey, resendKey: null, fence: 0 });
  });
}

function reopen(): Command {
  return command('reopen()', (_, { given }) => given.reopen());
}
