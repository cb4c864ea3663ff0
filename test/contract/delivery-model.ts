import { expect } from 'vitest';
import type { Delivery, DeliveryState } from '../../src/model/delivery.ts';
import type { Lease } from '../../src/model/lease.ts';
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

/** What a store should hold: as simple as it can be. */
export interface Model {
  rows: Row[];
  /** In the order they were asked for. */
  resends: Resend[];
  /** Every lease that ever was, good or stale. */
  leases: Lease[];
  /** Messages without a payload. */
  expunged: Set<number>;
  /** Endpoints that take nothing. */
  stopped: Map<number, 'disabled' | 'deleted'>;
}

export interface Real {
  given: Given;
  applicationKey: number;
  keys: readonly number[];
}

export function emptyModel(): Model {
  return { rows: [], resends: [], leases: [], expunged: new Set(), stopped: new Map() };
}

/** All that the store shows of deliveries is what the model has. */
export async function compare(model: Model, { given, keys }: Real): Promise<void> {
  const { rows } = model;
  for (const messageKey of new Set(rows.map((row) => row.messageKey))) {
    const shown = await given.store.deliveryList({ messageKey, ...ALL });
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
}

/** Pending deliveries of an endpoint in the order they go out. */
export function pendingOf({ rows }: Model, endpointKey: number): Row[] {
  return rows
    .filter((row) => row.state === 'pending' && row.endpointKey === endpointKey)
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

export function change(row: Row, fields: Partial<Row>): void {
  Object.assign(row, fields);
}
