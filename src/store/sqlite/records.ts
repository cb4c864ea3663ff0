import type { AttemptResult } from '../store.ts';
import { ATTEMPT_COLUMNS } from './attempts.ts';
import { bulkInsert } from './bulk-insert.ts';
import { type Connection, transaction } from './connection.ts';
import { stateCode } from './states.ts';

/** The hot path's other end: attempts and what they did, one transaction. */
export function records(connection: Connection) {
  const insert = bulkInsert(connection, 'attempt', ATTEMPT_COLUMNS);
  const { settle, settleStopped, endResend, settleResent } = prepare(connection);

  /** The fence did not hold. That it arrived still counts for a delivery that was stopped meanwhile. */
  function settleLate({ attempt, verdict }: AttemptResult): false {
    const { number, messageKey, endpointKey } = attempt;
    const succeeded = verdict.state === 'succeeded' ? 1 : 0;
    settleStopped.run({ number, messageKey, endpointKey, succeeded });
    return false;
  }

  function recordResend(result: AttemptResult): boolean {
    const { messageKey, endpointKey, resendKey, fence } = result.lease;
    if (endResend.run(resendKey, fence).changes === 0) return settleLate(result);
    if (result.verdict.state === 'succeeded') settleResent.run(messageKey, endpointKey);
    return true;
  }

  return {
    deliveryRecord: ({ results }: { results: readonly AttemptResult[] }): boolean[] =>
      transaction(connection, () => {
        const values: unknown[] = [];
        for (const { attempt } of results) addAttempt(values, attempt);
        insert(values);
        return results.map((result) => {
          if (result.lease.resendKey !== null) return recordResend(result);
          return settle.run(...settled(result)).changes > 0 || settleLate(result);
        });
      }),
  };
}

function prepare(connection: Connection) {
  return {
    settle: connection.prepare(
      `UPDATE delivery SET state = ?, attempt_count = ?, next_attempt_at = ?, fence = ?, reason = ?
       WHERE message_key = ? AND endpoint_key = ? AND fence = ?`,
    ),
    settleStopped: connection.prepare(
      `UPDATE delivery SET attempt_count = max(attempt_count, @number), state = iif(@succeeded, 2, state),
         reason = iif(@succeeded, NULL, reason)
       WHERE message_key = @messageKey AND endpoint_key = @endpointKey AND state IN (4, 5)`,
    ),
    endResend: connection.prepare('DELETE FROM resend WHERE resend_key = ? AND fence = ?'),
    settleResent: connection.prepare(
      `UPDATE delivery SET state = 2, next_attempt_at = NULL, fence = 0, reason = NULL
       WHERE message_key = ? AND endpoint_key = ?`,
    ),
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
    verdict.state === 'failed' ? verdict.reason : null,
    lease.messageKey,
    lease.endpointKey,
    lease.fence,
  ];
}
