import type { LeasedDelivery } from '../../model/lease.ts';
import type { LaneClaim, Store } from '../store.ts';
import { nextDueOf } from './backlogs.ts';
import { type Connection, transaction } from './connection.ts';
import { type Effects, effects } from './effects.ts';

type ClaimParams = Parameters<Store['deliveryClaimDue']>[0];
/** As `.raw()` gives it: an object for each row would be made twice. */
type Row = [
  messageKey: number,
  resendKey: number | null,
  attemptCount: number,
  nextAttemptAt: number,
  orderKey: string | null,
  announced: 0 | 1 | null,
  expiresAt: number | null,
  messageId: string,
  /** Null: it has expired. */
  payload: string | null,
];
type Claim = { claimed: LeasedDelivery[]; nextDueAt: number | null };

/**
 * What a claim cancels at most of what it finds to have expired, where the lane may have fewer deliveries: one whose breaker is
 * open comes past them in a few claims. It costs no more than that many deliveries of a lane with room.
 */
const EXPIRED = 64;

/** Leases what is due. What is open has its payload: expunging ends what is open in the same transaction. */
export function claims(connection: Connection) {
  const { anyResend, ...statements } = prepare(connection);
  const claim = claiming(statements);
  const nextDueAt = nextDueOf(connection);
  const begin = effects(connection);

  return {
    deliveryClaimDue: (params: ClaimParams): Claim[] =>
      transaction(connection, () => {
        // There are none most of the time: then lanes are not asked for theirs.
        const withResends = anyResend.get() === 1;
        let left = params.characters;
        const outcome = begin();
        const claims = params.lanes.map((lane) => {
          const room = Math.min(left, lane.characters);
          const claimed = left > 0 ? claim(lane, room, { ...params, withResends, outcome }) : [];
          for (const { payload } of claimed) left -= payload.length;
          return claimed;
        });
        outcome.end(params.dueBy);
        return params.lanes.map(({ endpointKey }, index) => ({
          claimed: claims[index] ?? [],
          nextDueAt: nextDueAt(endpointKey, withResends),
        }));
      }),
  };
}

/** Claims for one lane, row by row: a payload that finds no room is not read any further than itself. */
function claiming({
  due,
  dueResends,
  lease,
  leaseResend,
  expire,
}: Omit<ReturnType<typeof prepare>, 'anyResend'>) {
  type Params = ClaimParams & { withResends: boolean; outcome: Effects };
  return (lane: LaneClaim, characters: number, { dueBy, fence, withResends, outcome }: Params) => {
    const { endpointKey, deliveries } = lane;
    const claimed: LeasedDelivery[] = [];
    const expired: { messageKey: number; orderKey: string | null }[] = [];
    const mostExpired = Math.max(deliveries, EXPIRED);
    let left = characters;
    /** Whether there was room for all. */
    const take = (rows: Iterable<Row>): boolean => {
      for (const row of rows) {
        const [messageKey, , , , orderKey, , , , payload] = row;
        if (payload === null) {
          if (expired.push({ messageKey, orderKey }) === mostExpired) return false;
          continue;
        }
        if (claimed.length > 0 && payload.length > left) return false;
        const delivery = leased(row, { payload, endpointKey, fence });
        left -= payload.length;
        if (claimed.push(delivery) === deliveries) return false;
      }
      return true;
    };
    if (deliveries > 0 && (!withResends || take(dueResends.iterate(endpointKey) as Iterable<Row>)))
      take(due.iterate({ endpointKey, dueBy }) as Iterable<Row>);
    for (const { messageKey, orderKey } of expired) {
      expire.run(messageKey, endpointKey);
      outcome.changed(endpointKey, orderKey);
    }
    for (const { messageKey, resendKey } of claimed) {
      if (resendKey === null) lease.run(fence, messageKey, endpointKey);
      else leaseResend.run(fence, resendKey);
    }
    return claimed;
  };
}

function leased(row: Row, held: { payload: string; endpointKey: number; fence: number }): LeasedDelivery {
  const [messageKey, resendKey, attemptCount, nextAttemptAt, orderKey, announced, expiresAt, messageId] = row;
  return {
    ...held,
    messageKey,
    resendKey,
    messageId,
    attemptCount,
    nextAttemptAt,
    expiresAt,
    orderKey,
    announced: announced === 1,
  };
}

function prepare(connection: Connection) {
  return {
    // What has expired is told by the index, before the payload is read: they may be many, and none of them is sent.
    due: connection
      .prepare(
        `SELECT d.message_key, NULL, d.attempt_count, d.next_attempt_at, d.order_key, d.announced, x.expires_at, m.id,
           iif(x.expires_at <= @dueBy, NULL, m.payload)
         FROM delivery d CROSS JOIN message m ON m.message_key = d.message_key
         LEFT JOIN message x INDEXED BY message_expires_at ON x.message_key = d.message_key AND x.expires_at IS NOT NULL
         WHERE d.state = 0 AND d.endpoint_key = @endpointKey AND d.next_attempt_at <= @dueBy
         ORDER BY d.next_attempt_at, d.message_key`,
      )
      .raw(),
    dueResends: connection
      .prepare(
        `SELECT r.message_key, r.resend_key, 0, 0, NULL, (SELECT announced FROM delivery d
           WHERE d.message_key = r.message_key AND d.endpoint_key = r.endpoint_key), NULL, m.id, m.payload
         FROM resend r JOIN message m ON m.message_key = r.message_key
         WHERE r.fence = 0 AND r.endpoint_key = ? ORDER BY r.resend_key`,
      )
      .raw(),
    lease: connection.prepare(
      'UPDATE delivery SET state = 1, fence = ? WHERE message_key = ? AND endpoint_key = ?',
    ),
    leaseResend: connection.prepare('UPDATE resend SET fence = ? WHERE resend_key = ?'),
    expire: connection.prepare(
      `UPDATE delivery SET state = 5, next_attempt_at = NULL, reason = 'expired' WHERE message_key = ? AND endpoint_key = ?`,
    ),
    anyResend: connection.prepare('SELECT EXISTS (SELECT 1 FROM resend WHERE fence = 0)').pluck(),
  };
}
