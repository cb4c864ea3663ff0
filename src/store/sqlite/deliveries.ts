import type { Statement } from 'better-sqlite3';
import type { Delivery, DeliveryReason } from '../../model/delivery.ts';
import type { EndpointDelivery } from '../store.ts';
import { type Connection, transaction } from './connection.ts';
import { type EndpointRow, endpoint } from './endpoints.ts';
import { type Bounds, upwards } from './pages.ts';
import { stateOf } from './states.ts';

interface Row {
  message_key: number;
  endpoint_key: number;
  state: number;
  attempt_count: number;
  next_attempt_at: number | null;
  reason: DeliveryReason | null;
}

type ListParams = { messageKey: number; limit: number } & Bounds<number>;
type FindParams = { endpointKey: number; messageKeys: readonly number[] };
type CountParams = { endpointKey?: number; limit?: number };
type OpenCounts = Record<'pending' | 'sending' | 'held', number>;

export function deliveries(connection: Connection) {
  const { list, find, counts } = prepare(connection);

  return {
    deliveryWithdraw: withdrawing(connection),
    deliveryList: (params: ListParams): EndpointDelivery[] =>
      list(params).map((row) => ({
        ...delivery(row),
        endpoint: endpoint(row),
        endpointDeleted: row.deleted_at !== null,
      })),
    deliveryFind: ({ endpointKey, messageKeys }: FindParams): Delivery[] =>
      messageKeys.flatMap((messageKey) => {
        const row = find.get(messageKey, endpointKey);
        return row === undefined ? [] : [delivery(row as Row)];
      }),
    deliveryCountOpen({ endpointKey, limit = Number.MAX_SAFE_INTEGER }: CountParams): OpenCounts {
      const { pending, sending, held } = counts[endpointKey === undefined ? 'all' : 'one'];
      const values = { endpointKey, limit };
      const count = (statement: Statement) => statement.get(values) as number;
      return { pending: count(pending), sending: count(sending), held: count(held) };
    },
  };
}

/** What happens to the open deliveries of an endpoint that takes none. Its row decides, within the transaction. */
function withdrawing(connection: Connection) {
  const state = connection.prepare('SELECT deleted_at, disabled FROM endpoint WHERE endpoint_key = ?');
  const [pending, sending, held] = [
    'SELECT message_key FROM delivery WHERE state = 0 AND endpoint_key = ? AND next_attempt_at IS NOT NULL LIMIT ?',
    'SELECT message_key FROM delivery WHERE state = 1 AND endpoint_key = ? AND next_attempt_at IS NOT NULL LIMIT ?',
    'SELECT message_key FROM delivery WHERE state = 4 AND endpoint_key = ? LIMIT ?',
  ].map((sql) => connection.prepare(sql).pluck());
  const close = connection.prepare(
    'UPDATE delivery SET state = ?, next_attempt_at = NULL, fence = 0, reason = ? WHERE message_key = ? AND endpoint_key = ?',
  );
  const dropResends = connection.prepare(
    'DELETE FROM resend WHERE resend_key IN (SELECT resend_key FROM resend WHERE endpoint_key = ? LIMIT ?)',
  );

  return ({ endpointKey, limit }: { endpointKey: number; limit: number }): number =>
    transaction(connection, () => {
      const { deleted_at, disabled } = (state.get(endpointKey) ?? { deleted_at: null, disabled: 0 }) as {
        deleted_at: number | null;
        disabled: number;
      };
      if (deleted_at === null && disabled === 0) return 0;
      const deleted = deleted_at !== null;
      let taken = 0;
      for (const open of deleted ? [pending, sending, held] : [pending]) {
        const messageKeys = open?.all(endpointKey, limit - taken) as number[];
        for (const messageKey of messageKeys) {
          if (deleted) close.run(5, 'endpoint_deleted', messageKey, endpointKey);
          else close.run(4, 'endpoint_disabled', messageKey, endpointKey);
        }
        taken += messageKeys.length;
      }
      return deleted ? taken + dropResends.run(endpointKey, limit - taken).changes : taken;
    });
}

function prepare(connection: Connection) {
  const count = (where: string) =>
    connection.prepare(`SELECT count(*) FROM (SELECT 1 FROM delivery WHERE ${where} LIMIT @limit)`).pluck();
  const countsOf = (endpoint: string) => ({
    pending: count(`state = 0 AND next_attempt_at IS NOT NULL ${endpoint}`),
    sending: count(`state = 1 AND next_attempt_at IS NOT NULL ${endpoint}`),
    held: count(`state = 4 ${endpoint}`),
  });
  return {
    list: upwards<Row & EndpointRow>(
      connection,
      (order) =>
        `SELECT d.*, e.* FROM delivery d JOIN endpoint e ON e.endpoint_key = d.endpoint_key
         WHERE d.message_key = @messageKey AND d.endpoint_key > coalesce(@after, 0)
         AND d.endpoint_key < coalesce(@before, ${Number.MAX_SAFE_INTEGER}) ORDER BY d.endpoint_key ${order} LIMIT @limit`,
    ),
    find: connection.prepare('SELECT * FROM delivery WHERE message_key = ? AND endpoint_key = ?'),
    counts: { all: countsOf(''), one: countsOf('AND endpoint_key = @endpointKey') },
  };
}

function delivery(row: Row): Delivery {
  return {
    messageKey: row.message_key,
    endpointKey: row.endpoint_key,
    state: stateOf(row.state),
    attemptCount: row.attempt_count,
    nextAttemptAt: row.next_attempt_at,
    reason: row.reason,
  };
}
