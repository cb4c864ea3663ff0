import type { Lease } from '../../model/lease.ts';
import { attemptTallies } from '../rows/tally-batch.ts';
import type { AttemptResult, Recorded, Store } from '../store.ts';
import { type AttemptAnnouncement, announcing } from './announcements.ts';
import { bigints, integers, smallints, texts } from './arrays.ts';
import type { Backend } from './backend.ts';
import { arraysOf, namesOf } from './columns.ts';
import { type Executor, statement } from './connection.ts';
import { keyBounds, lockLinesOf, type Place } from './delivery-lines.ts';
import { effects } from './effects.ts';
import { failures } from './failing.ts';
import { listedRows, withKeyLists } from './listed-rows.ts';
import { ALL_ATTEMPT_COLUMNS, allAttemptValues, keyValues, settled } from './record-rows.ts';
import { stoppedSignals } from './stopped-signals.ts';
import { tally } from './tallies.ts';

type RecordParams = Required<Parameters<Store['deliveryRecord']>[0]> & {
  /** Their attempts are on record, all of them. */
  onRecord: boolean;
};

interface Row {
  applicationKey: number;
  messageKey: number;
  endpointKey: number;
  state: number;
  attemptCount: number;
  nextAttemptAt: number | null;
  fence: number;
  announced: 0 | 1;
  reason: string | null;
  orderKey: string | null;
}

const [SENDING, SUCCEEDED, HELD, CANCELLED] = [1, 2, 4, 5];
const INSERT_ATTEMPTS = statement(
  `INSERT INTO posthorn.attempt (application_key, message_key, endpoint_key, ${namesOf(ALL_ATTEMPT_COLUMNS)})
   SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], ${arraysOf(ALL_ATTEMPT_COLUMNS, 4).join(', ')})`,
);
const ON_RECORD = statement(
  `SELECT a.id FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS u (application_key, message_key, id)
   JOIN posthorn.attempt a ON a.application_key = u.application_key AND a.message_key = u.message_key AND a.id = u.id`,
);
const LOCK = statement(
  `SELECT d.application_key AS "applicationKey", d.message_key AS "messageKey", d.endpoint_key AS "endpointKey", d.state,
     d.attempt_count AS "attemptCount", d.next_attempt_at AS "nextAttemptAt", d.fence, d.announced, d.reason,
     d.order_key AS "orderKey"
   FROM ${withKeyLists(`(
     SELECT * FROM ${listedRows('application_key, message_key, endpoint_key', '$1::bigint[]', '$2::bigint[]', '$3::bigint[]')} AS u
     ORDER BY message_key, endpoint_key)`)} AS u
   CROSS JOIN LATERAL (
     SELECT o.* FROM posthorn.delivery o WHERE o.application_key = u.application_key AND o.message_key = ANY (u.key_list)
       AND o.message_key BETWEEN $4 AND $5 AND o.endpoint_key = u.endpoint_key OFFSET 0 FOR UPDATE) AS d`,
);
const LOCK_RESENDS = statement(
  `SELECT resend_key AS "resendKey", fence FROM posthorn.resend WHERE resend_key = ANY ($1::bigint[])
   ORDER BY resend_key FOR UPDATE`,
);
const CHANGE = statement(
  `UPDATE posthorn.delivery d SET state = u.state, attempt_count = u.attempt_count, next_attempt_at = u.next_attempt_at,
     fence = u.fence, announced = u.announced, reason = u.reason
   FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::smallint[], $5::integer[], $6::bigint[], $7::bigint[],
     $8::smallint[], $9::text[]) AS u (application_key, message_key, endpoint_key, state, attempt_count, next_attempt_at,
     fence, announced, reason)
   WHERE d.application_key = u.application_key AND d.message_key = u.message_key AND d.endpoint_key = u.endpoint_key`,
);
const END_RESENDS = statement('DELETE FROM posthorn.resend WHERE resend_key = ANY ($1::bigint[])');

/**
 * Results of any kind. All that they are about is locked first: lines, then deliveries, then resends. What becomes of it is
 * decided here, one result after the other, and written at once.
 */
export function carefulRecords(backend: Backend) {
  const { announceAttempts } = announcing(backend);
  const { changeFailing } = failures(backend);

  return ({ results, now, failing, onRecord }: RecordParams): Promise<Recorded> =>
    backend.db.transaction(async (tx) => {
      const outcome = effects(tx);
      const { known, ...standing } = await lock(tx, results, onRecord);
      const { held, dropped, changed, resends, announced } = settleAll(results, { known, ...standing });
      for (const { endpointKey, orderKey } of changed) outcome.changed(endpointKey, orderKey);
      const fresh = results.filter((result) => !known.has(result));
      await Promise.all([
        insertAttempts(tx, fresh),
        tally(tx, attemptTallies(fresh), now),
        change(tx, changed),
        resends.length === 0 ? 0 : tx.changes(END_RESENDS, [bigints(resends)]),
        announceAttempts(tx, announced, now),
        outcome.end(now),
        // The process that has it in memory may be another one.
        backend.tell(tx, stoppedSignals({ dropped, stored: [] })),
      ]);
      await changeFailing(tx, failing, now);
      return { held, dropped };
    });
}

interface Standing {
  /** Results whose attempts are on record. */
  readonly known: ReadonlySet<AttemptResult>;
  /** Deliveries by name; they change as they are settled. */
  readonly rows: ReadonlyMap<string, Row>;
  /** Fences of resends by their keys. */
  readonly fences: Map<number, number>;
}

async function lock(tx: Executor, results: readonly AttemptResult[], onRecord: boolean): Promise<Standing> {
  const places = new Map(results.map((result) => [nameOf(result.lease), result]));
  const distinct = [...places.values()];
  const again = onRecord ? [] : results.filter((result) => result.again === true);
  const resends = results.flatMap(({ lease }) => lease.resendKey ?? []);
  const [, rows, locked, ids] = await Promise.all([
    lockLinesOf(
      tx,
      distinct.map(({ lease }) => lease),
    ),
    tx.rows<Row>(LOCK, [...keyValues(distinct), ...keyBounds(distinct.map(({ lease }) => lease.messageKey))]),
    resends.length === 0
      ? []
      : tx.rows<{ resendKey: number; fence: number }>(LOCK_RESENDS, [bigints(resends)]),
    again.length === 0
      ? []
      : tx.rows<{ id: string }>(ON_RECORD, [
          ...keyValues(again).slice(0, 2),
          texts(again.map(({ attempt }) => attempt.id)),
        ]),
  ]);
  const there = new Set(ids.map(({ id }) => id));
  return {
    known: new Set(onRecord ? results : again.filter(({ attempt }) => there.has(attempt.id))),
    rows: new Map(rows.map((row) => [nameOf(row), row])),
    fences: new Map(locked.map(({ resendKey, fence }) => [resendKey, fence])),
  };
}

/** One result after the other, each by what those before it did. */
function settleAll(results: readonly AttemptResult[], { known, rows, fences }: Standing) {
  const changed = new Set<Row>();
  const dropped: Lease[] = [];
  const resends: number[] = [];
  const announced: AttemptAnnouncement[] = [];
  const held = results.map((result): boolean => {
    const row = rows.get(nameOf(result.lease));
    const { resendKey } = result.lease;
    let holds = row?.fence === result.lease.fence;
    if (resendKey !== null) {
      holds = fences.get(resendKey) === result.lease.fence;
      if (holds) {
        fences.delete(resendKey);
        resends.push(resendKey);
      }
    }
    if (row === undefined) return holds;
    if (resendKey !== null && holds && result.verdict.state === 'succeeded' && row.state === SENDING)
      dropped.push(leaseOf(row));
    if (holds ? settle(row, result) : settleLate(row, result)) changed.add(row);
    const { announce, attempt, applicationKey } = result;
    if (holds && announce !== null && !known.has(result)) {
      const recovered = announce === 'message.attempt.recovered';
      // Operators hear that a delivery recovered only if they heard before that it fails.
      if (recovered && row.announced === 0) return true;
      row.announced = recovered ? 0 : 1;
      changed.add(row);
      const { messageKey, endpointKey, id: attemptId } = attempt;
      announced.push({ type: announce, applicationKey, messageKey, endpointKey, attemptId });
    }
    return holds;
  });
  return { held, dropped, changed: [...changed], resends, announced };
}

/** The fence held. Returns whether it changed the delivery: a resend that did not arrive leaves it as it is. */
function settle(row: Row, result: AttemptResult): boolean {
  if (result.lease.resendKey === null) Object.assign(row, settled(result));
  else if (result.verdict.state === 'succeeded') arrive(row);
  else return false;
  return true;
}

/** The fence did not hold. That it arrived still counts for a delivery that was stopped meanwhile. */
function settleLate(row: Row, { attempt, verdict }: AttemptResult): boolean {
  if (row.state !== HELD && row.state !== CANCELLED) return false;
  row.attemptCount = Math.max(row.attemptCount, attempt.number);
  if (verdict.state === 'succeeded') arrive(row);
  return true;
}

function leaseOf({ messageKey, endpointKey, fence }: Row): Lease {
  return { messageKey, endpointKey, fence, resendKey: null };
}

function arrive(row: Row): void {
  Object.assign(row, { state: SUCCEEDED, nextAttemptAt: null, fence: 0, reason: null });
}

async function insertAttempts(tx: Executor, results: readonly AttemptResult[]): Promise<void> {
  if (results.length === 0) return;
  const values = [...keyValues(results), ...allAttemptValues(results)];
  await tx.changes(INSERT_ATTEMPTS, values);
}

async function change(tx: Executor, rows: readonly Row[]): Promise<void> {
  if (rows.length === 0) return;
  await tx.changes(CHANGE, [
    bigints(rows.map(({ applicationKey }) => applicationKey)),
    bigints(rows.map(({ messageKey }) => messageKey)),
    bigints(rows.map(({ endpointKey }) => endpointKey)),
    smallints(rows.map(({ state }) => state)),
    integers(rows.map(({ attemptCount }) => attemptCount)),
    bigints(rows.map(({ nextAttemptAt }) => nextAttemptAt)),
    bigints(rows.map(({ fence }) => fence)),
    smallints(rows.map(({ announced }) => announced)),
    texts(rows.map(({ reason }) => reason)),
  ]);
}

function nameOf({ messageKey, endpointKey }: Place): string {
  return `${messageKey} ${endpointKey}`;
}
