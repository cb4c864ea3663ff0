import { stateOf } from '../rows/delivery-states.ts';
import type { Hurried, Store } from '../store.ts';
import { type Connection, transaction } from './connection.ts';
import { effects } from './effects.ts';

type HurryParams = Parameters<Store['deliveryHurry']>[0];

interface Row {
  state: number;
  nextAttemptAt: number | null;
  fence: number;
  orderKey: string | null;
  expunged: 0 | 1;
}

interface Before {
  messageId: string;
  state: number;
}

/** Deliveries that a person does not want to wait for. */
export function hurries(connection: Connection) {
  const begin = effects(connection);
  const find = connection.prepare(
    `SELECT d.state, d.next_attempt_at AS nextAttemptAt, d.fence, d.order_key AS orderKey,
       typeof(m.payload) = 'null' AS expunged
     FROM delivery d JOIN message m ON m.message_key = d.message_key
     WHERE d.message_key = @messageKey AND d.endpoint_key = @endpointKey`,
  );
  const before = connection.prepare(
    `SELECT m.id AS messageId, d.state FROM delivery d JOIN message m ON m.message_key = d.message_key
     WHERE d.endpoint_key = @endpointKey AND d.state IN (0, 1, 3, 4) AND d.message_key < @messageKey
     AND d.order_key = (SELECT order_key FROM delivery WHERE message_key = @messageKey AND endpoint_key = @endpointKey)
     ORDER BY d.message_key LIMIT 1`,
  );
  const of = 'WHERE message_key = @messageKey AND endpoint_key = @endpointKey';
  const goOn = connection.prepare(`UPDATE delivery SET state = 0, next_attempt_at = @now, fence = 0 ${of}`);
  const beginAgain = connection.prepare(
    `UPDATE delivery SET state = 0, next_attempt_at = @now, fence = 0, attempt_count = 0, reason = NULL ${of}`,
  );

  return {
    deliveryHurry: (params: HurryParams): Hurried | null =>
      transaction(connection, () => {
        const { messageKey, endpointKey, now } = params;
        const row = find.get(params) as Row | undefined;
        if (row === undefined) return null;
        const { nextAttemptAt, fence, orderKey } = row;
        const state = stateOf(row.state);
        if (state === 'succeeded' || state === 'cancelled') return { state: 'ended' };
        if (row.expunged === 1) return { state: 'expunged' };
        const later = nextAttemptAt !== null && nextAttemptAt > now;
        if (state === 'sending' && !later) return { state: 'under_way' };
        const first = orderKey === null ? undefined : (before.get(params) as Before | undefined);
        if (first !== undefined) {
          return { state: 'behind', before: { messageId: first.messageId, state: stateOf(first.state) } };
        }
        const outcome = begin();
        if (state === 'failed' || state === 'held') beginAgain.run(params);
        else if (later) goOn.run(params);
        if (state === 'sending') outcome.dropped({ messageKey, endpointKey, fence, resendKey: null });
        if (orderKey === null) outcome.stored(endpointKey, Math.min(nextAttemptAt ?? now, now));
        // It is the first of its line, which gives it its time, but for while a younger one of it is under way.
        else outcome.changed(endpointKey, orderKey);
        return { ...outcome.end(now), state: 'due' };
      }),
  };
}
