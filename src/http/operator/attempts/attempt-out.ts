import type { Static } from 'typebox';
import { type HeaderLines, succeeded } from '../../../model/exchange.ts';
import { readHeaderLines } from '../../../model/header-lines.ts';
import type { Message } from '../../../model/message.ts';
import type { ListedAttempt } from '../../../query/reader.ts';
import { FAIL, SUCCESS } from '../deliveries/delivery-status.ts';
import { messageOutBare, timeText } from '../message-out.ts';
import type { MessageAttemptOut } from '../schemas/attempt.ts';

/** `msg`: the attempt's message, where it is wanted. */
export function attemptOut(
  attempt: ListedAttempt,
  { withContent, msg }: { withContent: boolean; msg?: Message | undefined },
): Static<typeof MessageAttemptOut> {
  const { exchange } = attempt;
  return {
    url: attempt.url,
    response: withContent ? exchange.body : '{}',
    responseStatusCode: exchange.status ?? 0,
    responseDurationMs: exchange.durationMs,
    ...(succeeded(exchange) ? SUCCESS : FAIL),
    triggerType: attempt.trigger === 'manual' ? 1 : 0,
    msgId: attempt.messageId,
    endpointId: attempt.endpointId,
    id: attempt.id,
    timestamp: timeText(exchange.startedAt),
    attemptNumber: attempt.trigger === 'manual' ? null : attempt.number,
    errorCode: exchange.error?.code ?? null,
    errorMessage: exchange.error?.message ?? null,
    requestHeaders: withContent ? headersOut(exchange.requestHeaders) : {},
    responseHeaders: withContent ? headersOut(exchange.responseHeaders) : {},
    ...(msg !== undefined && { msg: messageOutBare(msg) }),
  };
}

function headersOut(lines: HeaderLines): Record<string, string> {
  const headers = new Map<string, string>();
  for (const [name, value] of readHeaderLines(lines)) {
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return Object.fromEntries(headers);
}
