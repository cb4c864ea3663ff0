import type { Lease } from '../../model/lease.ts';
import type { MessageRef, Store } from '../store.ts';
import { bigints } from './arrays.ts';
import type { Backend } from './backend.ts';
import { closeDeliveries } from './closings.ts';
import { type Executor, statement } from './connection.ts';
import type { Place } from './delivery-lines.ts';
import { type Effects, effects } from './effects.ts';
import { stoppedSignals } from './stopped-signals.ts';

type ExpiredParams = Parameters<Store['messageListExpired']>[0];
type ExpungeParams = Parameters<Store['messageExpunge']>[0];
type Expunged = Awaited<ReturnType<Store['messageExpunge']>>;

const OPEN = [0, 1, 4];
const [SENDING, CANCELLED] = [1, 5];

/** Both from indexes that only have messages with a payload. */
const EXPIRED = statement(
  `(SELECT application_key AS "applicationKey", message_key AS "messageKey" FROM posthorn.message
    WHERE payload_until <= $1 AND payload_until IS NOT NULL AND payload IS NOT NULL ORDER BY payload_until LIMIT $3)
   UNION ALL
   (SELECT application_key, message_key FROM posthorn.message
    WHERE created_at < $2 AND payload IS NOT NULL ORDER BY created_at LIMIT $3)`,
);

const REFS = 'unnest($1::bigint[], $2::bigint[])';
/** How many deliveries each has, counted up to $3. */
const COUNT = statement(
  `SELECT (SELECT count(*) FROM (SELECT 1 FROM posthorn.delivery d
     WHERE d.application_key = ref.application_key AND d.message_key = ref.message_key LIMIT $3) AS looked) AS looked
   FROM ${REFS} WITH ORDINALITY AS ref (application_key, message_key, position) ORDER BY position`,
);
/** The row stays locked: whoever makes a delivery of it anew waits, and finds that there is no payload. */
const FORGET = statement(
  `UPDATE posthorn.message m SET payload = NULL, payload_until = NULL
   FROM ${REFS} AS ref (application_key, message_key)
   WHERE m.application_key = ref.application_key AND m.message_key = ref.message_key
     AND (m.payload IS NOT NULL OR m.payload_until IS NOT NULL)`,
);
/** Those of each message that something is yet to come of. What is asked of a state is no column: the indexes of open work go by endpoints. */
const OPEN_OF = statement(
  `SELECT d.message_key AS "messageKey", d.endpoint_key AS "endpointKey"
   FROM ${REFS} AS ref (application_key, message_key) CROSS JOIN LATERAL (
     SELECT d.message_key, d.endpoint_key FROM posthorn.delivery d
     WHERE d.application_key = ref.application_key AND d.message_key = ref.message_key AND d.state + 0 IN (0, 1, 4)
     OFFSET 0) AS d`,
);
const DROP_RESENDS = statement(
  `DELETE FROM posthorn.resend r USING ${REFS} AS ref (application_key, message_key)
   WHERE r.application_key = ref.application_key AND r.message_key = ref.message_key
   RETURNING r.message_key AS "messageKey", r.endpoint_key AS "endpointKey", r.fence,
     r.resend_key AS "resendKey"`,
);

/** Payloads whose time is over, and those that nobody is to see any more. */
export function payloads({ db, tell }: Backend) {
  return {
    messageExpunge: ({ messages, now, scan }: ExpungeParams): Promise<Expunged> =>
      db.transaction(async (tx) => {
        const outcome = effects(tx);
        const taken = await upTo(tx, messages, scan);
        await expunge(tx, taken, outcome);
        const stopped = await outcome.end(now);
        await tell(tx, stoppedSignals(stopped));
        return { ...stopped, expunged: taken.length };
      }),
    async messageListExpired({ now, keptSince, limit }: ExpiredParams): Promise<MessageRef[]> {
      const rows = await db.rows<MessageRef>(EXPIRED, [now, keptSince, limit]);
      // One that is over by both times comes twice.
      const expired = new Map(rows.map((row) => [row.messageKey, row]));
      return [...expired.values()].slice(0, limit);
    },
  };
}

/** The first messages, up to the one with which `scan` deliveries are looked at. */
async function upTo(
  tx: Executor,
  messages: readonly MessageRef[],
  scan: number | undefined,
): Promise<readonly MessageRef[]> {
  if (scan === undefined || messages.length < 2) return messages;
  const counts = await tx.rows<{ looked: number }>(COUNT, [...values(messages), scan]);
  let looked = 0;
  const last = counts.findIndex((count) => {
    looked += count.looked;
    return looked >= scan;
  });
  return last === -1 ? messages : messages.slice(0, last + 1);
}

/** Expunges messages whole, however many deliveries they have: nothing of them may be claimed afterwards. */
async function expunge(tx: Executor, messages: readonly MessageRef[], outcome: Effects): Promise<void> {
  // In one order, whoever locks them.
  const refs = values([...messages].sort((one, other) => one.messageKey - other.messageKey));
  const [, open] = await Promise.all([tx.changes(FORGET, refs), tx.rows<Place>(OPEN_OF, refs)]);
  const cancelled = await closeDeliveries(tx, open, {
    states: OPEN,
    to: { state: CANCELLED, reason: 'payload_expunged' },
  });
  const resends = await tx.rows<Lease>(DROP_RESENDS, refs);
  for (const resend of resends) if (resend.fence > 0) outcome.dropped(resend);
  for (const each of cancelled) {
    outcome.changed(each.endpointKey, each.orderKey);
    if (each.state === SENDING) outcome.dropped({ ...each, resendKey: null });
  }
}

/** Application keys, and message keys. */
function values(messages: readonly MessageRef[]): [Buffer, Buffer] {
  return [
    bigints(messages.map(({ applicationKey }) => applicationKey)),
    bigints(messages.map(({ messageKey }) => messageKey)),
  ];
}
