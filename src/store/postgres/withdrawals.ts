import type { Store } from '../store.ts';
import type { Backend } from './backend.ts';
import { closeDeliveries } from './closings.ts';
import { type Executor, type Statement, statement } from './connection.ts';
import type { Place } from './delivery-lines.ts';

type WithdrawParams = Parameters<Store['deliveryWithdraw']>[0];
interface Takes {
  applicationKey: number;
  /** Why it takes nothing; null: it takes what comes. */
  reason: 'endpoint_deleted' | 'endpoint_disabled' | 'endpoint_paused' | null;
}

/** Who changes the endpoint waits for the end of this: what a release finds held is all there is. */
const ENDPOINT = statement(
  `SELECT application_key AS "applicationKey", CASE WHEN deleted_at IS NOT NULL THEN 'endpoint_deleted'
     WHEN disabled = 1 THEN 'endpoint_disabled' WHEN paused_at IS NOT NULL THEN 'endpoint_paused' END AS reason
   FROM posthorn.endpoint WHERE endpoint_key = $1 FOR SHARE`,
);
/** By state, each from its index. */
const [TIMED, WAITING, SENDING, HELD] = [
  { state: 0, pick: picking('state = 0 AND next_attempt_at IS NOT NULL') },
  { state: 0, pick: picking('state = 0 AND next_attempt_at IS NULL') },
  { state: 1, pick: picking('state = 1') },
  { state: 4, pick: picking('state = 4') },
];
const DROP_RESENDS = statement(
  `DELETE FROM posthorn.resend WHERE resend_key = ANY (ARRAY (
     SELECT resend_key FROM posthorn.resend WHERE application_key = $1 AND endpoint_key = $2 LIMIT $3))`,
);

interface Which {
  readonly state: number;
  readonly pick: Statement;
}

function picking(which: string): Statement {
  return statement(
    `SELECT message_key AS "messageKey", endpoint_key AS "endpointKey" FROM posthorn.delivery
     WHERE application_key = $1 AND endpoint_key = $2 AND ${which} LIMIT $3`,
  );
}

/**
 * What happens to the open deliveries of an endpoint that takes none. Its row decides, within the transaction. No line has to
 * advance: what is held stays in it, and nobody sends what waits for a deleted endpoint.
 */
export function withdrawals({ db }: Backend) {
  return {
    deliveryWithdraw: ({ endpointKey, limit }: WithdrawParams): Promise<number> =>
      db.transaction(async (tx) => {
        const endpoint = await tx.row<Takes>(ENDPOINT, [endpointKey]);
        if (endpoint === null || endpoint.reason === null) return 0;
        const { applicationKey, reason } = endpoint;
        const deleted = reason === 'endpoint_deleted';
        const of = [applicationKey, endpointKey];
        let left = limit;
        for (const which of deleted ? [TIMED, WAITING, SENDING, HELD] : [TIMED, WAITING]) {
          left -= await close(tx, which, { of, limit: left, to: { state: deleted ? 5 : 4, reason } });
        }
        if (deleted && left > 0) left -= await tx.changes(DROP_RESENDS, [...of, left]);
        return limit - left;
      }),
  };
}

/** As long as there are some: of those that were picked, others may have taken all. */
async function close(
  tx: Executor,
  { state, pick }: Which,
  { of, limit, to }: { of: number[]; limit: number; to: { state: number; reason: string } },
): Promise<number> {
  for (let closed = 0; ; ) {
    const picked = closed < limit ? await tx.rows<Place>(pick, [...of, limit - closed]) : [];
    if (picked.length === 0) return closed;
    closed += (await closeDeliveries(tx, picked, { states: [state], to })).length;
  }
}
