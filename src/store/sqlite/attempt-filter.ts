import type { AttemptFilter } from '../store.ts';
import { EVENT_TYPE_IS_WANTED, eventTypeValues } from './event-type-filter.ts';
import { listed } from './scan.ts';

/**
 * The filter as SQL on an attempt `a`, in the way of MESSAGE_IS_WANTED. What is asked of the status alone is answered by the
 * index that the scan walks, and only what is asked of the message reads that.
 */
export const ATTEMPT_IS_WANTED = `
  (@succeeded IS NULL OR coalesce(a.status, 0) BETWEEN 200 AND 299 IS @succeeded)
  AND (@statusClass IS NULL OR coalesce(a.status, 0) / 100 * 100 = @statusClass)
  AND (@ofEndpoint IS NULL OR a.endpoint_key = @ofEndpoint)
  AND (@eventTypes IS NULL AND @channel IS NULL AND @tag IS NULL OR EXISTS (SELECT 1 FROM message m
    WHERE m.message_key = a.message_key
    AND ${EVENT_TYPE_IS_WANTED}
    AND (@channel IS NULL OR ${listed('m.channels', '@channel')})
    AND (@tag IS NULL OR ${listed('m.tags', '@tag')})))`;

/** The values of ATTEMPT_IS_WANTED. */
export function attemptFilterValues(filter: AttemptFilter) {
  return {
    succeeded: filter.succeeded === undefined ? null : Number(filter.succeeded),
    statusClass: filter.statusClass ?? null,
    ofEndpoint: filter.endpointKey ?? null,
    ...eventTypeValues(filter.eventTypes),
    channel: filter.channel ?? null,
    tag: filter.tag ?? null,
  };
}
