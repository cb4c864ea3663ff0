import { heldReason } from '../../model/endpoint.ts';
import { type EndpointRow, endpoint } from '../rows/endpoint-row.ts';
import { type Connection, transaction } from './connection.ts';

/**
 * What happens to the open deliveries of an endpoint that takes none. Its row decides, within the transaction. No line has to
 * advance: what is held stays in it, and nobody sends what waits for a deleted endpoint.
 */
export function withdrawals(connection: Connection) {
  const find = connection.prepare('SELECT * FROM endpoint WHERE endpoint_key = ?');
  const [timed, waiting, sending, held] = [
    'state = 0 AND next_attempt_at IS NOT NULL',
    'state = 0 AND next_attempt_at IS NULL',
    'state = 1 AND next_attempt_at IS NOT NULL',
    'state = 4',
  ].map((which) =>
    connection
      .prepare(`SELECT message_key FROM delivery WHERE ${which} AND endpoint_key = ? LIMIT ?`)
      .pluck(),
  );
  const close = connection.prepare(
    'UPDATE delivery SET state = ?, next_attempt_at = NULL, fence = 0, reason = ? WHERE message_key = ? AND endpoint_key = ?',
  );
  const dropResends = connection.prepare(
    'DELETE FROM resend WHERE resend_key IN (SELECT resend_key FROM resend WHERE endpoint_key = ? LIMIT ?)',
  );

  return {
    deliveryWithdraw: ({ endpointKey, limit }: { endpointKey: number; limit: number }): number =>
      transaction(connection, () => {
        const row = find.get(endpointKey) as (EndpointRow & { deleted_at: number | null }) | undefined;
        if (row === undefined) return 0;
        const deleted = row.deleted_at !== null;
        const reason = deleted ? 'endpoint_deleted' : heldReason(endpoint(row));
        if (reason === null) return 0;
        let taken = 0;
        for (const open of deleted ? [timed, waiting, sending, held] : [timed, waiting]) {
          const messageKeys = open?.all(endpointKey, limit - taken) as number[];
          for (const messageKey of messageKeys) close.run(deleted ? 5 : 4, reason, messageKey, endpointKey);
          taken += messageKeys.length;
        }
        return deleted ? taken + dropResends.run(endpointKey, limit - taken).changes : taken;
      }),
  };
}
