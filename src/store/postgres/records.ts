import { attemptTallies } from '../rows/tally-batch.ts';
import { type AttemptResult, type Recorded, type Store, StoreError } from '../store.ts';
import { bigints, smallints, texts } from './arrays.ts';
import type { Backend } from './backend.ts';
import { carefulRecords } from './careful-records.ts';
import { arraysOf, namesOf } from './columns.ts';
import { statement, type Value } from './connection.ts';
import { hasNoPartition, havePartitions } from './partition-tables.ts';
import {
  ALL_ATTEMPT_COLUMNS,
  ATTEMPT_COLUMNS,
  attemptValues,
  keyValues,
  SELDOM_ATTEMPT_COLUMNS,
  seldomAttemptValues,
  settled,
} from './record-rows.ts';
import { tallyUpsert, tallyValues } from './tallies.ts';

type RecordParams = Parameters<Store['deliveryRecord']>[0];

const NOTHING: Recorded = { held: [], dropped: [] };

/** The hot path's other end: attempts and what they did, by one statement, one round trip and one commit. */
export function records(backend: Backend) {
  const { db } = backend;
  const careful = carefulRecords(backend);

  async function write({ results, now }: RecordParams): Promise<boolean[]> {
    const usual = results.every(isUsual);
    const rows = await db.rows<{ place: number }>(usual ? ARRIVED : SETTLED, valuesOf(results, usual, now));
    const held = results.map(() => false);
    for (const { place } of rows) held[place - 1] = true;
    if (rows.length < results.length) {
      const late = results.filter((_, index) => held[index] === false);
      await careful({ results: late, now, failing: [], onRecord: true }).catch(halfWritten);
    }
    return held;
  }

  async function record({ results, now, failing = [] }: RecordParams): Promise<Recorded> {
    if (failing.length > 0 || results.some(isSpecial)) {
      return careful({ results, now, failing, onRecord: false });
    }
    if (results.length === 0) return NOTHING;
    // As everybody locks deliveries.
    const order = results
      .map((_, index) => index)
      .sort((one, other) => {
        const { messageKey, endpointKey } = (results[one] as AttemptResult).lease;
        const { lease } = results[other] as AttemptResult;
        return messageKey - lease.messageKey || endpointKey - lease.endpointKey;
      });
    const inOrder = order.map((index) => results[index] as AttemptResult);
    if (inOrder.some(isSameAsNext)) return careful({ results, now, failing, onRecord: false });
    const written = await write({ results: inOrder, now });
    const held: boolean[] = [];
    for (const [place, index] of order.entries()) held[index] = written[place] as boolean;
    return { held, dropped: [] };
  }

  return {
    async deliveryRecord(params: RecordParams): Promise<Recorded> {
      try {
        return await record(params);
      } catch (error) {
        if (!hasNoPartition(error)) throw error;
        // A message was dropped with all of its time while an attempt that nobody waited for was under way.
        const there = await havePartitions(
          db,
          params.results.map(({ lease }) => lease.messageKey),
        );
        const results = params.results.filter((_, index) => there[index]);
        const { held, dropped } = await record({ ...params, results });
        let next = 0;
        return { held: there.map((isThere) => isThere && held[next++] === true), dropped };
      }
    },
  };
}

/** One of another kind than a delivery's own attempt, which changes nothing but that delivery. */
function isSpecial({ lease, announce, again }: AttemptResult): boolean {
  return lease.orderKey !== null || lease.resendKey !== null || announce !== null || again === true;
}

/** Two attempts of one delivery: the second one goes by what the first one did. */
function isSameAsNext({ lease }: AttemptResult, index: number, results: readonly AttemptResult[]): boolean {
  const next = results[index + 1]?.lease;
  return next?.messageKey === lease.messageKey && next.endpointKey === lease.endpointKey;
}

/** It arrived, and there is nothing else to say. */
function isUsual({ verdict, attempt }: AttemptResult): boolean {
  const { trigger, exchange } = attempt;
  return (
    verdict.state === 'succeeded' &&
    trigger === 'scheduled' &&
    exchange.retryAfter === null &&
    exchange.error === null
  );
}

/** The attempts are on record, so that the same must not be written again. */
function halfWritten(error: unknown): never {
  if (!(error instanceof StoreError) || error.code !== 'unavailable') throw error;
  throw new StoreError('unknown', error.message, { cause: error });
}

function valuesOf(results: readonly AttemptResult[], usual: boolean, now: number): Value[] {
  const values: Value[] = [
    ...keyValues(results),
    bigints(results.map(({ lease }) => lease.fence)),
    ...attemptValues(results),
    ...tallyValues(attemptTallies(results), now),
  ];
  if (usual) return values;
  const changes = results.map(settled);
  return [
    ...values,
    ...seldomAttemptValues(results),
    smallints(changes.map(({ state }) => state)),
    bigints(changes.map(({ nextAttemptAt }) => nextAttemptAt)),
    bigints(changes.map(({ fence }) => fence)),
    texts(changes.map(({ reason }) => reason)),
  ];
}

const ARRIVED = recording({ usual: true });
const SETTLED = recording({ usual: false });

function recording({ usual }: { usual: boolean }) {
  const [KEYS, FENCES, ATTEMPTS] = [1, 4, 5];
  const TALLIES = ATTEMPTS + ATTEMPT_COLUMNS.length;
  const SELDOM = TALLIES + 4;
  const CHANGES = SELDOM + SELDOM_ATTEMPT_COLUMNS.length;
  const keys = [0, 1, 2].map((index) => `$${KEYS + index}::bigint[]`);
  const attempt = usual ? ATTEMPT_COLUMNS : ALL_ATTEMPT_COLUMNS;
  const attempts = [
    ...keys,
    ...arraysOf(ATTEMPT_COLUMNS, ATTEMPTS),
    ...(usual ? [] : arraysOf(SELDOM_ATTEMPT_COLUMNS, SELDOM)),
  ];
  const numbers = `$${ATTEMPTS + ATTEMPT_COLUMNS.findIndex(([name]) => name === 'number')}::integer[]`;
  const changes = [...keys, `$${FENCES}::bigint[]`, numbers];
  const given = ['application_key', 'message_key', 'endpoint_key', 'fence', 'number'];
  if (!usual) {
    changes.push(`$${CHANGES}::smallint[]`, `$${CHANGES + 1}::bigint[]`, `$${CHANGES + 2}::bigint[]`);
    changes.push(`$${CHANGES + 3}::text[]`);
    given.push('state', 'next_attempt_at', 'next_fence', 'reason');
  }
  return statement(
    `WITH attempts AS (
       INSERT INTO posthorn.attempt (application_key, message_key, endpoint_key, ${namesOf(attempt)}${usual ? ', trigger' : ''})
       SELECT *${usual ? ", 'scheduled'" : ''} FROM unnest(${attempts.join(', ')})
     ), tallies AS (
       ${tallyUpsert(TALLIES)}
     )
     UPDATE posthorn.delivery d SET attempt_count = u.number,
       ${
         usual
           ? 'state = 2, next_attempt_at = NULL, fence = 0, reason = NULL'
           : 'state = u.state, next_attempt_at = u.next_attempt_at, fence = u.next_fence, reason = u.reason'
       }
     FROM unnest(${changes.join(', ')}) WITH ORDINALITY AS u (${given.join(', ')}, place)
     WHERE d.application_key = u.application_key AND d.message_key = u.message_key AND d.endpoint_key = u.endpoint_key
       AND d.fence = u.fence
     RETURNING u.place`,
  );
}
