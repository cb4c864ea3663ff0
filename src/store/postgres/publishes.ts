import { acceptedTallies } from '../rows/tally-batch.ts';
import type { Publish, PublishResult, Store } from '../store.ts';
import type { Backend } from './backend.ts';
import { carefulPublishes } from './careful-publishes.ts';
import { arraysOf, namesOf } from './columns.ts';
import { type Statement, statement, type Value } from './connection.ts';
import { answerOf, type Earlier, findKept } from './idempotency-claims.ts';
import { MESSAGE_COLUMNS, PublishRows, revisionValues, SELDOM_COLUMNS } from './publish-rows.ts';
import { storedSignals } from './stored-signals.ts';
import { tallyUpsert, tallyValues } from './tallies.ts';

type AcceptParams = Parameters<Store['messageAccept']>[0];
interface Taken {
  /** Of the messages, ascending; null: there are none. */
  keys: number[] | null;
  /** Applications that are not as they were; null: all are. */
  stale: number[] | null;
}

/**
 * The hot path: all of a batch by one statement, one round trip and one commit. What a batch can ask for besides, an idempotency
 * key, an event id or an order, takes a transaction of several.
 */
export function publishes(backend: Backend) {
  const { db, self } = backend;
  const careful = carefulPublishes(backend);

  async function take({ publishes: calls, fence, now }: AcceptParams): Promise<PublishResult[]> {
    const rows = new PublishRows(now);
    for (const { applicationKey, messages } of calls) {
      for (const message of messages) {
        rows.addMessage(applicationKey, message);
        for (const delivery of message.deliveries) rows.addDelivery(delivery, false);
      }
    }
    const signals = storedSignals(rows.waiting);
    const values: Value[] = [
      ...revisionValues(calls),
      fence,
      ...rows.messageValues(),
      ...rows.deliveryValues(),
      ...tallyValues(acceptedTallies(rows.applicationKeys), now),
      ...(rows.seldom ? [...rows.seldomValues(), ...rows.seldomDeliveryValues()] : [now]),
      ...(signals.length > 0 ? [self.epoch, JSON.stringify(signals)] : []),
    ];
    const taking = TAKE[rows.seldom ? 'seldom' : 'usual'][signals.length > 0 ? 'telling' : 'silent'];
    const { keys, stale } = (await db.row<Taken>(taking, values)) as Taken;
    if (stale !== null) return without(stale, { publishes: calls, fence, now });
    let next = 0;
    return calls.map(({ messages }) => {
      const from = next;
      next += messages.length;
      return { kind: 'accepted', messageKeys: keys?.slice(from, next) ?? [] };
    });
  }

  /** Nothing was written: what went by an application as it no longer is comes back, and the others are taken. */
  async function without(stale: readonly number[], params: AcceptParams): Promise<PublishResult[]> {
    const isStale = ({ applicationKey }: Publish) => stale.includes(applicationKey);
    const others = await accept({ ...params, publishes: params.publishes.filter((each) => !isStale(each)) });
    return params.publishes.map((publish) =>
      isStale(publish) ? { kind: 'stale' } : (others.shift() as PublishResult),
    );
  }

  async function accept(params: AcceptParams): Promise<PublishResult[]> {
    if (params.publishes.length === 0) return [];
    return params.publishes.some(isSpecial) ? careful(params) : take(params);
  }

  return {
    messageAccept: accept,
    async idempotencyFind(idempotency: NonNullable<Publish['idempotency']>): Promise<Earlier | null> {
      const [kept] = await findKept(db, [idempotency.keyHash]);
      return kept === undefined ? null : answerOf(kept, idempotency);
    },
  };
}

function isSpecial({ idempotency, messages }: Publish): boolean {
  if (idempotency !== null) return true;
  return messages.some(
    ({ eventId, deliveries }) => eventId !== null || deliveries.some(({ orderKey }) => orderKey !== null),
  );
}

const TAKE = {
  usual: {
    silent: taking({ seldom: false, telling: false }),
    telling: taking({ seldom: false, telling: true }),
  },
  seldom: {
    silent: taking({ seldom: true, telling: false }),
    telling: taking({ seldom: true, telling: true }),
  },
};

/**
 * `made` gives message keys in the order of the arrays. So the n-th of them, sorted, is that of the n-th message, and deliveries
 * find it by subscript: to join two lists would take the product of their lengths.
 */
function taking({ seldom, telling }: { seldom: boolean; telling: boolean }): Statement {
  const columns = seldom ? [...MESSAGE_COLUMNS, ...SELDOM_COLUMNS] : MESSAGE_COLUMNS;
  const [FENCE, MESSAGES, DELIVERIES, TALLIES, NOW] = [3, 4, 9, 12, 16];
  const SELDOM = NOW;
  const TIMES = SELDOM + SELDOM_COLUMNS.length;
  const EXPIRES = SELDOM + SELDOM_COLUMNS.findIndex(([name]) => name === 'expires_at');
  const SIGNALS = seldom ? TIMES + 2 : NOW + 1;
  const messages = [
    ...arraysOf(MESSAGE_COLUMNS, MESSAGES),
    ...(seldom ? arraysOf(SELDOM_COLUMNS, SELDOM) : []),
  ];
  const deliveries = [
    `$${DELIVERIES}::integer[]`,
    `$${DELIVERIES + 1}::bigint[]`,
    `$${DELIVERIES + 2}::smallint[]`,
  ];
  const times = [`$${TIMES}::bigint[]`, `$${TIMES + 1}::text[]`];
  const expiries = `, expiries AS (
     INSERT INTO posthorn.expiry (expires_at, application_key, message_key)
     SELECT x.expires_at, x.application_key, keys.list[x.place] FROM keys
     CROSS JOIN unnest($${EXPIRES}::bigint[], $${MESSAGES}::bigint[]) WITH ORDINALITY AS x (expires_at, application_key, place)
     WHERE x.expires_at IS NOT NULL AND keys.list IS NOT NULL)`;
  const told = `, (SELECT posthorn.signal_send($${SIGNALS}::bigint, $${SIGNALS + 1}::text) WHERE keys.list IS NOT NULL)`;
  return statement(
    `WITH stale AS MATERIALIZED (
       SELECT posthorn.stale_applications($1::bigint[], $2::bigint[]) AS list
     ), made AS (
       INSERT INTO posthorn.message (${namesOf(columns)})
       SELECT ${namesOf(columns)} FROM unnest(${messages.join(', ')}) WITH ORDINALITY AS m (${namesOf(columns)}, place)
       WHERE (SELECT list FROM stale) IS NULL ORDER BY place RETURNING message_key
     ), keys AS MATERIALIZED (
       SELECT array_agg(message_key ORDER BY message_key) AS list FROM made
     ), deliveries AS (
       INSERT INTO posthorn.delivery (application_key, message_key, endpoint_key, state, attempt_count, fence,
         next_attempt_at${seldom ? ', reason' : ''})
       SELECT ($${MESSAGES}::bigint[])[d.place], keys.list[d.place], d.endpoint_key, d.state, 0,
         CASE d.state WHEN 1 THEN $${FENCE}::bigint ELSE 0 END, ${seldom ? 'd.next_attempt_at, d.reason' : `$${NOW}::bigint`}
       FROM keys CROSS JOIN unnest(${[...deliveries, ...(seldom ? times : [])].join(', ')})
         AS d (place, endpoint_key, state${seldom ? ', next_attempt_at, reason' : ''})
       WHERE keys.list IS NOT NULL
     ), tallies AS (
       ${tallyUpsert(TALLIES, '(SELECT list FROM stale) IS NULL')}
     )${seldom ? expiries : ''}
     SELECT keys.list AS keys, (SELECT list FROM stale) AS stale${telling ? told : ''} FROM keys`,
  );
}
