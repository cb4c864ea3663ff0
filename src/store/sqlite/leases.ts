import { type Lease, RESEND_DUE_AT } from '../../model/lease.ts';
import type { Store } from '../store.ts';
import { type Connection, transaction } from './connection.ts';
import { effects } from './effects.ts';

type ReleaseParams = Parameters<Store['deliveryRelease']>[0];
type Released = Awaited<ReturnType<Store['deliveryRelease']>>;
type ReleasedRow = { endpointKey: number; orderKey: string | null; dueAt: number };

/** Leases that come back: those given back, and those that a process left when it ended. */
export function leases(connection: Connection) {
  const { unlease, unleaseResend, release, releaseResends } = prepare(connection);
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
    deliveryRelease: ({ from, before, now, limit }: ReleaseParams): Released =>
      transaction(connection, () => {
        const outcome = begin();
        const range = { from, before };
        const rows = release.all({ ...range, limit }) as ReleasedRow[];
        for (const { endpointKey, orderKey, dueAt } of rows) {
          // Of a line, the turn is given anew.
          if (orderKey === null) outcome.stored(endpointKey, dueAt);
          else outcome.changed(endpointKey, orderKey);
        }
        const resends = releaseResends.all({ ...range, limit: limit - rows.length }) as number[];
        for (const endpointKey of resends) outcome.stored(endpointKey, RESEND_DUE_AT);
        const released = rows.length + resends.length;
        return { released, more: released === limit, stored: outcome.end(now).stored };
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
    release: connection.prepare(
      `UPDATE delivery SET state = 0, fence = 0 WHERE (message_key, endpoint_key) IN (
         SELECT message_key, endpoint_key FROM delivery INDEXED BY delivery_open
         WHERE state = 1 AND next_attempt_at IS NOT NULL AND fence >= @from AND fence < @before LIMIT @limit)
       RETURNING endpoint_key AS endpointKey, order_key AS orderKey, next_attempt_at AS dueAt`,
    ),
    releaseResends: connection
      .prepare(
        `UPDATE resend SET fence = 0 WHERE resend_key IN (
           SELECT resend_key FROM resend WHERE fence > 0 AND fence >= @from AND fence < @before LIMIT @limit)
         RETURNING endpoint_key`,
      )
      .pluck(),
  };
}
