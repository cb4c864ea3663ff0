import type { Static } from 'typebox';
import type { Explanation } from '../../../query/explain.ts';
import { timeText } from '../message-out.ts';
import type { Explanation as ExplanationOut } from '../schemas/explanation.ts';

export function explanationOut(explanation: Explanation): Static<typeof ExplanationOut> {
  const { lastAttempt, nextAttemptAt, schema } = explanation;
  const { endpoint, messageId, matched, rule, state, reason } = explanation;
  const { text, waitsFor, behind, attemptCount, plannedAttempts } = explanation;
  return {
    endpointId: endpoint.id,
    endpointUid: endpoint.uid,
    url: endpoint.url,
    msgId: messageId,
    matched,
    rule,
    state,
    reason,
    text,
    waitsFor,
    behind,
    attemptCount,
    lastAttempt: lastAttempt && {
      id: lastAttempt.id,
      timestamp: timeText(lastAttempt.exchange.startedAt),
      responseStatusCode: lastAttempt.exchange.status ?? 0,
      errorCode: lastAttempt.exchange.error?.code ?? null,
    },
    nextAttempt: nextAttemptAt === null ? null : timeText(nextAttemptAt),
    plannedAttempts: plannedAttempts.map(timeText),
    schema: schema && {
      valid: schema.valid,
      problems: schema.problems.map(({ path, message }) => ({ loc: ['payload', ...path], msg: message })),
    },
  };
}
