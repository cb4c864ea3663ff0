import type { Delivery, DeliveryReason, DeliveryState } from '../../model/delivery.ts';
import type { Endpoint } from '../../model/endpoint.ts';
import type { Lease, LeasedDelivery } from '../../model/lease.ts';
import type { Backlog, LaneClaim } from '../store.ts';
import { type Connection, transaction } from './connection.ts';
import { type EndpointRow, endpoint } from './endpoints.ts';

const STATES: readonly DeliveryState[] = ['pending', 'sending', 'succeeded', 'failed', 'held', 'cancelled'];

export function stateCode(state: DeliveryState): number {
  return STATES.indexOf(state);
}

interface Row {
  message_key: number;
  endpoint_key: number;
  state: number;
  attempt_count: number;
  next_attempt_at: number | null;
  reason: DeliveryReason | null;
}

type ClaimParams = { lanes: readonly LaneClaim[]; characters: number; dueBy: number; fence: number };
type CancelParams = { endpointKey: number; reason: DeliveryReason; limit: number };
type Claim = { claimed: LeasedDelivery[]; nextDueAt: number | null };

export function deliveries(connection: Connection) {
  const statements = prepare(connection);
  const claim = claiming(statements);
  const { unlease, nextDue, nextEndpoint, release, list, countOpen, countHeld, cancel, openOf } = statements;
  const nextDueAt = (endpointKey: number) => (nextDue.get(endpointKey) as { at: number | null }).at;

  return {
    deliveryClaimDue: (params: ClaimParams): Claim[] =>
      transaction(connection, () => {
        let left = params.characters;
        return params.lanes.map((lane) => {
          const claimed = left > 0 ? claim(lane, Math.min(left, lane.characters), params) : [];
          for (const { payload } of claimed) left -= payload.length;
          return { claimed, nextDueAt: nextDueAt(lane.endpointKey) };
        });
      }),
    deliveryUnlease: ({ leases }: { leases: readonly Lease[] }): number =>
      transaction(connection, () => {
        let given = 0;
        for (const { messageKey, endpointKey, fence } of leases) {
          given += unlease.run(messageKey, endpointKey, fence).changes;
        }
        return given;
      }),
    deliveryBacklog(): Backlog[] {
      const backlog: Backlog[] = [];
      // One seek per endpoint, however many deliveries each has.
      let { key } = nextEndpoint.get(-1) as { key: number | null };
      while (key !== null) {
        const at = nextDueAt(key);
        if (at !== null) backlog.push({ endpointKey: key, nextDueAt: at });
        ({ key } = nextEndpoint.get(key) as { key: number | null });
      }
      return backlog;
    },
    deliveryRelease: ({ before }: { before: number }): number => release.run(before).changes,
    deliveryCancel: ({ endpointKey, reason, limit }: CancelParams): number =>
      transaction(connection, () => {
        let cancelled = 0;
        for (const open of openOf) {
          const rows = open.all(endpointKey, limit - cancelled) as { key: number }[];
          for (const { key } of rows) cancel.run(reason, key, endpointKey);
          cancelled += rows.length;
        }
        return cancelled;
      }),
    deliveryList: ({
      messageKey,
    }: {
      messageKey: number;
    }): (Delivery & { endpoint: Endpoint; endpointDeleted: boolean })[] =>
      (list.all(messageKey) as (Row & EndpointRow)[]).map((row) => ({
        ...delivery(row),
        endpoint: endpoint(row),
        endpointDeleted: row.deleted_at !== null,
      })),
    deliveryCountOpen(): Record<'pending' | 'sending' | 'held', number> {
      const counts = { pending: 0, sending: 0, held: (countHeld.get() as { count: number }).count };
      for (const { state, count } of countOpen.all() as { state: number; count: number }[]) {
        counts[state === 0 ? 'pending' : 'sending'] = count;
      }
      return counts;
    },
  };
}

/** Claims for one lane, row by row: a payload that finds no room is not read any further than itself. */
function claiming({ due, lease }: ReturnType<typeof prepare>) {
  return (lane: LaneClaim, characters: number, { dueBy, fence }: ClaimParams): LeasedDelivery[] => {
    const claimed: LeasedDelivery[] = [];
    let left = characters;
    for (const row of due.iterate(lane.endpointKey, dueBy, lane.deliveries)) {
      const delivery = { ...(row as Omit<LeasedDelivery, 'fence'>), fence };
      if (claimed.length > 0 && delivery.payload.length > left) break;
      left -= delivery.payload.length;
      claimed.push(delivery);
    }
    for (const { messageKey } of claimed) lease.run(fence, messageKey, lane.endpointKey);
    return claimed;
  };
}

function prepare(connection: Connection) {
  return {
    due: connection.prepare(
      `SELECT d.message_key AS messageKey, d.endpoint_key AS endpointKey, d.attempt_count AS attemptCount,
       d.next_attempt_at AS nextAttemptAt, m.id AS messageId, m.payload
     FROM delivery d JOIN message m ON m.message_key = d.message_key
     WHERE d.state = 0 AND d.endpoint_key = ? AND d.next_attempt_at <= ? ORDER BY d.next_attempt_at, d.message_key LIMIT ?`,
    ),
    lease: connection.prepare(
      'UPDATE delivery SET state = 1, fence = ? WHERE message_key = ? AND endpoint_key = ?',
    ),
    unlease: connection.prepare(
      `UPDATE delivery SET state = 0, fence = 0
       WHERE message_key = ? AND endpoint_key = ? AND fence = ? AND state = 1`,
    ),
    nextDue: connection.prepare(
      'SELECT min(next_attempt_at) AS at FROM delivery WHERE state = 0 AND endpoint_key = ? AND next_attempt_at IS NOT NULL',
    ),
    nextEndpoint: connection.prepare(
      'SELECT min(endpoint_key) AS key FROM delivery WHERE state = 0 AND endpoint_key > ? AND next_attempt_at IS NOT NULL',
    ),
    release: connection.prepare(
      'UPDATE delivery SET state = 0, fence = 0 WHERE state = 1 AND next_attempt_at IS NOT NULL AND fence < ?',
    ),
    list: connection.prepare(
      `SELECT d.*, e.* FROM delivery d JOIN endpoint e ON e.endpoint_key = d.endpoint_key WHERE d.message_key = ? ORDER BY d.endpoint_key`,
    ),
    countOpen: connection.prepare(
      'SELECT state, count(*) AS count FROM delivery WHERE next_attempt_at IS NOT NULL AND state IN (0, 1) GROUP BY state',
    ),
    countHeld: connection.prepare('SELECT count(*) AS count FROM delivery WHERE state = 4'),
    cancel: connection.prepare(
      `UPDATE delivery SET state = 5, next_attempt_at = NULL, fence = 0, reason = ? WHERE message_key = ? AND endpoint_key = ?`,
    ),
    openOf: [
      'SELECT message_key AS key FROM delivery WHERE state = 0 AND endpoint_key = ? AND next_attempt_at IS NOT NULL LIMIT ?',
      'SELECT message_key AS key FROM delivery WHERE state = 1 AND endpoint_key = ? AND next_attempt_at IS NOT NULL LIMIT ?',
      'SELECT message_key AS key FROM delivery WHERE state = 4 AND endpoint_key = ? LIMIT ?',
    ].map((sql) => connection.prepare(sql)),
  };
}

function delivery(row: Row): Delivery {
  return {
    messageKey: row.message_key,
    endpointKey: row.endpoint_key,
    state: STATES[row.state] as DeliveryState,
    attemptCount: row.attempt_count,
    nextAttemptAt: row.next_attempt_at,
    reason: row.reason,
  };
}
