import type { DisabledReason, Endpoint, Ordering } from '../../model/endpoint.ts';

export interface EndpointRow {
  endpoint_key: number;
  application_key: number;
  id: string;
  web_hook_id: string;
  uid: string | null;
  url: string;
  href: string;
  description: string;
  disabled: number;
  disabled_reason: DisabledReason | null;
  disabled_at: number | null;
  paused_at: number | null;
  event_types: string | null;
  channels: string | null;
  throttle_rate: number | null;
  max_in_flight: number;
  ordering: Ordering;
  /** JSON. */
  retry_schedule: string | null;
  final_statuses: string;
  version: number;
  metadata: string;
  sealed_headers: Buffer | null;
  sealed_secret: Buffer;
  /** A JSON list of times. */
  secret_expiries: string;
  created_at: number;
  updated_at: number;
}

/**
 * Of `e`, a row of `posthorn.endpoint`. One by one: `*` would be other columns to a session when a newer program adds one, and its
 * prepared statements fail.
 */
export const ENDPOINT_COLUMNS = `e.endpoint_key, e.application_key, e.id, e.web_hook_id, e.uid, e.url, e.href, e.description,
  e.disabled, e.disabled_reason, e.disabled_at, e.paused_at, e.event_types, e.channels, e.throttle_rate, e.max_in_flight,
  e.ordering, e.retry_schedule, e.final_statuses, e.version, e.metadata, e.sealed_headers, e.sealed_secret, e.secret_expiries,
  e.created_at, e.updated_at`;

export function endpoint(row: EndpointRow): Endpoint {
  return {
    key: row.endpoint_key,
    applicationKey: row.application_key,
    id: row.id,
    webHookId: row.web_hook_id,
    uid: row.uid,
    url: row.url,
    href: row.href,
    description: row.description,
    disabled: row.disabled === 1,
    disabledReason: row.disabled_reason,
    disabledAt: row.disabled_at,
    pausedAt: row.paused_at,
    eventTypes: row.event_types === null ? null : JSON.parse(row.event_types),
    channels: row.channels === null ? null : JSON.parse(row.channels),
    throttleRate: row.throttle_rate,
    maxInFlight: row.max_in_flight,
    ordering: row.ordering,
    retrySchedule: row.retry_schedule === null ? null : JSON.parse(row.retry_schedule),
    finalStatuses: JSON.parse(row.final_statuses),
    version: row.version,
    metadata: JSON.parse(row.metadata),
    sealedHeaders: row.sealed_headers,
    sealedSecret: row.sealed_secret,
    secretExpiries: JSON.parse(row.secret_expiries),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
