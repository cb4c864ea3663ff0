import { bigints } from './arrays.ts';
import { type Executor, statement } from './connection.ts';
import { listedRows } from './listed-rows.ts';

export interface Place {
  readonly messageKey: number;
  readonly endpointKey: number;
}

/** Deliveries `d` by the places in `$1` and `$2`, with what the planner may choose left out: it is to look for one after the other. */
const DELIVERIES_AT = `${listedRows('message_key, endpoint_key', '$1::bigint[]', '$2::bigint[]')} AS place
  CROSS JOIN LATERAL (
    SELECT o.application_key FROM posthorn.endpoint o WHERE o.endpoint_key = place.endpoint_key OFFSET 0) AS e
  CROSS JOIN LATERAL (
    SELECT o.endpoint_key, o.order_key FROM posthorn.delivery o WHERE o.application_key = e.application_key
      AND o.message_key = place.message_key AND o.endpoint_key = place.endpoint_key OFFSET 0) AS d`;
const LOCK = statement(
  `SELECT posthorn.lock_lines(array_agg(line.endpoint_key), array_agg(line.order_key)) FROM (
     SELECT DISTINCT d.endpoint_key, d.order_key FROM ${DELIVERIES_AT} WHERE d.order_key IS NOT NULL) AS line`,
);

/**
 * Locks the lines that these deliveries stand in, before their rows are locked: whoever has a line changes the rows of others in
 * it, so that the other order would be a circle. A delivery that comes into another line at this moment costs a second try.
 */
export async function lockLinesOf(tx: Executor, places: readonly Place[]): Promise<void> {
  await tx.rows(LOCK, placeValues(places));
}

/** Message keys, and endpoint keys. */
export function placeValues(places: readonly Place[]): [Buffer, Buffer] {
  return [
    bigints(places.map(({ messageKey }) => messageKey)),
    bigints(places.map(({ endpointKey }) => endpointKey)),
  ];
}

/** The lowest and the highest message key, by which a statement leaves partitions out. */
export function keyBounds(messageKeys: readonly number[]): [number, number] {
  let [lowest, highest] = [Number.MAX_SAFE_INTEGER, 0];
  for (const messageKey of messageKeys) {
    lowest = Math.min(lowest, messageKey);
    highest = Math.max(highest, messageKey);
  }
  return [lowest, highest];
}
