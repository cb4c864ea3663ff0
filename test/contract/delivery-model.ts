import type fc from 'fast-check';
import { expect } from 'vitest';
import type { Delivery, DeliveryState } from '../../src/model/delivery.ts';
import type { Ordering } from '../../src/model/endpoint.ts';
import type { Lease } from '../../src/model/lease.ts';
import type { AttemptResult, Stopped } from '../../src/store/store.ts';
import { ALL, type Given } from './world.ts';

export interface Row extends Delivery {
  fence: number;
}

export interface Resend {
  readonly messageKey: number;
  readonly endpointKey: number;
  /** The store's key: known from the first claim on. */
  resendKey: number | null;
  fence: number;
}

export interface ModelMessage {
  readonly messageKey: number;
  readonly deliverAt: number | null;
  readonly expiresAt: number | null;
  readonly orderingKey: string | null;
  expunged: boolean;
  /** When its deliveries are looked at for having expired; null: never, or they were. */
  lookAt: number | null;
}

/** What a store should hold: as simple as it can be. */
export interface Model {
  messages: ModelMessage[];
  rows: Row[];
  /** In the order they were asked for. */
  resends: Resend[];
  /** Every lease that ever was, good or stale. */
  leases: AttemptResult['lease'][];
  /** Endpoints that take nothing. */
  stopped: Map<number, 'disabled' | 'paused' | 'deleted'>;
  ordering: Map<number, Ordering>;
}

export interface Real {
  given: Given;
  applicationKey: number;
  keys: readonly number[];
}

export type Command = fc.AsyncCommand<Model, Real>;

/** A call to both: after it the store shows what the model says. */
export function command(name: string, run: (model: Model, real: Real) => Promise<void>): Command {
  return {
    check: () => true,
    run: async (model, real) => {
      await run(model, real);
      await compare(model, real);
    },
    toString: () => name,
  };
}

export function emptyModel(): Model {
  return { messages: [], rows: [], resends: [], leases: [], stopped: new Map(), ordering: new Map() };
}

/** All that the store shows of deliveries is what the model has. */
async function compare(model: Model, { given, keys }: Real): Promise<void> {
  const { rows } = model;
  for (const messageKey of new Set(rows.map((row) => row.messageKey))) {
    const shown = await given.store.deliveryList({ ...given.ref(messageKey), ...ALL });
    const expected = rows.filter((row) => row.messageKey === messageKey).map(({ fence: _, ...row }) => row);
    expect(shown).toMatchObject(expected.toSorted((one, other) => one.endpointKey - other.endpointKey));
    expect(shown).toHaveLength(expected.length);
  }
  const count = (state: DeliveryState) => rows.filter((row) => row.state === state).length;
  const counts = { pending: count('pending'), sending: count('sending'), held: count('held') };
  expect(await given.store.deliveryCountOpen({})).toEqual(counts);
  const backlog = await given.store.deliveryBacklog();
  const waiting = keys.flatMap((endpointKey) => {
    const nextDueAt = nextDueOf(model, endpointKey);
    return nextDueAt === null ? [] : [{ endpointKey, nextDueAt }];
  });
  expect(backlog.toSorted((one, other) => one.endpointKey - other.endpointKey)).toEqual(waiting);
  const orphans = keys.filter((endpointKey) => isOrphan(model, endpointKey));
  expect((await given.store.deliveryOrphans()).toSorted((one, other) => one - other)).toEqual(orphans);
  for (const { messageKey, endpointKey, orderKey, nextAttemptAt, state } of rows) {
    if (orderKey === null) continue;
    const first = standing(model, endpointKey, orderKey)[0];
    const waits = state === 'pending' && nextAttemptAt === null && first?.messageKey !== messageKey;
    const before = await given.store.deliveryBefore({ messageKey, endpointKey });
    expect(before?.messageKey).toBe(waits ? first?.messageKey : undefined);
  }
}

/** It takes nothing, and the backlog does not show what there is of it. */
function isOrphan({ rows, stopped }: Model, endpointKey: number): boolean {
  const how = stopped.get(endpointKey);
  return rows.some(
    (row) =>
      row.endpointKey === endpointKey &&
      ((how === 'deleted' && row.state === 'held') ||
        (how !== undefined && row.state === 'pending' && row.nextAttemptAt === null)),
  );
}

/** Who stands in a line, the first first. */
export function standing({ rows }: Model, endpointKey: number, orderKey: string): Row[] {
  return rows
    .filter((row) => row.endpointKey === endpointKey && row.orderKey === orderKey)
    .filter(({ state }) => state !== 'succeeded' && state !== 'cancelled')
    .sort((one, other) => one.messageKey - other.messageKey);
}

/** Gives every line's turn to whom it belongs. Returns those that got theirs. */
export function advance(model: Model, now: number): Row[] {
  const promoted: Row[] = [];
  for (const { endpointKey, orderKey } of model.rows) {
    if (orderKey === null) continue;
    const line = standing(model, endpointKey, orderKey);
    const sending = line.some(({ state }) => state === 'sending');
    for (const [index, row] of line.entries()) {
      if (row.state !== 'pending') continue;
      if (sending || index > 0) change(row, { nextAttemptAt: null });
      else if (row.nextAttemptAt === null) {
        change(row, { nextAttemptAt: Math.max(now, messageOf(model, row).deliverAt ?? now) });
        promoted.push(row);
      }
    }
  }
  return promoted;
}

/** Each lease is named, once. `expected` is as it was before. */
export function expectDropped(dropped: readonly Lease[], expected: readonly (Row | Resend)[]): void {
  const named = (lease: Lease) =>
    `${lease.messageKey}/${lease.endpointKey} ${lease.fence} ${lease.resendKey}`;
  const leases = expected.map((each) => ({ resendKey: null, ...each }));
  expect(dropped.map(named).toSorted()).toEqual(leases.map(named).toSorted());
}

/** Memory is told of what was leased, and of all that got its turn; and of no time at which nothing is due. */
export function expectStopped(
  model: Model,
  stopped: Stopped,
  { dropped, now }: { dropped: readonly (Row | Resend)[]; now: number },
): void {
  expectDropped(stopped.dropped, dropped);
  const promoted = advance(model, now);
  for (const { endpointKey, nextAttemptAt } of promoted) {
    const told = stopped.stored.filter((each) => each.endpointKey === endpointKey);
    expect(told).toHaveLength(1);
    expect(told[0]?.dueAt).toBeLessThanOrEqual(nextAttemptAt as number);
  }
  for (const { endpointKey, dueAt } of stopped.stored) {
    expect(pendingOf(model, endpointKey).map(dueOf)).toContain(dueAt);
  }
}

/** Pending deliveries of an endpoint that have a time, in the order they go out. */
export function pendingOf({ rows }: Model, endpointKey: number): Row[] {
  return rows
    .filter((row) => row.state === 'pending' && row.endpointKey === endpointKey && row.nextAttemptAt !== null)
    .sort((one, other) => dueOf(one) - dueOf(other) || one.messageKey - other.messageKey);
}

/** An endpoint's resends that wait, in the order they go out. */
export function waitingOf({ resends }: Model, endpointKey: number): Resend[] {
  return resends.filter((resend) => resend.fence === 0 && resend.endpointKey === endpointKey);
}

export function nextDueOf(model: Model, endpointKey: number): number | null {
  const times = [
    ...pendingOf(model, endpointKey).map(dueOf),
    // Due whatever the clock says.
    ...waitingOf(model, endpointKey).map(() => 0),
  ];
  return times.length === 0 ? null : Math.min(...times);
}

export function dueOf(row: Row): number {
  return row.nextAttemptAt ?? Number.POSITIVE_INFINITY;
}

export function isOpen({ state }: Row): boolean {
  return state === 'pending' || state === 'sending' || state === 'held';
}

export function isExpired(model: Model, row: Row, now: number): boolean {
  return (messageOf(model, row).expiresAt ?? Number.POSITIVE_INFINITY) <= now;
}

export function messageOf({ messages }: Model, { messageKey }: { messageKey: number }): ModelMessage {
  return messages.find((each) => each.messageKey === messageKey) as ModelMessage;
}

export function rowOf(
  { rows }: Model,
  { messageKey, endpointKey }: Pick<Lease, 'messageKey' | 'endpointKey'>,
) {
  return rows.find((each) => each.messageKey === messageKey && each.endpointKey === endpointKey);
}

export function change(row: Row, fields: Partial<Row>): void {
  Object.assign(row, fields);
}
