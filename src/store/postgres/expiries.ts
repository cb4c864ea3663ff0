import { bigints } from './arrays.ts';
import { type Executor, statement } from './connection.ts';
import type { Place } from './delivery-lines.ts';
import { listedRows } from './listed-rows.ts';

interface Due {
  readonly expiresAt: number;
  readonly applicationKey: number;
  readonly messageKey: number;
}
interface Counted {
  /** All of a message's deliveries; those that wait or are held; those under way. */
  readonly looked: number;
  readonly open: number;
  readonly sending: number;
}
interface Chosen extends Due {
  /** Deliveries to cancel at most. */
  readonly most: number;
}

/** A row that is cancelled costs as much as so many that are looked at. */
const CANCEL_COST = 4;
/** Until what was under way when its message expired is looked at again. */
const SENDING_MS = 60_000;
/** Messages whose deliveries are counted by one statement: there may be ten thousand of each. */
const COUNTED_AT_ONCE = 20;

const DUE = statement(
  `SELECT expires_at AS "expiresAt", application_key AS "applicationKey", message_key AS "messageKey" FROM posthorn.expiry
   WHERE expires_at <= $1 ORDER BY expires_at, application_key, message_key LIMIT $2 FOR UPDATE`,
);
const COUNT = statement(
  `SELECT of.looked, of.open, of.sending
   FROM (
     SELECT * FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS l (application_key, message_key, place)
     LIMIT cardinality($1::bigint[])) AS due
   CROSS JOIN LATERAL (
     SELECT count(*) AS looked, count(*) FILTER (WHERE d.state IN (0, 4)) AS open,
       count(*) FILTER (WHERE d.state = 1) AS sending
     FROM posthorn.delivery d WHERE d.application_key = due.application_key AND d.message_key = due.message_key
   ) AS of ORDER BY due.place`,
);
const OPEN = statement(
  `SELECT d.message_key AS "messageKey", d.endpoint_key AS "endpointKey"
   FROM ${listedRows('application_key, message_key, most', '$1::bigint[]', '$2::bigint[]', '$3::bigint[]')} AS due
   CROSS JOIN LATERAL (
     SELECT o.message_key, o.endpoint_key FROM posthorn.delivery o
     WHERE o.application_key = due.application_key AND o.message_key = due.message_key AND o.state IN (0, 4)
     ORDER BY o.endpoint_key LIMIT due.most) AS d`,
);
// Their rows are locked, so that none is in another place by now.
const REMOVE = statement(
  `DELETE FROM posthorn.expiry WHERE ctid = ANY (ARRAY (
     SELECT x.place FROM ${listedRows('expires_at, application_key, message_key', '$1::bigint[]', '$2::bigint[]', '$3::bigint[]')} AS due
     CROSS JOIN LATERAL (
       SELECT l.ctid AS place FROM posthorn.expiry l WHERE l.expires_at = due.expires_at
         AND l.application_key = due.application_key AND l.message_key = due.message_key OFFSET 0) AS x))`,
);
const PUT_OFF = statement(
  `INSERT INTO posthorn.expiry (expires_at, application_key, message_key)
   SELECT $1, due.application_key, due.message_key
   FROM unnest($2::bigint[], $3::bigint[]) AS due (application_key, message_key) ON CONFLICT DO NOTHING`,
);

/**
 * Cancels (by `cancel`, what is pending or held of the places) what is open of messages that are too old, so much at most. A message's row goes when none is left; while one
 * is under way, which ends by itself or comes back, it is put off.
 */
export async function expiring(
  tx: Executor,
  { now, limit, scan }: { now: number; limit: number; scan: number },
  cancel: (places: readonly Place[]) => Promise<unknown>,
): Promise<{ messages: number; more: boolean }> {
  const due = await tx.rows<Due>(DUE, [now, limit]);
  const { chosen, enough } = await choose(tx, due, scan);
  if (chosen.length === 0) return { messages: 0, more: false };
  const open = await tx.rows<Place>(OPEN, [...keysOf(chosen), bigints(chosen.map(({ most }) => most))]);
  await cancel(open);
  // Counted anew, with all rows that matter locked: what a claim took meanwhile is under way.
  const counted = await tx.rows<Counted>(COUNT, keysOf(chosen));
  const done = chosen.filter((_, index) => counted[index]?.open === 0);
  const sending = chosen.filter((_, index) => counted[index]?.open === 0 && counted[index].sending > 0);
  await Promise.all([
    tx.changes(REMOVE, [bigints(done.map(({ expiresAt }) => expiresAt)), ...keysOf(done)]),
    tx.changes(PUT_OFF, [now + SENDING_MS, ...keysOf(sending)]),
  ]);
  const more = enough || done.length < chosen.length || due.length === limit;
  return { messages: done.length, more };
}

/** The messages that one call is about, the last one perhaps in part. `enough`: it ends with them. */
async function choose(
  tx: Executor,
  due: readonly Due[],
  scan: number,
): Promise<{ chosen: Chosen[]; enough: boolean }> {
  const chosen: Chosen[] = [];
  let left = scan;
  for (let from = 0; from < due.length; from += COUNTED_AT_ONCE) {
    const some = due.slice(from, from + COUNTED_AT_ONCE);
    const counted = await tx.rows<Counted>(COUNT, keysOf(some));
    for (const [index, each] of some.entries()) {
      const { looked, open } = counted[index] as Counted;
      const most = Math.ceil(left / CANCEL_COST);
      const taken = Math.min(open, most);
      chosen.push({ ...each, most });
      left -= looked + taken * (CANCEL_COST - 1);
      if (taken < open || left <= 0) return { chosen, enough: true };
    }
  }
  return { chosen, enough: false };
}

function keysOf(due: readonly Due[]): [Buffer, Buffer] {
  return [
    bigints(due.map(({ applicationKey }) => applicationKey)),
    bigints(due.map(({ messageKey }) => messageKey)),
  ];
}
