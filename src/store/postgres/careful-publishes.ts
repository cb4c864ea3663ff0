import type { Line } from '../line.ts';
import { acceptedTallies } from '../rows/tally-batch.ts';
import type { Publish, PublishResult, Store } from '../store.ts';
import { bigints, texts } from './arrays.ts';
import type { Backend } from './backend.ts';
import { arraysOf, namesOf } from './columns.ts';
import { type Executor, statement } from './connection.ts';
import { claimEventIds } from './event-ids.ts';
import { claimIdempotencyKeys } from './idempotency-claims.ts';
import { lockLines, standingLines } from './lines.ts';
import { MESSAGE_COLUMNS, PublishRows, revisionValues, SELDOM_COLUMNS } from './publish-rows.ts';
import { storedSignals } from './stored-signals.ts';
import { tally } from './tallies.ts';

type AcceptParams = Parameters<Store['messageAccept']>[0];

const STALE = statement('SELECT posthorn.stale_applications($1::bigint[], $2::bigint[]) AS list');
const KEYS = statement(
  `SELECT array_agg(nextval('posthorn.message_key')) AS keys FROM generate_series(1, $1::integer)`,
);
const COLUMNS = [...MESSAGE_COLUMNS, ...SELDOM_COLUMNS];
const INSERT_MESSAGES = statement(
  `INSERT INTO posthorn.message (message_key, event_id, ${namesOf(COLUMNS)})
   SELECT * FROM unnest($1::bigint[], $2::text[], ${arraysOf(COLUMNS, 3).join(', ')})`,
);
const INSERT_DELIVERIES = statement(
  `INSERT INTO posthorn.delivery
     (application_key, message_key, endpoint_key, state, attempt_count, fence, next_attempt_at, reason, order_key)
   SELECT ($1::bigint[])[d.place], ($2::bigint[])[d.place], d.endpoint_key, d.state, 0,
     CASE d.state WHEN 1 THEN $3::bigint ELSE 0 END, d.next_attempt_at, d.reason, d.order_key
   FROM unnest($4::integer[], $5::bigint[], $6::smallint[], $7::bigint[], $8::text[], $9::text[])
     AS d (place, endpoint_key, state, next_attempt_at, reason, order_key)`,
);
const INSERT_EXPIRIES = statement(
  `INSERT INTO posthorn.expiry (expires_at, application_key, message_key)
   SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS x (expires_at, application_key, message_key)
   WHERE x.expires_at IS NOT NULL`,
);

/**
 * Batches in which something has an idempotency key, an event id or an order. What two processes may want at once is locked first,
 * in an order that is the same for all (and for `migrations/002-publish.sql`): applications, then lines, then idempotency keys, then
 * event ids. Message keys come after the lines.
 */
export function carefulPublishes({ db, tell }: Backend) {
  return ({ publishes, fence, now }: AcceptParams): Promise<PublishResult[]> =>
    db.transaction(async (tx) => {
      const lines = linesOf(publishes);
      const count = publishes.reduce((sum, { messages }) => sum + messages.length, 0);
      const [stale, , standing, given, idempotency] = await Promise.all([
        tx.row<{ list: number[] | null }>(STALE, revisionValues(publishes)),
        lockLines(tx, [...lines.values()]),
        lines.size === 0 ? new Set<number>() : standingLines(tx, [...lines.values()]),
        tx.row<{ keys: number[] | null }>(KEYS, [count]),
        claimIdempotencyKeys(tx, publishes, now),
      ]);
      const keys = given?.keys ?? [];
      const eventIds = await claimEventIds(tx, publishes, keys);
      const isStale = new Set(stale?.list);

      const rows = new PublishRows(now);
      const rowKeys: number[] = [];
      const busy = new Set([...lines.keys()].filter((_, index) => standing.has(index)));
      let next = 0;
      const results = publishes.map((publish): PublishResult => {
        const from = next;
        next += publish.messages.length;
        const earlier = idempotency.earlier(publish);
        if (earlier !== null) return earlier;
        if (isStale.has(publish.applicationKey)) return { kind: 'stale' };
        const messageKeys = keys.slice(from, next);
        const eventId = eventIds.take(publish, messageKeys);
        if (eventId !== null) return { kind: 'event_id_taken', eventId };
        idempotency.keep(publish);
        rowKeys.push(...messageKeys);
        addRows(rows, publish, busy);
        return { kind: 'accepted', messageKeys };
      });
      await Promise.all([
        idempotency.end(),
        eventIds.end(),
        insert(tx, rows, { keys: rowKeys, fence }),
        tally(tx, acceptedTallies(rows.applicationKeys), now),
        tell(tx, storedSignals(rows.waiting)),
      ]);
      return results;
    });
}

/** All lines that something of the batch comes into. */
function linesOf(publishes: readonly Publish[]): Map<string, Line> {
  const lines = new Map<string, Line>();
  for (const { messages } of publishes) {
    for (const { deliveries } of messages) {
      for (const { endpointKey, orderKey } of deliveries) {
        if (orderKey !== null) lines.set(`${endpointKey} ${orderKey}`, { endpointKey, orderKey });
      }
    }
  }
  return lines;
}

/** `busy`: lines that somebody stands in. New messages come to their ends, so that nothing changes for those. */
function addRows(rows: PublishRows, { applicationKey, messages }: Publish, busy: Set<string>): void {
  for (const message of messages) {
    rows.addMessage(applicationKey, message);
    for (const delivery of message.deliveries) {
      const { endpointKey, orderKey, state } = delivery;
      if (orderKey === null) {
        rows.addDelivery(delivery, false);
        continue;
      }
      if (state === 'sending') throw new Error('An ordered delivery cannot be leased at once.');
      const line = `${endpointKey} ${orderKey}`;
      rows.addDelivery(delivery, busy.has(line));
      busy.add(line);
    }
  }
}

async function insert(
  tx: Executor,
  rows: PublishRows,
  { keys, fence }: { keys: readonly number[]; fence: number },
): Promise<void> {
  const { messages, applicationKeys } = rows;
  if (messages.length === 0) return;
  const messageKeys = bigints(keys);
  const eventIds = texts(messages.map(({ eventId }) => eventId));
  const expires = bigints(messages.map(({ expiresAt }) => expiresAt));
  const applications = bigints(applicationKeys);
  await Promise.all([
    tx.changes(INSERT_MESSAGES, [messageKeys, eventIds, ...rows.messageValues(), ...rows.seldomValues()]),
    tx.changes(INSERT_DELIVERIES, [
      ...[applications, messageKeys, fence],
      ...rows.deliveryValues(),
      ...rows.seldomDeliveryValues(),
      texts(rows.orderKeys),
    ]),
    tx.changes(INSERT_EXPIRIES, [expires, applications, messageKeys]),
  ]);
}
