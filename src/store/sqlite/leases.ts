import type { Lease } from '../../model/lease.ts';
import { type Connection, transaction } from './connection.ts';
import { effects } from './effects.ts';

/** Leases that come back: those given back, and those that a process left when it ended. */
export function leases(connection: Connection) {
  const { unlease, unleaseResend, release } = prepare(connection);
  const begin = effects(connection);

  return {
    deliveryUnlease: ({ leases, now }: { leases: readonly Lease[]; now: number }): number =>
      transaction(connection, () => {
        const outcome = begin();
        let given = 0;
        for (const { messageKey, endpointKey, fence, resendKey } of leases) {
          if (resendKey !== null) given += unleaseResend.run(resendKey, fence).changes;
          else {
            const back = unlease.get(messageKey, endpointKey, fence) as
              | { orderKey: string | null }
              | undefined;
            if (back === undefined) continue;
            given++;
            outcome.changed(endpointKey, back.orderKey);
          }
        }
        outcome.end(now);
        return given;
      }),
    deliveryRelease: ({ before, now }: { before: number; now: number }): number =>
      transaction(connection, () => {
        const outcome = begin();
        const ordered = release.lines.all(before) as { endpointKey: number; orderKey: string }[];
        for (const { endpointKey, orderKey } of ordered) outcome.changed(endpointKey, orderKey);
        const released = release.all.reduce((sum, each) => sum + each.run(before).changes, 0);
        outcome.end(now);
        return released;
      }),
  };
}

function prepare(connection: Connection) {
  return {
    unlease: connection.prepare(
      `UPDATE delivery SET state = 0, fence = 0
       WHERE message_key = ? AND endpoint_key = ? AND fence = ? AND state = 1 RETURNING order_key AS orderKey`,
    ),
    unleaseResend: connection.prepare('UPDATE resend SET fence = 0 WHERE resend_key = ? AND fence = ?'),
    release: {
      lines: connection.prepare(
        `SELECT endpoint_key AS endpointKey, order_key AS orderKey FROM delivery INDEXED BY delivery_turn
         WHERE order_key IS NOT NULL AND state IN (0, 1) AND next_attempt_at IS NOT NULL AND state = 1 AND fence < ?`,
      ),
      all: [
        'UPDATE delivery SET state = 0, fence = 0 WHERE state = 1 AND next_attempt_at IS NOT NULL AND fence < ?',
        'UPDATE resend SET fence = 0 WHERE fence > 0 AND fence < ?',
      ].map((sql) => connection.prepare(sql)),
    },
  };
}
