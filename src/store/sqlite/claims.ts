import type { Lease, LeasedDelivery } from '../../model/lease.ts';
import type { Backlog, LaneClaim } from '../store.ts';
import { type Connection, transaction } from './connection.ts';

type ClaimParams = { lanes: readonly LaneClaim[]; characters: number; dueBy: number; fence: number };
type HeldOf = { key: number; deleted: 0 | 1 };
type Claim = { claimed: LeasedDelivery[]; nextDueAt: number | null };

/** Leases, from the claim to the return. What is open has its payload: expunging ends what is open in the same transaction. */
export function claims(connection: Connection) {
  const statements = prepare(connection);
  const claim = claiming(statements);
  const { anyResend, nextDue, waits, unlease, unleaseResend, nextEndpoint, nextHeld, release } = statements;
  const nextDueAt = (endpointKey: number, withResends: boolean): number | null =>
    withResends && waits.get(endpointKey) === 1 ? 0 : (nextDue.get(endpointKey) as number | null);

  return {
    deliveryClaimDue: (params: ClaimParams): Claim[] =>
      transaction(connection, () => {
        // There are none most of the time: then lanes are not asked for theirs.
        const withResends = anyResend.get() === 1;
        let left = params.characters;
        return params.lanes.map((lane) => {
          const room = Math.min(left, lane.characters);
          const claimed = left > 0 ? claim(lane, room, params, withResends) : [];
          for (const { payload } of claimed) left -= payload.length;
          return { claimed, nextDueAt: nextDueAt(lane.endpointKey, withResends) };
        });
      }),
    deliveryUnlease: ({ leases }: { leases: readonly Lease[] }): number =>
      transaction(connection, () => {
        let given = 0;
        for (const { messageKey, endpointKey, fence, resendKey } of leases) {
          const back =
            resendKey === null
              ? unlease.run(messageKey, endpointKey, fence)
              : unleaseResend.run(resendKey, fence);
          given += back.changes;
        }
        return given;
      }),
    deliveryBacklog(): Backlog[] {
      const backlog: Backlog[] = [];
      // One seek per endpoint, however many deliveries each has.
      let next = nextEndpoint.get({ after: -1 }) as number | null;
      while (next !== null) {
        const at = nextDueAt(next, true);
        if (at !== null) backlog.push({ endpointKey: next, nextDueAt: at });
        next = nextEndpoint.get({ after: next }) as number | null;
      }
      return backlog;
    },
    deliveryOrphans(): number[] {
      const orphans: number[] = [];
      let next = nextHeld.get(-1) as HeldOf | undefined;
      for (; next !== undefined; next = nextHeld.get(next.key) as HeldOf | undefined) {
        if (next.deleted === 1) orphans.push(next.key);
      }
      return orphans;
    },
    deliveryRelease: ({ before }: { before: number }): number =>
      transaction(connection, () => release.reduce((sum, each) => sum + each.run(before).changes, 0)),
  };
}

/** Claims for one lane, row by row: a payload that finds no room is not read any further than itself. */
function claiming({ due, dueResends, lease, leaseResend }: ReturnType<typeof prepare>) {
  return (lane: LaneClaim, characters: number, params: ClaimParams, withResends: boolean) => {
    const { dueBy, fence } = params;
    const claimed: LeasedDelivery[] = [];
    let left = characters;
    /** Whether there was room for all. */
    const take = (rows: Iterable<unknown>): boolean => {
      for (const row of rows) {
        const delivery = { ...(row as Omit<LeasedDelivery, 'fence'>), fence };
        if (claimed.length > 0 && delivery.payload.length > left) return false;
        left -= delivery.payload.length;
        claimed.push(delivery);
      }
      return true;
    };
    if (!withResends || take(dueResends.iterate(lane.endpointKey, lane.deliveries))) {
      take(due.iterate(lane.endpointKey, dueBy, lane.deliveries - claimed.length));
    }
    for (const { messageKey, resendKey } of claimed) {
      if (resendKey === null) lease.run(fence, messageKey, lane.endpointKey);
      else leaseResend.run(fence, resendKey);
    }
    return claimed;
  };
}

function prepare(connection: Connection) {
  return {
    due: connection.prepare(
      `SELECT d.message_key AS messageKey, d.endpoint_key AS endpointKey, NULL AS resendKey,
       d.attempt_count AS attemptCount, d.next_attempt_at AS nextAttemptAt, m.id AS messageId, m.payload
     FROM delivery d JOIN message m ON m.message_key = d.message_key
     WHERE d.state = 0 AND d.endpoint_key = ? AND d.next_attempt_at <= ? ORDER BY d.next_attempt_at, d.message_key LIMIT ?`,
    ),
    dueResends: connection.prepare(
      `SELECT r.message_key AS messageKey, r.endpoint_key AS endpointKey, r.resend_key AS resendKey, 0 AS attemptCount,
       0 AS nextAttemptAt, m.id AS messageId, m.payload
     FROM resend r JOIN message m ON m.message_key = r.message_key
     WHERE r.fence = 0 AND r.endpoint_key = ? ORDER BY r.resend_key LIMIT ?`,
    ),
    lease: connection.prepare(
      'UPDATE delivery SET state = 1, fence = ? WHERE message_key = ? AND endpoint_key = ?',
    ),
    leaseResend: connection.prepare('UPDATE resend SET fence = ? WHERE resend_key = ?'),
    unlease: connection.prepare(
      `UPDATE delivery SET state = 0, fence = 0
       WHERE message_key = ? AND endpoint_key = ? AND fence = ? AND state = 1`,
    ),
    unleaseResend: connection.prepare('UPDATE resend SET fence = 0 WHERE resend_key = ? AND fence = ?'),
    anyResend: connection.prepare('SELECT EXISTS (SELECT 1 FROM resend WHERE fence = 0)').pluck(),
    nextDue: connection
      .prepare(
        'SELECT min(next_attempt_at) FROM delivery WHERE state = 0 AND endpoint_key = ? AND next_attempt_at IS NOT NULL',
      )
      .pluck(),
    waits: connection
      .prepare('SELECT EXISTS (SELECT 1 FROM resend WHERE fence = 0 AND endpoint_key = ?)')
      .pluck(),
    nextEndpoint: connection
      .prepare(
        `SELECT min(key) FROM (
           SELECT min(endpoint_key) AS key FROM delivery WHERE state = 0 AND endpoint_key > @after AND next_attempt_at IS NOT NULL
           UNION ALL SELECT min(endpoint_key) FROM resend WHERE fence = 0 AND endpoint_key > @after)`,
      )
      .pluck(),
    nextHeld: connection.prepare(
      `SELECT endpoint_key AS key, deleted_at IS NOT NULL AS deleted FROM endpoint WHERE endpoint_key =
         (SELECT min(endpoint_key) FROM delivery WHERE state = 4 AND endpoint_key > ?)`,
    ),
    release: [
      'UPDATE delivery SET state = 0, fence = 0 WHERE state = 1 AND next_attempt_at IS NOT NULL AND fence < ?',
      'UPDATE resend SET fence = 0 WHERE fence > 0 AND fence < ?',
    ].map((sql) => connection.prepare(sql)),
  };
}
