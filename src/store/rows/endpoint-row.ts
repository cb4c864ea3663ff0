import type { DisabledReason, Endpoint, Ordering } from '../../model/endpoint.ts';
import type { NewEndpoint } from '../store.ts';

export type EndpointFields = Omit<NewEndpoint, 'applicationKey' | 'id' | 'now'>;

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

/** What an endpoint's row is made of beside its keys and times, with what the store keeps as text or as a number. */
export function storedEndpoint(fields: EndpointFields) {
  return {
    uid: fields.uid,
    url: fields.url,
    href: fields.href,
    description: fields.description,
    disabled: fields.disabled ? 1 : 0,
    disabledReason: fields.disabledReason,
    disabledAt: fields.disabledAt,
    pausedAt: fields.pausedAt,
    eventTypes: fields.eventTypes === null ? null : JSON.stringify(fields.eventTypes),
    channels: fields.channels === null ? null : JSON.stringify(fields.channels),
    throttleRate: fields.throttleRate,
    maxInFlight: fields.maxInFlight,
    ordering: fields.ordering,
    retrySchedule: fields.retrySchedule === null ? null : JSON.stringify(fields.retrySchedule),
    finalStatuses: JSON.stringify(fields.finalStatuses),
    version: fields.version,
    metadata: JSON.stringify(fields.metadata),
    sealedHeaders: fields.sealedHeaders,
    sealedSecret: fields.sealedSecret,
    secretExpiries: JSON.stringify(fields.secretExpiries),
  };
}
