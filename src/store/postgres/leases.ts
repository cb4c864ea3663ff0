import { type Lease, RESEND_DUE_AT } from '../../model/lease.ts';
import type { Store } from '../store.ts';
import { bigints } from './arrays.ts';
import type { Backend } from './backend.ts';
import { type Executor, statement } from './connection.ts';
import { lockLinesOf, type Place, placeValues } from './delivery-lines.ts';
import { type Effects, effects } from './effects.ts';
import { stoppedSignals } from './stopped-signals.ts';

type ReleaseParams = Parameters<Store['deliveryRelease']>[0];
type Released = Awaited<ReturnType<Store['deliveryRelease']>>;
type Leased = Place & { readonly fence: number };
interface Freed {
  endpointKey: number;
  orderKey: string | null;
  dueAt: number;
}

// By their keys. (`+ 0`: the planner is not to go through all that is under way, which it takes for few.)
const FREE = statement(
  `UPDATE posthorn.delivery d SET state = 0, fence = 0
   FROM (
     SELECT e.application_key, u.* FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS u (message_key, endpoint_key, fence)
     JOIN posthorn.endpoint e ON e.endpoint_key = u.endpoint_key OFFSET 0) AS u
   WHERE d.application_key = u.application_key AND d.message_key = u.message_key AND d.endpoint_key = u.endpoint_key
     AND d.fence = u.fence AND d.state + 0 = 1
   RETURNING d.endpoint_key AS "endpointKey", d.order_key AS "orderKey", d.next_attempt_at AS "dueAt"`,
);
const FREE_RESENDS = statement(
  `UPDATE posthorn.resend r SET fence = 0
   FROM unnest($1::bigint[], $2::bigint[]) AS u (resend_key, fence)
   WHERE r.resend_key = u.resend_key AND r.fence = u.fence RETURNING r.endpoint_key AS "endpointKey"`,
);
/** By the index of what is under way, which has the fences in it. */
const LEASED = statement(
  `SELECT message_key AS "messageKey", endpoint_key AS "endpointKey", fence FROM posthorn.delivery
   WHERE state = 1 AND fence >= $1 AND fence < $2 LIMIT $3`,
);
const LEASED_RESENDS = statement(
  `SELECT resend_key AS "resendKey", fence FROM posthorn.resend
   WHERE fence > 0 AND fence >= $1 AND fence < $2 LIMIT $3`,
);

/** Leases that come back: those given back, and those that a process left when it ended. */
export function leases({ db, tell }: Backend) {
  return {
    deliveryUnlease: ({ leases, now }: { leases: readonly Lease[]; now: number }): Promise<number> =>
      db.transaction(async (tx) => {
        const outcome = effects(tx);
        const own = leases.filter(({ resendKey }) => resendKey === null);
        const [freed, resends] = await Promise.all([
          free(tx, own, outcome),
          freeResends(tx, leases.filter(isResend), outcome),
        ]);
        // Another process may send for the endpoint by now.
        await tell(tx, stoppedSignals(await outcome.end(now)));
        return freed + resends;
      }),
    deliveryRelease: ({ from, before, now, limit }: ReleaseParams): Promise<Released> =>
      db.transaction(async (tx) => {
        const outcome = effects(tx);
        const [leased, resends] = await Promise.all([
          tx.rows<Leased>(LEASED, [from, before, limit]),
          tx.rows<LeasedResend>(LEASED_RESENDS, [from, before, limit]),
        ]);
        const some = resends.slice(0, limit - leased.length);
        const [freed, freedResends] = await Promise.all([
          free(tx, leased, outcome),
          freeResends(tx, some, outcome),
        ]);
        const stopped = await outcome.end(now);
        await tell(tx, stoppedSignals(stopped));
        const more = leased.length + resends.length >= limit;
        return { released: freed + freedResends, more, stored: stopped.stored };
      }),
  };
}

interface LeasedResend {
  readonly resendKey: number;
  readonly fence: number;
}

function isResend(lease: Lease): lease is Lease & LeasedResend {
  return lease.resendKey !== null;
}

/** Those whose fences still hold are pending again, due when they were. Returns how many. */
async function free(tx: Executor, leases: readonly Leased[], outcome: Effects): Promise<number> {
  if (leases.length === 0) return 0;
  const inOrder = leases.toSorted(
    (one, other) => one.messageKey - other.messageKey || one.endpointKey - other.endpointKey,
  );
  const [, freed] = await Promise.all([
    lockLinesOf(tx, inOrder),
    tx.rows<Freed>(FREE, [...placeValues(inOrder), bigints(inOrder.map(({ fence }) => fence))]),
  ]);
  for (const { endpointKey, orderKey, dueAt } of freed) {
    // Of a line, the turn is given anew.
    if (orderKey === null) outcome.stored(endpointKey, dueAt);
    else outcome.changed(endpointKey, orderKey);
  }
  return freed.length;
}

async function freeResends(tx: Executor, leases: readonly LeasedResend[], outcome: Effects): Promise<number> {
  if (leases.length === 0) return 0;
  const inOrder = leases.toSorted((one, other) => one.resendKey - other.resendKey);
  const freed = await tx.rows<{ endpointKey: number }>(FREE_RESENDS, [
    bigints(inOrder.map(({ resendKey }) => resendKey)),
    bigints(inOrder.map(({ fence }) => fence)),
  ]);
  for (const { endpointKey } of freed) outcome.stored(endpointKey, RESEND_DUE_AT);
  return freed.length;
}
