/**
 * Of `e`, a row of `posthorn.endpoint`. One by one: `*` would be other columns to a session when a newer program adds one, and its
 * prepared statements fail.
 */
export const ENDPOINT_COLUMNS = `e.endpoint_key, e.application_key, e.id, e.web_hook_id, e.uid, e.url, e.href, e.description,
  e.disabled, e.disabled_reason, e.disabled_at, e.paused_at, e.event_types, e.channels, e.throttle_rate, e.max_in_flight,
  e.ordering, e.retry_schedule, e.final_statuses, e.version, e.metadata, e.sealed_headers, e.sealed_secret, e.secret_expiries,
  e.created_at, e.updated_at`;
