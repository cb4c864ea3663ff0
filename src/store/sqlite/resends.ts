import type { Store } from '../store.ts';
import { type Connection, transaction } from './connection.ts';

type InsertParams = Parameters<Store['resendInsert']>[0];

/** Attempts that a person asked for. Claims lease them, and the record of the attempt removes them. */
export function resends(connection: Connection) {
  const find = connection.prepare(
    'SELECT 1 FROM resend WHERE endpoint_key = ? AND message_key = ? AND fence = 0',
  );
  const count = connection.prepare('SELECT count(*) FROM resend WHERE endpoint_key = ?').pluck();
  // None for a message that was expunged: there is nothing to send.
  const insert = connection.prepare(
    `INSERT INTO resend (message_key, endpoint_key, created_at) SELECT message_key, @endpointKey, @now FROM message
     WHERE message_key = @messageKey AND typeof(payload) != 'null'`,
  );

  return {
    resendInsert: ({ limit, ...params }: InsertParams): 'waits' | 'limit' | 'expunged' =>
      transaction(connection, () => {
        const { endpointKey, messageKey } = params;
        if (find.get(endpointKey, messageKey) !== undefined) return 'waits';
        if ((count.get(endpointKey) as number) >= limit) return 'limit';
        return insert.run(params).changes > 0 ? 'waits' : 'expunged';
      }),
  };
}
