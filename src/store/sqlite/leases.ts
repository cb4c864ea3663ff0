import type { Lease } from '../../model/lease.ts';
import { type Connection, transaction } from './connection.ts';
import { effects } from './effects.ts';

/** What came to the head of its line where no clock was asked is due since it was accepted. */
const LONG_DUE = 0;

/** Leases that come back: those given back, and those that a process left when it ended. */
export function leases(connection: Connection) {
  const { unlease, unleaseResend, release } = prepare(connection);
  const begin = effects(connection);

  return {
    deliveryUnlease: (params: { leases: readonly Lease[] }): number =>
      transaction(connection, () => {
        const outcome = begin();
        let given = 0;
        for (const { messageKey, endpointKey, fence, resendKey } of params.leases) {
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
        outcome.end(LONG_DUE);
        return given;
      }),
    deliveryRelease: ({ before }: { before: number }): number =>
      transaction(connection, () => {
        const outcome = begin();
        const ordered = release.lines.all(before) as { endpointKey: number; orderKey: string }[];
        for (const { endpointKey, orderKey } of ordered) outcome.changed(endpointKey, orderKey);
        const released = release.all.reduce((sum, each) => sum + each.run(before).changes, 0);
        outcome.end(LONG_DUE);
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
