import type { Delivery } from '../../model/delivery.ts';
import {
  type DeliveryRow,
  delivery,
  type MessageDeliveryRow,
  messageDelivery,
} from '../rows/delivery-row.ts';
import { type EndpointRow, endpoint } from '../rows/endpoint-row.ts';
import type { EndpointDelivery, Store } from '../store.ts';
import { bigints, storable } from './arrays.ts';
import type { Backend } from './backend.ts';
import { statement } from './connection.ts';
import { ENDPOINT_COLUMNS } from './endpoint-columns.ts';

type ListParams = Parameters<Store['deliveryList']>[0];
type FindParams = Parameters<Store['deliveryFind']>[0];
type CountParams = Parameters<Store['deliveryCountOpen']>[0];
type Before = Awaited<ReturnType<Store['deliveryBefore']>>;
type OpenCounts = Awaited<ReturnType<Store['deliveryCountOpen']>>;
type OpenRow = { timed: number; waiting: number; later: number; sending: number; held: number };

const COLUMNS =
  'd.message_key, d.endpoint_key, d.state, d.attempt_count, d.next_attempt_at, d.order_key, d.reason';

const list = (direction: 'ASC' | 'DESC') =>
  statement(
    `SELECT ${COLUMNS}, e.* FROM posthorn.delivery d
     CROSS JOIN LATERAL (SELECT ${ENDPOINT_COLUMNS}, e.deleted_at IS NOT NULL AS endpoint_deleted FROM posthorn.endpoint e
       WHERE e.endpoint_key = d.endpoint_key OFFSET 0) AS e
     WHERE d.application_key = $1 AND d.message_key = $2 AND d.endpoint_key > coalesce($3::bigint, 0)
       AND d.endpoint_key < coalesce($4::bigint, ${Number.MAX_SAFE_INTEGER}) ORDER BY d.endpoint_key ${direction} LIMIT $5`,
  );
const LISTS = { upwards: list('ASC'), downwards: list('DESC') };

// OFFSET 0 has each row looked up by its whole key: else all deliveries of an endpoint may be gone through for a few.
const FIND = statement(
  `SELECT ${COLUMNS} FROM posthorn.endpoint e CROSS JOIN unnest($2::bigint[]) AS wanted (message_key)
   CROSS JOIN LATERAL (SELECT * FROM posthorn.delivery d WHERE d.application_key = e.application_key
     AND d.message_key = wanted.message_key AND d.endpoint_key = e.endpoint_key OFFSET 0) AS d
   WHERE e.endpoint_key = $1`,
);

/** The first that stands in a line of the endpoint $1. */
const firstOf = (line: string) =>
  statement(
    `SELECT ${COLUMNS}, (SELECT m.id FROM posthorn.message m
       WHERE m.application_key = d.application_key AND m.message_key = d.message_key) AS message_id
     FROM posthorn.delivery d
     WHERE d.application_key = (SELECT application_key FROM posthorn.endpoint WHERE endpoint_key = $1)
       AND d.endpoint_key = $1 AND d.state IN (0, 1, 3, 4) AND ${line}
     ORDER BY d.message_key LIMIT 1`,
  );
const BEFORE = firstOf(
  `d.message_key < $2 AND d.order_key = (SELECT w.order_key FROM posthorn.delivery w
   WHERE w.application_key = (SELECT application_key FROM posthorn.endpoint WHERE endpoint_key = $1)
     AND w.message_key = $2 AND w.endpoint_key = $1 AND w.state + 0 = 0 AND w.next_attempt_at IS NULL)`,
);
const FIRST = firstOf('d.order_key = $2');

/** Each count goes through an index of open work, and ends at the limit $1. */
const count = (where: string, endpoint: string) =>
  `(SELECT count(*) FROM (SELECT 1 FROM posthorn.delivery d WHERE ${where} ${endpoint} LIMIT $1) AS open)`;
const counts = (endpoint: string) =>
  statement(
    `SELECT ${count('d.state = 0 AND d.next_attempt_at IS NOT NULL', endpoint)} AS timed,
       ${count('d.state = 0 AND d.next_attempt_at IS NULL', endpoint)} AS waiting,
       ${count('d.state = 1 AND d.next_attempt_at <= $2', endpoint)} AS sending,
       ${count('d.state = 1 AND d.next_attempt_at > $2', endpoint)} AS later,
       ${count('d.state = 4', endpoint)} AS held`,
  );
const COUNTS = {
  all: counts(''),
  one: counts(`AND d.endpoint_key = $3
    AND d.application_key = (SELECT application_key FROM posthorn.endpoint WHERE endpoint_key = $3)`),
};

export function deliveries({ db }: Backend) {
  return {
    async deliveryList(params: ListParams): Promise<EndpointDelivery[]> {
      const { applicationKey, messageKey, limit, before, after } = params;
      const downwards = after === null && before !== null;
      const rows = await db.rows<DeliveryRow & EndpointRow & { endpoint_deleted: boolean }>(
        LISTS[downwards ? 'downwards' : 'upwards'],
        [applicationKey, messageKey, after, before, limit],
      );
      const listed = rows.map((row) => ({
        ...delivery(row),
        endpoint: endpoint(row),
        endpointDeleted: row.endpoint_deleted,
      }));
      return downwards ? listed.reverse() : listed;
    },
    async deliveryFind({ endpointKey, messageKeys }: FindParams): Promise<Delivery[]> {
      const rows = await db.rows<DeliveryRow>(FIND, [endpointKey, bigints(messageKeys)]);
      return rows.map(delivery);
    },
    async deliveryBefore(params: { messageKey: number; endpointKey: number }): Promise<Before> {
      const { messageKey, endpointKey } = params;
      return messageDelivery(await db.row<MessageDeliveryRow>(BEFORE, [endpointKey, messageKey]));
    },
    async deliveryFirst(params: { endpointKey: number; orderKey: string }): Promise<Before> {
      const { endpointKey, orderKey } = params;
      return messageDelivery(await db.row<MessageDeliveryRow>(FIRST, [endpointKey, storable(orderKey)]));
    },
    async deliveryCountOpen(params: CountParams): Promise<OpenCounts> {
      const { endpointKey, limit = Number.MAX_SAFE_INTEGER, now } = params;
      const values = [limit, now ?? Number.MAX_SAFE_INTEGER];
      const row = await (endpointKey === undefined
        ? db.row<OpenRow>(COUNTS.all, values)
        : db.row<OpenRow>(COUNTS.one, [...values, endpointKey]));
      const { timed, waiting, later, sending, held } = row as OpenRow;
      return { pending: Math.min(limit, timed + waiting + later), sending, held };
    },
  };
}
