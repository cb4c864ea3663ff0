import type { AttemptAnnouncementType } from '../../model/announcement.ts';
import { stateCode } from '../rows/delivery-states.ts';
import { attemptTallies } from '../rows/tally-batch.ts';
import type { AttemptResult, Recorded, Store } from '../store.ts';
import { announcing } from './announcements.ts';
import { ATTEMPT_COLUMNS } from './attempts.ts';
import { bulkInsert } from './bulk-insert.ts';
import { type Connection, transaction } from './connection.ts';
import { type Effects, effects } from './effects.ts';
import { failures } from './failing.ts';
import { tallying } from './tallies.ts';

type RecordParams = Parameters<Store['deliveryRecord']>[0];

/** The hot path's other end: attempts and what they did, one transaction. */
export function records(connection: Connection) {
  const insert = bulkInsert(connection, 'attempt', ATTEMPT_COLUMNS, [
    'retry_after',
    'error_code',
    'error_message',
  ]);
  const settle = settling(connection);
  const announce = attemptAnnouncing(connection);
  const onRecord = connection.prepare('SELECT 1 FROM attempt WHERE message_key = ? AND id = ?');
  const isOnRecord = ({ attempt }: AttemptResult) =>
    onRecord.get(attempt.messageKey, attempt.id) !== undefined;
  const forgetIfGone = forgetting(connection);
  const begin = effects(connection);
  const fail = failures(connection);
  const tally = tallying(connection);

  return {
    deliveryRecord: ({ results, now, failing = [] }: RecordParams): Recorded =>
      transaction(connection, () => {
        const values: unknown[] = [];
        const known = new Set<AttemptResult>();
        for (const result of results) {
          if (result.again === true && isOnRecord(result)) known.add(result);
          else addAttempt(values, result.attempt);
        }
        insert(values);
        tally(attemptTallies(results.filter((result) => !known.has(result))), now);
        const outcome = begin();
        const held = results.map((result) => {
          const settled = settle(result, outcome);
          if (settled && result.announce !== null && !known.has(result))
            announce(result, result.announce, now);
          if (!settled) forgetIfGone(result);
          return settled;
        });
        const { dropped } = outcome.end(now);
        for (const change of failing) fail.change(change, now);
        return { held, dropped };
      }),
  };
}

/** What an attempt did to its delivery. False: its fence did not hold. */
function settling(connection: Connection): (result: AttemptResult, outcome: Effects) => boolean {
  const { settle, settleStopped, endResend, leaseOf, settleResent } = prepare(connection);

  /** The fence did not hold. That it arrived still counts for a delivery that was stopped meanwhile. */
  function settleLate({ attempt, verdict }: AttemptResult, outcome: Effects): false {
    const { number, messageKey, endpointKey } = attempt;
    const succeeded = verdict.state === 'succeeded' ? 1 : 0;
    const orderKey = settleStopped.get({ number, messageKey, endpointKey, succeeded });
    outcome.changed(endpointKey, (orderKey ?? null) as string | null);
    return false;
  }

  function settleResend(result: AttemptResult, outcome: Effects): boolean {
    const { messageKey, endpointKey, resendKey, fence } = result.lease;
    if (endResend.run(resendKey, fence).changes === 0) return settleLate(result, outcome);
    if (result.verdict.state === 'succeeded') {
      const voided = leaseOf.get(messageKey, endpointKey) as number | undefined;
      if (voided !== undefined) outcome.dropped({ messageKey, endpointKey, fence: voided, resendKey: null });
      outcome.changed(endpointKey, (settleResent.get(messageKey, endpointKey) ?? null) as string | null);
    }
    return true;
  }

  return (result, outcome) => {
    const { resendKey, endpointKey, orderKey } = result.lease;
    if (resendKey !== null) return settleResend(result, outcome);
    if (settle.run(...settled(result)).changes === 0) return settleLate(result, outcome);
    outcome.changed(endpointKey, orderKey);
    return true;
  };
}

/** An attempt that nobody waited for, and that ended after its message was forgotten, is no part of anything any more. */
function forgetting(connection: Connection): (result: AttemptResult) => void {
  const isThere = connection.prepare('SELECT 1 FROM message WHERE message_key = ?');
  const remove = connection.prepare('DELETE FROM attempt WHERE message_key = ? AND id = ?');
  return ({ attempt: { messageKey, id } }) => {
    if (isThere.get(messageKey) === undefined) remove.run(messageKey, id);
  };
}

/** Operators hear that a delivery recovered only if they heard before that it fails. */
function attemptAnnouncing(connection: Connection) {
  const mark = connection.prepare(
    'UPDATE delivery SET announced = ? WHERE message_key = ? AND endpoint_key = ? AND announced = ?',
  );
  const add = announcing(connection).ofAttempt;
  return ({ attempt, applicationKey }: AttemptResult, type: AttemptAnnouncementType, now: number): void => {
    const { messageKey, endpointKey, id } = attempt;
    const recovered = type === 'message.attempt.recovered';
    const changed = mark.run(recovered ? 0 : 1, messageKey, endpointKey, recovered ? 1 : 0).changes > 0;
    if (recovered && !changed) return;
    add(type, { applicationKey, endpointKey, messageKey, attemptId: id, now });
  };
}

function prepare(connection: Connection) {
  return {
    settle: connection.prepare(
      `UPDATE delivery SET state = ?, attempt_count = ?, next_attempt_at = ?, fence = ?, reason = ?
       WHERE message_key = ? AND endpoint_key = ? AND fence = ?`,
    ),
    settleStopped: connection
      .prepare(
        `UPDATE delivery SET attempt_count = max(attempt_count, @number), state = iif(@succeeded, 2, state),
           reason = iif(@succeeded, NULL, reason)
         WHERE message_key = @messageKey AND endpoint_key = @endpointKey AND state IN (4, 5) RETURNING order_key`,
      )
      .pluck(),
    endResend: connection.prepare('DELETE FROM resend WHERE resend_key = ? AND fence = ?'),
    leaseOf: connection
      .prepare('SELECT fence FROM delivery WHERE message_key = ? AND endpoint_key = ? AND state = 1')
      .pluck(),
    settleResent: connection
      .prepare(
        `UPDATE delivery SET state = 2, next_attempt_at = NULL, fence = 0, reason = NULL
         WHERE message_key = ? AND endpoint_key = ? RETURNING order_key`,
      )
      .pluck(),
  };
}

/** In the order of ATTEMPT_COLUMNS. */
function addAttempt(values: unknown[], { exchange, ...attempt }: AttemptResult['attempt']): void {
  values.push(
    attempt.id,
    attempt.messageKey,
    attempt.endpointKey,
    attempt.number,
    attempt.trigger,
    attempt.url,
    exchange.startedAt,
    exchange.durationMs,
    exchange.status,
    exchange.retryAfter,
    exchange.error?.code ?? null,
    exchange.error?.message ?? null,
    exchange.requestHeaders,
    exchange.responseHeaders,
    exchange.body,
  );
}

/** The values of `settle`. */
function settled({ lease, attempt, verdict, keepLease }: AttemptResult): unknown[] {
  const kept = keepLease && verdict.state === 'pending';
  return [
    stateCode(kept ? 'sending' : verdict.state),
    attempt.number,
    verdict.state === 'pending' ? verdict.nextAttemptAt : null,
    kept ? lease.fence : 0,
    'reason' in verdict ? verdict.reason : null,
    lease.messageKey,
    lease.endpointKey,
    lease.fence,
  ];
}
