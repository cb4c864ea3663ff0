import type { DeliveryReason } from '../../model/delivery.ts';
import type { Lease } from '../../model/lease.ts';
import type { Stopped, Store } from '../store.ts';
import { type Connection, transaction } from './connection.ts';
import { type Effects, effects } from './effects.ts';

type Place = { messageKey: number; endpointKey: number };
type CancelParams = Parameters<Store['deliveryCancel']>[0];
type ExpireParams = Parameters<Store['deliveryExpire']>[0];
type Due = { expiresAt: number; messageKey: number };
type OpenOf = { looked: number; sending: number; open: string };
type Before = { state: number; fence: number; orderKey: string | null };

const FAILED = 3;
const OPEN = [0, 1, 4];
/** A row that is cancelled costs as much as so many that are looked at. */
const CANCEL_COST = 4;
/** Until what was under way when its message expired is looked at again. */
const SENDING_MS = 60_000;

/** Deliveries that end before their time: by a person, or because their message is too old. */
export function cancellations(connection: Connection) {
  const cancel = cancelling(connection);
  const begin = effects(connection);
  const expire = expiring(connection);
  const { expired, dropResends } = prepare(connection);

  return {
    deliveryCancel: ({ deliveries, reason, failedToo = false, now }: CancelParams) =>
      transaction(connection, (): Stopped & { cancelled: Place[] } => {
        const outcome = begin();
        const states = failedToo ? [...OPEN, FAILED] : OPEN;
        const cancelled: Place[] = [];
        for (const { messageKey, endpointKey } of deliveries) {
          if (!cancel(messageKey, endpointKey, { reason, states, outcome })) continue;
          cancelled.push({ messageKey, endpointKey });
          if (reason === 'expired') continue;
          for (const resend of dropResends.all(endpointKey, messageKey) as Lease[])
            if (resend.fence > 0) outcome.dropped(resend);
        }
        return { ...outcome.end(now), cancelled };
      }),
    deliveryExpire: ({ now, limit, scan }: ExpireParams): Expired =>
      transaction(connection, () => {
        const outcome = begin();
        let [messages, left] = [0, scan];
        for (const due of expired.all(now, limit) as Due[]) {
          const { cost, done } = expire(due, { now, most: Math.ceil(left / CANCEL_COST), outcome });
          if (done) messages++;
          left -= cost;
          if (!done || left <= 0) return { ...outcome.end(now), messages, more: true };
        }
        return { ...outcome.end(now), messages, more: messages === limit };
      }),
  };
}

type Expired = Awaited<ReturnType<Store['deliveryExpire']>>;

/**
 * Cancels what waits or is held of a message that is too old, at most so many. Its row goes when none is left; while one is under
 * way, which ends by itself or comes back, it is put off.
 */
function expiring(connection: Connection) {
  // Looked through once: those that are done, usually all, are not touched.
  const openOf = connection.prepare(
    `SELECT count(*) AS looked, count(*) FILTER (WHERE state = 1) AS sending,
       json_group_array(json_array(endpoint_key, order_key)) FILTER (WHERE state IN (0, 4)) AS open
     FROM delivery WHERE message_key = ?`,
  );
  const cancel = connection.prepare(
    `UPDATE delivery SET state = 5, next_attempt_at = NULL, reason = 'expired' WHERE message_key = ? AND endpoint_key = ?`,
  );
  const remove = connection.prepare('DELETE FROM expiry WHERE expires_at = ? AND message_key = ?');
  const putOff = connection.prepare('INSERT INTO expiry (expires_at, message_key) VALUES (?, ?)');

  return (
    { expiresAt, messageKey }: Due,
    { now, most, outcome }: { now: number; most: number; outcome: Effects },
  ): { cost: number; done: boolean } => {
    const { looked, sending, open } = openOf.get(messageKey) as OpenOf;
    const places = JSON.parse(open) as [endpointKey: number, orderKey: string | null][];
    const taken = places.slice(0, most);
    for (const [endpointKey, orderKey] of taken) {
      cancel.run(messageKey, endpointKey);
      outcome.changed(endpointKey, orderKey);
    }
    const cost = looked + taken.length * (CANCEL_COST - 1);
    if (taken.length < places.length) return { cost, done: false };
    remove.run(expiresAt, messageKey);
    if (sending > 0) putOff.run(now + SENDING_MS, messageKey);
    return { cost, done: true };
  };
}

/** Cancels a delivery that is in one of these states. Returns what it was like; null: it was none to cancel. */
export function cancelling(connection: Connection) {
  const find = connection.prepare(
    'SELECT state, fence, order_key AS orderKey FROM delivery WHERE message_key = ? AND endpoint_key = ?',
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
    if (before.state === 1)
      outcome.dropped({ messageKey, endpointKey, fence: before.fence, resendKey: null });
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
    dropResends: connection.prepare(
      `DELETE FROM resend WHERE endpoint_key = ? AND message_key = ?
       RETURNING message_key AS messageKey, endpoint_key AS endpointKey, fence, resend_key AS resendKey`,
    ),
  };
}
