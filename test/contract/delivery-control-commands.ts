import fc from 'fast-check';
import { expect } from 'vitest';
import { ORDERINGS, type Ordering, orderKeyOf } from '../../src/model/endpoint.ts';
import type { TaskKind } from '../../src/model/task.ts';
import {
  advance,
  type Command,
  change,
  command,
  expectStopped,
  isExpired,
  isOpen,
  type Model,
  messageOf,
  type Row,
  rowOf,
  standing,
} from './delivery-model.ts';
import { endpointIndex, moment } from './delivery-values.ts';
import { NOW } from './world.ts';

type Stop = 'disabled' | 'paused' | 'deleted' | null;
type CancelReason = 'cancelled' | 'skipped' | 'expired';

const KINDS = ['recover', 'replay', 'replay-missing', 'release', 'discard'] as const satisfies TaskKind[];

/** What people do to deliveries, and time. */
export const CONTROL_COMMANDS: fc.Arbitrary<Command>[] = [
  fc
    .tuple(
      endpointIndex,
      fc.constantFrom<Stop>(...(['disabled', 'paused', 'deleted'] as const), ...Array(9).fill(null)),
    )
    .map((params) => stop(...params)),
  fc.tuple(endpointIndex, fc.constantFrom(...ORDERINGS)).map((params) => order(...params)),
  fc.tuple(endpointIndex, fc.integer({ min: 1, max: 3 })).map((params) => withdraw(...params)),
  fc
    .tuple(fc.constantFrom(...KINDS), endpointIndex, endpointIndex, moment)
    .map((params) => runTask(...params)),
  fc.tuple(fc.nat(), moment).map((params) => expunge(...params)),
  fc
    .tuple(
      fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
      fc.constantFrom<CancelReason>('cancelled', 'skipped', 'expired'),
      fc.boolean(),
      moment,
    )
    .map((params) => cancel(...params)),
  fc.tuple(fc.nat(), moment).map((params) => hurry(...params)),
  fc.tuple(moment, fc.integer({ min: 1, max: 3 })).map((params) => expire(...params)),
];

/** Disables, pauses, deletes or (null) lets an endpoint take what comes. Deleted is for good. */
function stop(index: number, how: Stop): Command {
  return command(`stop(${index}, ${how})`, async (model, { given, applicationKey, keys }) => {
    const endpointKey = keys[index] as number;
    if (model.stopped.get(endpointKey) === 'deleted') return;
    const place = { applicationKey, endpointKey, now: NOW };
    const changes = { disabled: how === 'disabled', pausedAt: how === 'paused' ? NOW : null };
    if (how === 'deleted') await given.store.endpointDelete(place);
    else await given.store.endpointUpdate({ ...place, changes });
    if (how === null) model.stopped.delete(endpointKey);
    else model.stopped.set(endpointKey, how);
  });
}

function order(index: number, ordering: Ordering): Command {
  return command(`order(${index}, ${ordering})`, async (model, { given, applicationKey, keys }) => {
    const endpointKey = keys[index] as number;
    await given.store.endpointUpdate({ applicationKey, endpointKey, now: NOW, changes: { ordering } });
    model.ordering.set(endpointKey, ordering);
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
        ofEndpoint(row) && (how === 'deleted' ? isOpen(row) : how !== undefined && row.state === 'pending'),
    );
    const resends = how === 'deleted' ? model.resends.filter(ofEndpoint) : [];
    let left = rows.length + resends.length;
    for (let taken = -1; taken !== 0; left -= taken) {
      taken = await given.store.deliveryWithdraw({ endpointKey, limit });
      expect(taken).toBe(Math.min(limit, left));
    }
    const reason = `endpoint_${how}` as 'endpoint_deleted' | 'endpoint_disabled' | 'endpoint_paused';
    const state = how === 'deleted' ? 'cancelled' : 'held';
    for (const row of rows) change(row, { state, fence: 0, nextAttemptAt: null, reason });
    model.resends = model.resends.filter((each) => !resends.includes(each));
  });
}

function runTask(kind: TaskKind, source: number, other: number, now: number): Command {
  return command(`runTask(${kind}, ${source}, ${other}, +${now - NOW})`, async (model, real) => {
    const { given, applicationKey, keys } = real;
    const sourceKey = keys[source] as number;
    const targetKey = kind === 'replay' ? (keys[other] as number) : sourceKey;
    const range = { from: 'msg_', to: 'msg_~', filter: {} };
    const task = { id: given.id('qtask'), kind, applicationKey, sourceKey, targetKey, ...range, rate: 1_000 };
    await given.store.taskInsert({ ...task, now, limit: 999, applicationLimit: 999 });
    const stepped = await given.store.taskStep({ id: task.id, now, scan: 1_000, most: 1_000 });
    const [from, to] = [model.stopped.get(sourceKey), model.stopped.get(targetKey)];
    if (to !== undefined && to !== 'deleted' && kind !== 'discard') {
      expect(stepped).toEqual({ waits: `endpoint_${to}` });
      return;
    }
    if (stepped === null || 'waits' in stepped) throw new Error('The task does not run.');
    const gone = from === 'deleted' || to === 'deleted';
    const affected = gone ? 0 : letGo(model, { kind, sourceKey, targetKey, now });
    expect(stepped.task).toMatchObject({ affected, state: gone ? 'failed' : 'finished' });
    expectStopped(model, stepped, { dropped: [], now });
  });
}

/** Does to the model what a task does to a store in one step. Returns to how many. */
function letGo(
  model: Model,
  { kind, sourceKey, targetKey, now }: { kind: TaskKind; sourceKey: number; targetKey: number; now: number },
): number {
  let affected = 0;
  for (const { messageKey, expunged, deliverAt, orderingKey } of model.messages) {
    const row = rowOf(model, { messageKey, endpointKey: sourceKey });
    if (!isWanted(kind, row)) continue;
    if (kind === 'discard') change(row as Row, { state: 'cancelled', reason: 'discarded' });
    else {
      const place = { messageKey, endpointKey: targetKey };
      const present = rowOf(model, place);
      if (expunged || isExpired(model, { messageKey } as Row, now)) continue;
      if (present?.state === 'pending' || present?.state === 'sending') continue;
      const ordering = model.ordering.get(targetKey) ?? 'none';
      const anew: Row = {
        ...{ ...place, state: 'pending', attemptCount: 0, fence: 0, reason: null },
        nextAttemptAt: Math.max(now + affected, deliverAt ?? 0),
        orderKey: orderKeyOf({ ordering }, orderingKey),
      };
      if (present === undefined) model.rows.push(anew);
      else change(present, anew);
    }
    affected++;
  }
  return affected;
}

/** What a task picks by the delivery to its source. */
function isWanted(kind: TaskKind, row: Row | undefined): boolean {
  if (row === undefined) return kind === 'replay-missing';
  if (kind === 'recover') return row.state === 'failed' || row.state === 'held';
  if (kind === 'replay') return ['succeeded', 'failed', 'held'].includes(row.state);
  return kind !== 'replay-missing' && row.state === 'held';
}

function expunge(pick: number, now: number): Command {
  return command(`expunge(${pick}, +${now - NOW})`, async (model, { given }) => {
    const messageKey = model.rows[pick % Math.max(1, model.rows.length)]?.messageKey;
    if (messageKey === undefined) return;
    const ofMessage = (each: { messageKey: number }) => each.messageKey === messageKey;
    const dropped = leasedOf(model, ofMessage);
    const { expunged, ...stopped } = await given.store.messageExpunge({
      messages: [given.ref(messageKey)],
      now,
    });
    expect(expunged).toBe(1);
    messageOf(model, { messageKey }).expunged = true;
    model.resends = model.resends.filter((each) => !ofMessage(each));
    const closed = { state: 'cancelled', reason: 'payload_expunged', fence: 0, nextAttemptAt: null } as const;
    for (const row of model.rows) if (ofMessage(row) && isOpen(row)) change(row, closed);
    expectStopped(model, stopped, { dropped, now });
  });
}

/** What is leased, resends too, of those that are picked. */
function leasedOf(model: Model, isPicked: (each: { messageKey: number; endpointKey: number }) => boolean) {
  // As they are now: they change with what is done to them.
  return [
    ...model.rows.filter((row) => isPicked(row) && row.state === 'sending'),
    ...model.resends.filter((each) => isPicked(each) && each.fence > 0),
  ].map((each) => ({ ...each }));
}

function cancel(picks: readonly number[], reason: CancelReason, failedToo: boolean, now: number): Command {
  return command(`cancel(${picks}, ${reason}, ${failedToo}, +${now - NOW})`, async (model, { given }) => {
    if (model.rows.length === 0) return;
    const picked = new Set(picks.map((pick) => model.rows[pick % model.rows.length] as Row));
    const deliveries = Array.from(picked, ({ messageKey, endpointKey }) => ({ messageKey, endpointKey }));
    const params = { deliveries, reason, failedToo, now };
    const { cancelled, ...stopped } = await given.store.deliveryCancel(params);
    const rows = [...picked].filter((row) => isOpen(row) || (failedToo && row.state === 'failed'));
    expect(cancelled).toEqual(rows.map(({ messageKey, endpointKey }) => ({ messageKey, endpointKey })));
    const ofRows = (each: { messageKey: number; endpointKey: number }) =>
      rows.some((row) => row.messageKey === each.messageKey && row.endpointKey === each.endpointKey);
    const dropped = leasedOf(model, ofRows).filter((each) => reason !== 'expired' || 'state' in each);
    if (reason !== 'expired') model.resends = model.resends.filter((each) => !ofRows(each));
    for (const row of rows) change(row, { state: 'cancelled', reason, fence: 0, nextAttemptAt: null });
    expectStopped(model, stopped, { dropped, now });
  });
}

function hurry(pick: number, now: number): Command {
  return command(`hurry(${pick}, +${now - NOW})`, async (model, { given }) => {
    const row = model.rows[pick % Math.max(1, model.rows.length)];
    if (row === undefined) return;
    const { messageKey, endpointKey, state, nextAttemptAt, orderKey } = row;
    const before = { ...row };
    const answer = await given.store.deliveryHurry({ messageKey, endpointKey, now });
    const later = nextAttemptAt !== null && nextAttemptAt > now;
    const first = orderKey === null ? row : standing(model, endpointKey, orderKey)[0];
    if (state === 'succeeded' || state === 'cancelled') expect(answer).toEqual({ state: 'ended' });
    else if (messageOf(model, row).expunged) expect(answer).toEqual({ state: 'expunged' });
    else if (state === 'sending' && !later) expect(answer).toEqual({ state: 'under_way' });
    else if (first !== row) {
      expect(answer).toMatchObject({ state: 'behind', before: { state: first?.state } });
    } else {
      if (answer?.state !== 'due') throw new Error('It is not due.');
      const begins = state === 'failed' || state === 'held';
      if (begins) change(row, { attemptCount: 0, reason: null });
      if (begins || later) change(row, { state: 'pending', fence: 0, nextAttemptAt: now });
      expectStopped(model, answer, { dropped: state === 'sending' ? [before] : [], now });
    }
  });
}

/** Until nothing is left. */
function expire(now: number, limit: number): Command {
  return command(`expire(+${now - NOW}, ${limit})`, async (model, { given }) => {
    const messages = model.messages.filter(({ lookAt }) => lookAt !== null && lookAt <= now);
    let done = 0;
    for (let more = true; more; ) {
      const expired = await given.store.deliveryExpire({ now, limit, scan: 2 });
      more = expired.more;
      done += expired.messages;
      expect(expired.messages).toBeLessThanOrEqual(limit);
      expect(expired.dropped).toEqual([]);
    }
    expect(done).toBe(messages.length);
    const rows = model.rows.filter((row) => messages.includes(messageOf(model, row)));
    const waits = rows.filter(({ state }) => state === 'pending' || state === 'held');
    for (const row of waits) change(row, { state: 'cancelled', reason: 'expired', nextAttemptAt: null });
    for (const message of messages) {
      const sent = rows.some((row) => row.state === 'sending' && messageOf(model, row) === message);
      message.lookAt = sent ? now + 60_000 : null;
    }
    advance(model, now);
  });
}
