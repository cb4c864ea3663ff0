import type { Statement } from 'better-sqlite3';
import type { Delivery } from '../../model/delivery.ts';
import {
  type DeliveryRow,
  delivery,
  type MessageDeliveryRow,
  messageDelivery,
} from '../rows/delivery-row.ts';
import { type EndpointRow, endpoint } from '../rows/endpoint-row.ts';
import type { EndpointDelivery, Store } from '../store.ts';
import type { Connection } from './connection.ts';
import { upwards } from './pages.ts';

type ListParams = Parameters<Store['deliveryList']>[0];
type FindParams = Parameters<Store['deliveryFind']>[0];
type CountParams = Parameters<Store['deliveryCountOpen']>[0];
type Before = Awaited<ReturnType<Store['deliveryBefore']>>;
type OpenCounts = Awaited<ReturnType<Store['deliveryCountOpen']>>;

export function deliveries(connection: Connection) {
  const { list, find, counts, before, first } = prepare(connection);

  return {
    deliveryList: (params: ListParams): EndpointDelivery[] =>
      list(params).map((row) => ({
        ...delivery(row),
        endpoint: endpoint(row),
        endpointDeleted: row.deleted_at !== null,
      })),
    deliveryFind: ({ endpointKey, messageKeys }: FindParams): Delivery[] =>
      messageKeys.flatMap((messageKey) => {
        const row = find.get(messageKey, endpointKey);
        return row === undefined ? [] : [delivery(row as DeliveryRow)];
      }),
    deliveryBefore(params: { messageKey: number; endpointKey: number }): Before {
      return messageDelivery(before.get(params) as MessageDeliveryRow | undefined);
    },
    deliveryFirst(params: { endpointKey: number; orderKey: string }): Before {
      return messageDelivery(first.get(params) as MessageDeliveryRow | undefined);
    },
    deliveryCountOpen({ endpointKey, limit = Number.MAX_SAFE_INTEGER, now }: CountParams): OpenCounts {
      const { timed, waiting, later, sending, held } = counts[endpointKey === undefined ? 'all' : 'one'];
      const values = { endpointKey, limit, now: now ?? Number.MAX_SAFE_INTEGER };
      const count = (statement: Statement) => statement.get(values) as number;
      const inMemory = now === undefined ? 0 : count(later);
      const pending = Math.min(limit, count(timed) + count(waiting) + inMemory);
      return { pending, sending: count(sending), held: count(held) };
    },
  };
}

function prepare(connection: Connection) {
  const count = (where: string) =>
    connection.prepare(`SELECT count(*) FROM (SELECT 1 FROM delivery WHERE ${where} LIMIT @limit)`).pluck();
  const countsOf = (endpoint: string) => ({
    timed: count(`state = 0 AND next_attempt_at IS NOT NULL ${endpoint}`),
    waiting: count(`state = 0 AND next_attempt_at IS NULL ${endpoint}`),
    sending: count(`state = 1 AND next_attempt_at <= @now ${endpoint}`),
    later: count(`state = 1 AND next_attempt_at > @now ${endpoint}`),
    held: count(`state = 4 ${endpoint}`),
  });
  return {
    list: upwards<DeliveryRow & EndpointRow & { deleted_at: number | null }>(
      connection,
      (order) =>
        `SELECT d.*, e.* FROM delivery d JOIN endpoint e ON e.endpoint_key = d.endpoint_key
         WHERE d.message_key = @messageKey AND d.endpoint_key > coalesce(@after, 0)
         AND d.endpoint_key < coalesce(@before, ${Number.MAX_SAFE_INTEGER}) ORDER BY d.endpoint_key ${order} LIMIT @limit`,
    ),
    before: connection.prepare(
      `SELECT d.*, m.id AS message_id FROM delivery d JOIN message m ON m.message_key = d.message_key
       WHERE d.endpoint_key = @endpointKey AND d.state IN (0, 1, 3, 4) AND d.message_key < @messageKey
       AND d.order_key = (SELECT order_key FROM delivery WHERE message_key = @messageKey AND endpoint_key = @endpointKey
         AND state = 0 AND next_attempt_at IS NULL)
       ORDER BY d.message_key LIMIT 1`,
    ),
    first: connection.prepare(
      `SELECT d.*, m.id AS message_id FROM delivery d JOIN message m ON m.message_key = d.message_key
       WHERE d.endpoint_key = @endpointKey AND d.order_key = @orderKey AND d.state IN (0, 1, 3, 4)
       ORDER BY d.message_key LIMIT 1`,
    ),
    find: connection.prepare('SELECT * FROM delivery WHERE message_key = ? AND endpoint_key = ?'),
    counts: { all: countsOf(''), one: countsOf('AND endpoint_key = @endpointKey') },
  };
}
