import type { Stopped } from '../store.ts';
import { type Connection, transaction } from './connection.ts';
import { effects } from './effects.ts';
import { stateOf } from './states.ts';

type HurryParams = { messageKey: number; endpointKey: number; now: number };
type Hurried = (Stopped & { state: 'due' }) | { state: 'under_way' | 'ended' | 'expunged' } | null;

interface Row {
  state: number;
  nextAttemptAt: number | null;
  orderKey: string | null;
  expunged: 0 | 1;
}

/** Deliveries that a person does not want to wait for. */
export function hurries(connection: Connection) {
  const begin = effects(connection);
  const find = connection.prepare(
    `SELECT d.state, d.next_attempt_at AS nextAttemptAt, d.order_key AS orderKey, typeof(m.payload) = 'null' AS expunged
     FROM delivery d JOIN message m ON m.message_key = d.message_key
     WHERE d.message_key = @messageKey AND d.endpoint_key = @endpointKey`,
  );
  const of = 'WHERE message_key = @messageKey AND endpoint_key = @endpointKey';
  const goOn = connection.prepare(`UPDATE delivery SET state = 0, next_attempt_at = @now, fence = 0 ${of}`);
  const beginAgain = connection.prepare(
    `UPDATE delivery SET state = 0, next_attempt_at = @now, fence = 0, attempt_count = 0, reason = NULL ${of}`,
  );

  return {
    deliveryHurry: (params: HurryParams): Hurried =>
      transaction(connection, () => {
        const { messageKey, endpointKey, now } = params;
        const row = find.get(params) as Row | undefined;
        if (row === undefined) return null;
        const { nextAttemptAt, orderKey } = row;
        const state = stateOf(row.state);
        if (state === 'succeeded' || state === 'cancelled') return { state: 'ended' };
        if (row.expunged === 1) return { state: 'expunged' };
        const later = nextAttemptAt !== null && nextAttemptAt > now;
        if (state === 'sending' && !later) return { state: 'under_way' };
        const outcome = begin();
        if (state === 'failed' || state === 'held') beginAgain.run(params);
        // One that waits behind another has no time: its line knows when.
        else if (later) goOn.run(params);
        if (state === 'sending') outcome.dropped(messageKey, endpointKey);
        if (orderKey === null) outcome.stored(endpointKey, Math.min(nextAttemptAt ?? now, now));
        // One that is ordered has its time now, unless another stands before it: then its line takes that away.
        else outcome.changed(endpointKey, orderKey);
        return { ...outcome.end(now), state: 'due' };
      }),
  };
}
