import { RESEND_DUE_AT } from '../../model/lease.ts';
import type { Store } from '../store.ts';
import type { Backend } from './backend.ts';
import { statement } from './connection.ts';

interface Counted {
  count: number;
  waiting: number;
}
type InsertParams = Parameters<Store['resendInsert']>[0];

/** Others who ask for one of this endpoint's wait for the end of this: so they are counted. */
const LOCK = statement(
  'SELECT application_key AS "applicationKey" FROM posthorn.endpoint WHERE endpoint_key = $1 FOR NO KEY UPDATE',
);
const COUNT = statement(
  `SELECT count(*) AS count, count(*) FILTER (WHERE message_key = $3 AND fence = 0) AS waiting
   FROM posthorn.resend WHERE application_key = $1 AND endpoint_key = $2`,
);
// None for a message that was expunged: there is nothing to send. Who expunges it waits for the end of this, and removes it.
const INSERT = statement(
  `INSERT INTO posthorn.resend (application_key, message_key, endpoint_key, created_at)
   SELECT m.application_key, m.message_key, $3, $4 FROM posthorn.message m
   WHERE m.application_key = $1 AND m.message_key = $2 AND m.payload IS NOT NULL FOR SHARE`,
);

/** Attempts that a person asked for. Claims lease them, and the record of the attempt removes them. */
export function resends({ db, tell }: Backend) {
  return {
    resendInsert: ({
      messageKey,
      endpointKey,
      now,
      limit,
    }: InsertParams): Promise<'waits' | 'limit' | 'expunged'> =>
      db.transaction(async (tx) => {
        const endpoint = await tx.row<{ applicationKey: number }>(LOCK, [endpointKey]);
        if (endpoint === null) return 'expunged';
        const of = [endpoint.applicationKey, endpointKey, messageKey];
        const { count, waiting } = (await tx.row<Counted>(COUNT, of)) as Counted;
        if (waiting > 0) return 'waits';
        if (count >= limit) return 'limit';
        const inserted = await tx.changes(INSERT, [endpoint.applicationKey, messageKey, endpointKey, now]);
        if (inserted === 0) return 'expunged';
        await tell(tx, [{ kind: 'stored', endpoints: [{ endpointKey, dueAt: RESEND_DUE_AT }] }]);
        return 'waits';
      }),
  };
}
