import { stateOf } from '../rows/delivery-states.ts';
import type { Hurried, Store } from '../store.ts';
import type { Backend } from './backend.ts';
import { type Executor, statement } from './connection.ts';
import { lockLinesOf } from './delivery-lines.ts';
import { type Effects, effects } from './effects.ts';
import { stoppedSignals } from './stopped-signals.ts';

type HurryParams = Parameters<Store['deliveryHurry']>[0];

interface Row {
  applicationKey: number;
  state: number;
  nextAttemptAt: number | null;
  fence: number;
  orderKey: string | null;
}

interface Before {
  messageId: string;
  state: number;
}

/** A change of the message waits for the end of this one, so that nothing becomes open without a payload. */
const EXPUNGED = statement(
  `SELECT m.payload IS NULL AS expunged FROM posthorn.endpoint e
   JOIN posthorn.message m ON m.application_key = e.application_key AND m.message_key = $1
   WHERE e.endpoint_key = $2 FOR SHARE OF m`,
);
const FIND = statement(
  `SELECT d.application_key AS "applicationKey", d.state, d.next_attempt_at AS "nextAttemptAt", d.fence,
     d.order_key AS "orderKey"
   FROM posthorn.endpoint e
   JOIN posthorn.delivery d ON d.application_key = e.application_key AND d.message_key = $1
     AND d.endpoint_key = e.endpoint_key
   WHERE e.endpoint_key = $2 FOR UPDATE OF d`,
);
const BEFORE = statement(
  `SELECT m.id AS "messageId", f.state FROM posthorn.endpoint e
   JOIN posthorn.delivery own ON own.application_key = e.application_key AND own.message_key = $1
     AND own.endpoint_key = e.endpoint_key
   CROSS JOIN LATERAL (
     SELECT d.application_key, d.message_key, d.state FROM posthorn.delivery d
     WHERE d.application_key = e.application_key AND d.endpoint_key = e.endpoint_key AND d.order_key = own.order_key
       AND d.state IN (0, 1, 3, 4) AND d.message_key < $1
     ORDER BY d.message_key LIMIT 1) AS f
   JOIN posthorn.message m ON m.application_key = f.application_key AND m.message_key = f.message_key
   WHERE e.endpoint_key = $2`,
);
const OF = 'WHERE application_key = $1 AND message_key = $2 AND endpoint_key = $3';
const GO_ON = statement(`UPDATE posthorn.delivery SET state = 0, next_attempt_at = $4, fence = 0 ${OF}`);
const BEGIN_AGAIN = statement(
  `UPDATE posthorn.delivery SET state = 0, next_attempt_at = $4, fence = 0, attempt_count = 0, reason = NULL ${OF}`,
);

/** Deliveries that a person does not want to wait for. */
export function hurries({ db, tell }: Backend) {
  return {
    deliveryHurry: (params: HurryParams): Promise<Hurried | null> =>
      db.transaction(async (tx) => {
        const outcome = effects(tx);
        const hurried = await hurry(tx, params, outcome);
        if (hurried !== 'due') return hurried;
        const stopped = await outcome.end(params.now);
        await tell(tx, stoppedSignals(stopped));
        return { ...stopped, state: 'due' };
      }),
  };
}

async function hurry(
  tx: Executor,
  { messageKey, endpointKey, now }: HurryParams,
  outcome: Effects,
): Promise<Exclude<Hurried, { state: 'due' }> | 'due' | null> {
  const place = [messageKey, endpointKey];
  // In the order in which everybody locks them: the message, its line, the delivery.
  const [message, , row, before] = await Promise.all([
    tx.row<{ expunged: boolean }>(EXPUNGED, place),
    lockLinesOf(tx, [{ messageKey, endpointKey }]),
    tx.row<Row>(FIND, place),
    tx.row<Before>(BEFORE, place),
  ]);
  if (row === null) return null;
  const { applicationKey, nextAttemptAt, fence, orderKey } = row;
  const state = stateOf(row.state);
  if (state === 'succeeded' || state === 'cancelled') return { state: 'ended' };
  if (message?.expunged !== false) return { state: 'expunged' };
  const later = nextAttemptAt !== null && nextAttemptAt > now;
  if (state === 'sending' && !later) return { state: 'under_way' };
  if (before !== null) {
    return { state: 'behind', before: { messageId: before.messageId, state: stateOf(before.state) } };
  }
  const values = [applicationKey, messageKey, endpointKey, now];
  if (state === 'failed' || state === 'held') await tx.changes(BEGIN_AGAIN, values);
  else if (later) await tx.changes(GO_ON, values);
  if (state === 'sending') outcome.dropped({ messageKey, endpointKey, fence, resendKey: null });
  if (orderKey === null) outcome.stored(endpointKey, Math.min(nextAttemptAt ?? now, now));
  // It is the first of its line, which gives it its time, but for while a younger one of it is under way.
  else outcome.changed(endpointKey, orderKey);
  return 'due';
}
