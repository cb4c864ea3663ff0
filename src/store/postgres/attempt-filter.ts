import type { AttemptFilter } from '../store.ts';
import { EVENT_TYPE_IS_WANTED, eventTypeValues } from './event-type-filter.ts';
import { listed } from './json-words.ts';

/**
 * The filter as SQL on an attempt `a`, in the way of MESSAGE_IS_WANTED. What is asked of the status alone comes first, and only
 * what is asked of the message reads that.
 */
export const ATTEMPT_IS_WANTED = `CASE WHEN
  (@succeeded::boolean IS NULL OR (coalesce(a.status, 0) BETWEEN 200 AND 299) = @succeeded)
  AND (@statusClass::integer IS NULL OR coalesce(a.status, 0) / 100 * 100 = @statusClass)
  AND (@ofEndpoint::bigint IS NULL OR a.endpoint_key = @ofEndpoint)
  THEN @eventTypes::jsonb IS NULL AND @channel::text IS NULL AND @tag::text IS NULL OR EXISTS (
    SELECT 1 FROM posthorn.message m WHERE m.application_key = a.application_key AND m.message_key = a.message_key
      AND ${EVENT_TYPE_IS_WANTED}
      AND (@channel IS NULL OR ${listed('m.channels', '@channel')})
      AND (@tag IS NULL OR ${listed('m.tags', '@tag')}) OFFSET 0)
  ELSE false END`;

/** The values of ATTEMPT_IS_WANTED. */
export function attemptFilterValues({ channel, tag, ...filter }: AttemptFilter) {
  return {
    succeeded: filter.succeeded ?? null,
    statusClass: filter.statusClass ?? null,
    ofEndpoint: filter.endpointKey ?? null,
    ...eventTypeValues(filter.eventTypes),
    channel: channel === undefined ? null : JSON.stringify(channel),
    tag: tag === undefined ? null : JSON.stringify(tag),
  };
}
