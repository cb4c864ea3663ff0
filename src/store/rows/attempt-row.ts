import type { AttemptTrigger } from '../../model/attempt.ts';
import type { ExchangeErrorCode } from '../../model/exchange.ts';
import type { ListedAttempt } from '../store.ts';

export interface AttemptRow {
  id: string;
  message_key: number;
  endpoint_key: number;
  number: number;
  trigger: AttemptTrigger;
  url: string;
  started_at: number;
  duration_ms: number;
  status: number | null;
  retry_after: string | null;
  error_code: ExchangeErrorCode | null;
  error_message: string | null;
  request_headers: string | null;
  response_headers: string | null;
  body: string;
  message_id: string;
  endpoint_id: string;
}

export function attempt(row: AttemptRow): ListedAttempt {
  return {
    id: row.id,
    messageKey: row.message_key,
    endpointKey: row.endpoint_key,
    messageId: row.message_id,
    endpointId: row.endpoint_id,
    number: row.number,
    trigger: row.trigger,
    url: row.url,
    exchange: {
      startedAt: row.started_at,
      durationMs: row.duration_ms,
      status: row.status,
      body: row.body,
      requestHeaders: row.request_headers ?? '',
      responseHeaders: row.response_headers ?? '',
      retryAfter: row.retry_after,
      error: row.error_code === null ? null : { code: row.error_code, message: row.error_message ?? '' },
    },
  };
}
