import { bigints, smallints } from './arrays.ts';
import { type Executor, statement } from './connection.ts';
import { keyBounds, lockLinesOf, type Place, placeValues } from './delivery-lines.ts';
import { listedRows, withKeyLists } from './listed-rows.ts';

/** A delivery as it was. */
export interface Closed extends Place {
  readonly applicationKey: number;
  readonly state: number;
  readonly fence: number;
  readonly orderKey: string | null;
}

const LOCK = statement(
  `SELECT d.application_key AS "applicationKey", d.message_key AS "messageKey", d.endpoint_key AS "endpointKey", d.state, d.fence,
     d.order_key AS "orderKey"
   FROM ${withKeyLists(`(
     SELECT DISTINCT message_key, endpoint_key
     FROM ${listedRows('message_key, endpoint_key', '$1::bigint[]', '$2::bigint[]')} AS p
     ORDER BY message_key, endpoint_key)`)} AS place
   CROSS JOIN LATERAL (
     SELECT o.application_key FROM posthorn.endpoint o WHERE o.endpoint_key = place.endpoint_key OFFSET 0) AS e
   CROSS JOIN LATERAL (
     SELECT o.application_key, o.message_key, o.endpoint_key, o.state, o.fence, o.order_key FROM posthorn.delivery o
     WHERE o.application_key = e.application_key AND o.message_key = ANY (place.key_list)
       AND o.message_key BETWEEN $3 AND $4 AND o.endpoint_key = place.endpoint_key OFFSET 0 FOR UPDATE) AS d
   WHERE d.state = ANY($5::smallint[])`,
);
const CLOSE = statement(
  `UPDATE posthorn.delivery d SET state = $6, next_attempt_at = NULL, fence = 0, reason = $7
   FROM ${listedRows('application_key, message_key, endpoint_key', '$1::bigint[]', '$2::bigint[]', '$3::bigint[]')} AS place
   WHERE d.application_key = place.application_key AND d.message_key = place.message_key
     AND d.message_key BETWEEN $4 AND $5 AND d.endpoint_key = place.endpoint_key`,
);

/**
 * Takes deliveries that are in one of these states out of what is to be sent: held, or cancelled. Returns what they were like, by
 * message and endpoint.
 */
export async function closeDeliveries(
  tx: Executor,
  places: readonly Place[],
  { states, to }: { states: readonly number[]; to: { state: number; reason: string } },
): Promise<Closed[]> {
  if (places.length === 0) return [];
  const bounds = keyBounds(places.map(({ messageKey }) => messageKey));
  const [, before] = await Promise.all([
    lockLinesOf(tx, places),
    tx.rows<Closed>(LOCK, [...placeValues(places), ...bounds, smallints(states)]),
  ]);
  if (before.length === 0) return [];
  const applicationKeys = bigints(before.map(({ applicationKey }) => applicationKey));
  await tx.changes(CLOSE, [applicationKeys, ...placeValues(before), ...bounds, to.state, to.reason]);
  return before;
}
