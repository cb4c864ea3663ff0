import { type Endpoint, orderKeyOf } from '../../model/endpoint.ts';
import { bigints, texts } from './arrays.ts';
import { type Executor, statement } from './connection.ts';
import { keyBounds } from './delivery-lines.ts';
import type { Effects } from './effects.ts';
import { listedRows, withKeyLists } from './listed-rows.ts';

interface MessageRow {
  messageKey: number;
  deliverAt: number | null;
  orderingKey: string | null;
}
interface Present {
  messageKey: number;
  state: number;
  orderKey: string | null;
}
/** A delivery as it is to be. */
interface Again {
  readonly messageKey: number;
  readonly dueAt: number;
  readonly orderKey: string | null;
}
interface ReopenParams {
  now: number;
  /** So many a second. */
  rate: number;
  /** Those that are in none of these states stay as they are: since they were found, somebody may have cancelled them. */
  among: readonly number[];
  outcome: Effects;
}

const OPEN = [0, 1];

/** Those that can be sent. Whoever takes a payload away waits for the end of this, and finds what is open by then. */
const MESSAGES = statement(
  `SELECT m.message_key AS "messageKey", m.deliver_at AS "deliverAt", m.ordering_key AS "orderingKey"
   FROM ${withKeyLists(`(SELECT * FROM ${listedRows('message_key', '$2::bigint[]')} AS w ORDER BY message_key)`)} AS wanted
   CROSS JOIN LATERAL (
     SELECT l.message_key, l.deliver_at, l.ordering_key, l.expires_at, l.payload IS NULL AS expunged FROM posthorn.message l
     WHERE l.application_key = $1 AND l.message_key = ANY (wanted.key_list) AND l.message_key BETWEEN $4 AND $5
     OFFSET 0 FOR SHARE) AS m
   WHERE NOT m.expunged AND (m.expires_at IS NULL OR m.expires_at > $3)`,
);
/** The lines that they come into, and those that they stood in. */
const LOCK_LINES = statement(
  `SELECT posthorn.lock_lines(array_agg(line.endpoint_key), array_agg(line.order_key)) FROM (
     SELECT $2::bigint AS endpoint_key, u.order_key FROM unnest($4::text[]) AS u (order_key) WHERE u.order_key IS NOT NULL
     UNION SELECT d.endpoint_key, d.order_key FROM ${listedRows('message_key', '$3::bigint[]')} AS wanted
     CROSS JOIN LATERAL (
       SELECT l.endpoint_key, l.order_key FROM posthorn.delivery l
       WHERE l.application_key = $1 AND l.message_key = wanted.message_key AND l.endpoint_key = $2 OFFSET 0) AS d
     WHERE d.order_key IS NOT NULL) AS line`,
);
const PRESENT = statement(
  `SELECT d.message_key AS "messageKey", d.state, d.order_key AS "orderKey"
   FROM ${withKeyLists(`(SELECT * FROM ${listedRows('message_key', '$3::bigint[]')} AS w ORDER BY message_key)`)} AS wanted
   CROSS JOIN LATERAL (
     SELECT l.message_key, l.state, l.order_key FROM posthorn.delivery l
     WHERE l.application_key = $1 AND l.message_key = ANY (wanted.key_list) AND l.message_key BETWEEN $4 AND $5
       AND l.endpoint_key = $2 OFFSET 0 FOR UPDATE) AS d`,
);
// One that another made meanwhile may be open by now.
const UPSERT = statement(
  `INSERT INTO posthorn.delivery AS d (application_key, endpoint_key, message_key, next_attempt_at, order_key, state,
     attempt_count, fence)
   SELECT $1, $2, u.message_key, u.due_at, u.order_key, 0, 0, 0
   FROM unnest($3::bigint[], $4::bigint[], $5::text[]) AS u (message_key, due_at, order_key) ORDER BY u.message_key
   ON CONFLICT (application_key, message_key, endpoint_key) DO UPDATE SET state = 0, attempt_count = 0,
     next_attempt_at = excluded.next_attempt_at, fence = 0, reason = NULL, order_key = excluded.order_key
   WHERE d.state NOT IN (0, 1)
   RETURNING d.message_key AS "messageKey"`,
);

/**
 * Begins the schedules of these messages' deliveries to an endpoint anew; where there is none, one is made. They are ordered as the
 * endpoint orders now. Left out is what has no payload, expired, or is open as it is. They are due one after the other, in this
 * order. Returns how many there are.
 */
export async function reopenDeliveries(
  tx: Executor,
  target: Endpoint,
  messageKeys: readonly number[],
  { now, rate, among, outcome }: ReopenParams,
): Promise<number> {
  if (messageKeys.length === 0) return 0;
  const of = [target.applicationKey, target.key];
  const rows = await tx.rows<MessageRow>(MESSAGES, [
    target.applicationKey,
    bigints(messageKeys),
    now,
    ...keyBounds(messageKeys),
  ]);
  if (rows.length === 0) return 0;
  const messages = new Map(rows.map((row) => [row.messageKey, row]));
  const orderKeys = rows.map(({ orderingKey }) => orderKeyOf(target, orderingKey));
  const keys = bigints(rows.map(({ messageKey }) => messageKey));
  const [, presentRows] = await Promise.all([
    tx.rows(LOCK_LINES, [...of, keys, texts(orderKeys)]),
    tx.rows<Present>(PRESENT, [...of, keys, ...keyBounds(messageKeys)]),
  ]);
  const present = new Map(presentRows.map((row) => [row.messageKey, row]));
  const again: Again[] = [];
  for (const messageKey of messageKeys) {
    const message = messages.get(messageKey);
    const state = present.get(messageKey)?.state;
    if (message === undefined || (state !== undefined && (OPEN.includes(state) || !among.includes(state))))
      continue;
    const dueAt = Math.max(now + Math.floor((again.length * 1000) / rate), message.deliverAt ?? 0);
    again.push({ messageKey, dueAt, orderKey: orderKeyOf(target, message.orderingKey) });
  }
  const made = await tx.rows<{ messageKey: number }>(UPSERT, [
    ...of,
    bigints(again.map(({ messageKey }) => messageKey)),
    bigints(again.map(({ dueAt }) => dueAt)),
    texts(again.map(({ orderKey }) => orderKey)),
  ]);
  const done = new Set(made.map(({ messageKey }) => messageKey));
  for (const { messageKey, dueAt, orderKey } of again) {
    if (!done.has(messageKey)) continue;
    // Its line takes the time away again if it is not its turn, and may have been another one before.
    outcome.changed(target.key, present.get(messageKey)?.orderKey ?? null);
    if (orderKey === null) outcome.stored(target.key, dueAt);
    else outcome.changed(target.key, orderKey);
  }
  return done.size;
}
