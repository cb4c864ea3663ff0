import { type Endpoint, orderKeyOf } from '../../model/endpoint.ts';
import type { Connection } from './connection.ts';
import type { Effects } from './effects.ts';

interface MessageRow {
  expunged: 0 | 1;
  expiresAt: number | null;
  deliverAt: number | null;
  orderingKey: string | null;
}

const OPEN = [0, 1];

/**
 * Begins the schedule of a message's delivery to an endpoint anew; where there is none, one is made. It is ordered as the
 * endpoint orders now. False: there is nothing to send, or it is open as it is.
 */
export function reopening(connection: Connection) {
  const message = connection.prepare(
    `SELECT typeof(payload) = 'null' AS expunged, expires_at AS expiresAt, deliver_at AS deliverAt,
       ordering_key AS orderingKey FROM message WHERE message_key = ?`,
  );
  const present = connection.prepare(
    'SELECT state, order_key AS orderKey FROM delivery WHERE message_key = ? AND endpoint_key = ?',
  );
  const upsert = connection.prepare(
    `INSERT INTO delivery (message_key, endpoint_key, state, attempt_count, next_attempt_at, fence, reason, order_key)
     VALUES (@messageKey, @endpointKey, 0, 0, @dueAt, 0, NULL, @orderKey)
     ON CONFLICT (message_key, endpoint_key) DO UPDATE SET state = 0, attempt_count = 0, next_attempt_at = @dueAt, fence = 0,
       reason = NULL, order_key = @orderKey`,
  );

  return (
    messageKey: number,
    target: Endpoint,
    { dueAt, now, outcome }: { dueAt: number; now: number; outcome: Effects },
  ): boolean => {
    const { expunged, expiresAt, deliverAt, orderingKey } = message.get(messageKey) as MessageRow;
    if (expunged === 1 || (expiresAt !== null && expiresAt <= now)) return false;
    const before = present.get(messageKey, target.key) as
      | { state: number; orderKey: string | null }
      | undefined;
    if (before !== undefined && OPEN.includes(before.state)) return false;
    const orderKey = orderKeyOf(target, orderingKey);
    const due = Math.max(dueAt, deliverAt ?? 0);
    upsert.run({ messageKey, endpointKey: target.key, dueAt: due, orderKey });
    // Its line takes the time away again if it is not its turn, and may have been another one before.
    outcome.changed(target.key, before?.orderKey ?? null);
    if (orderKey === null) outcome.stored(target.key, due);
    else outcome.changed(target.key, orderKey);
    return true;
  };
}
