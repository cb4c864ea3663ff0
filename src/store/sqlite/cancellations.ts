import type { DeliveryReason } from '../../model/delivery.ts';
import type { Stopped } from '../store.ts';
import { type Connection, transaction } from './connection.ts';
import { type Effects, effects } from './effects.ts';

type Place = { messageKey: number; endpointKey: number };
type CancelParams = {
  deliveries: readonly { readonly messageKey: number; readonly endpointKey: number }[];
  reason: Extract<DeliveryReason, 'cancelled' | 'skipped' | 'expired'>;
  failedToo?: boolean;
  now: number;
};
type ExpireParams = { now: number; limit: number };
type Before = { state: number; orderKey: string | null };

const FAILED = 3;
const OPEN = [0, 1, 4];

/** Deliveries that end before their time: by a person, or because their message is too old. */
export function cancellations(connection: Connection) {
  const cancel = cancelling(connection);
  const begin = effects(connection);
  const { expired, looked, endpointsOf, leasedResends, dropResends } = prepare(connection);

  return {
    deliveryCancel: ({ deliveries, reason, failedToo = false, now }: CancelParams) =>
      transaction(connection, (): Stopped & { cancelled: Place[] } => {
        const outcome = begin();
        const states = failedToo ? [...OPEN, FAILED] : OPEN;
        const cancelled: Place[] = [];
        for (const { messageKey, endpointKey } of deliveries) {
          const before = cancel(messageKey, endpointKey, { reason, states, outcome });
          if (before === null) continue;
          cancelled.push({ messageKey, endpointKey });
          if (reason === 'expired') continue;
          const leased = leasedResends.get(endpointKey, messageKey) === 1;
          if (leased && before.state !== 1) outcome.dropped(messageKey, endpointKey);
          dropResends.run(endpointKey, messageKey);
        }
        return { ...outcome.end(now), cancelled };
      }),
    deliveryExpire: ({ now, limit }: ExpireParams): Stopped & { messages: number } =>
      transaction(connection, () => {
        const outcome = begin();
        const rows = expired.all(now, limit) as { expiresAt: number; messageKey: number }[];
        for (const { expiresAt, messageKey } of rows) {
          for (const endpointKey of endpointsOf.all(messageKey) as number[]) {
            cancel(messageKey, endpointKey, { reason: 'expired', states: OPEN, outcome });
          }
          looked.run(expiresAt, messageKey);
        }
        return { ...outcome.end(now), messages: rows.length };
      }),
  };
}

/** Cancels a delivery that is in one of these states. Returns what it was like; null: it was none to cancel. */
export function cancelling(connection: Connection) {
  const find = connection.prepare(
    'SELECT state, order_key AS orderKey FROM delivery WHERE message_key = ? AND endpoint_key = ?',
  );
  const close = connection.prepare(
    `UPDATE delivery SET state = 5, next_attempt_at = NULL, fence = 0, reason = ? WHERE message_key = ? AND endpoint_key = ?`,
  );
  return (
    messageKey: number,
    endpointKey: number,
    { reason, states, outcome }: { reason: DeliveryReason; states: readonly number[]; outcome: Effects },
  ): Before | null => {
    const before = find.get(messageKey, endpointKey) as Before | undefined;
    if (before === undefined || !states.includes(before.state)) return null;
    close.run(reason, messageKey, endpointKey);
    if (before.state === 1) outcome.dropped(messageKey, endpointKey);
    outcome.changed(endpointKey, before.orderKey);
    return before;
  };
}

function prepare(connection: Connection) {
  return {
    expired: connection.prepare(
      `SELECT expires_at AS expiresAt, message_key AS messageKey FROM expiry WHERE expires_at <= ?
       ORDER BY expires_at, message_key LIMIT ?`,
    ),
    looked: connection.prepare('DELETE FROM expiry WHERE expires_at = ? AND message_key = ?'),
    endpointsOf: connection.prepare('SELECT endpoint_key FROM delivery WHERE message_key = ?').pluck(),
    leasedResends: connection
      .prepare(
        'SELECT EXISTS (SELECT 1 FROM resend WHERE endpoint_key = ? AND message_key = ? AND fence > 0)',
      )
      .pluck(),
    dropResends: connection.prepare('DELETE FROM resend WHERE endpoint_key = ? AND message_key = ?'),
  };
}
