import type { DeliveryReason } from '../../model/delivery.ts';
import type { Lease } from '../../model/lease.ts';
import type { Stopped, Store } from '../store.ts';
import { bigints } from './arrays.ts';
import type { Backend } from './backend.ts';
import { type Closed, closeDeliveries } from './closings.ts';
import { type Executor, statement } from './connection.ts';
import { type Place, placeValues } from './delivery-lines.ts';
import { type Effects, effects } from './effects.ts';
import { expiring } from './expiries.ts';
import { listedRows } from './listed-rows.ts';
import { stoppedSignals } from './stopped-signals.ts';

type CancelParams = Parameters<Store['deliveryCancel']>[0];
type ExpireParams = Parameters<Store['deliveryExpire']>[0];
type Expired = Awaited<ReturnType<Store['deliveryExpire']>>;
const [SENDING, FAILED, CANCELLED] = [1, 3, 5];
const OPEN = [0, 1, 4];
const NOT_SENDING = [0, 4];

const DROP_RESENDS = statement(
  `DELETE FROM posthorn.resend WHERE resend_key = ANY (ARRAY (
     SELECT r.resend_key FROM ${listedRows('application_key, message_key, endpoint_key', '$1::bigint[]', '$2::bigint[]', '$3::bigint[]')} AS place
     CROSS JOIN LATERAL (
       SELECT l.resend_key FROM posthorn.resend l WHERE l.application_key = place.application_key
         AND l.endpoint_key = place.endpoint_key AND l.message_key = place.message_key OFFSET 0) AS r))
   RETURNING message_key AS "messageKey", endpoint_key AS "endpointKey", fence, resend_key AS "resendKey"`,
);

/** Deliveries that end before their time: by a person, or because their message is too old. */
export function cancellations({ db, tell }: Backend) {
  return {
    deliveryCancel: ({ deliveries, reason, failedToo = false, now }: CancelParams) =>
      db.transaction(async (tx): Promise<Stopped & { cancelled: Place[] }> => {
        const outcome = effects(tx);
        const states = failedToo ? [...OPEN, FAILED] : OPEN;
        const before = await cancelDeliveries(tx, deliveries, { reason, states, outcome });
        if (reason !== 'expired') await dropResends(tx, before, outcome);
        const stopped = await outcome.end(now);
        await tell(tx, stoppedSignals(stopped));
        const done = new Set(before.map(({ messageKey, endpointKey }) => `${messageKey} ${endpointKey}`));
        // In the order they were named.
        const cancelled = deliveries.flatMap(({ messageKey, endpointKey }) =>
          done.delete(`${messageKey} ${endpointKey}`) ? [{ messageKey, endpointKey }] : [],
        );
        return { ...stopped, cancelled };
      }),
    deliveryExpire: (params: ExpireParams): Promise<Expired> =>
      db.transaction(async (tx) => {
        const outcome = effects(tx);
        const cancel = (places: readonly Place[]) =>
          cancelDeliveries(tx, places, { reason: 'expired', states: NOT_SENDING, outcome });
        const { messages, more } = await expiring(tx, params, cancel);
        const stopped = await outcome.end(params.now);
        await tell(tx, stoppedSignals(stopped));
        return { ...stopped, messages, more };
      }),
  };
}

/** Cancels those that are in one of these states. Returns what they were like, by message and endpoint. */
export async function cancelDeliveries(
  tx: Executor,
  places: readonly Place[],
  { reason, states, outcome }: { reason: DeliveryReason; states: readonly number[]; outcome: Effects },
): Promise<Closed[]> {
  const before = await closeDeliveries(tx, places, { states, to: { state: CANCELLED, reason } });
  for (const each of before) {
    if (each.state === SENDING) outcome.dropped({ ...each, resendKey: null });
    outcome.changed(each.endpointKey, each.orderKey);
  }
  return before;
}

/** Those of what was cancelled. */
async function dropResends(tx: Executor, before: readonly Closed[], outcome: Effects): Promise<void> {
  if (before.length === 0) return;
  const resends = await tx.rows<Lease>(DROP_RESENDS, [
    bigints(before.map(({ applicationKey }) => applicationKey)),
    ...placeValues(before),
  ]);
  for (const resend of resends) if (resend.fence > 0) outcome.dropped(resend);
}
