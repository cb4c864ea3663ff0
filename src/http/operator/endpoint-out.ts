import type { Static } from 'typebox';
import type { Endpoint } from '../../model/endpoint.ts';
import type { RetrySchedule } from '../../model/retry-schedule.ts';
import { controlOut } from './delivery-control.ts';
import { timeText } from './message-out.ts';
import type { EndpointOut } from './schemas/endpoint.ts';

/** The fields that every form of an endpoint has. */
export function endpointCommon(endpoint: Endpoint) {
  const { id, webHookId, uid, url, description, disabled, version, throttleRate } = endpoint;
  const eventTypes = endpoint.eventTypes && [...endpoint.eventTypes];
  return {
    description,
    rateLimit: throttleRate,
    throttleRate,
    uid,
    url,
    version,
    disabled,
    eventTypes,
    filterTypes: eventTypes,
    channels: endpoint.channels && [...endpoint.channels],
    createdAt: timeText(endpoint.createdAt),
    updatedAt: timeText(endpoint.updatedAt),
    id,
    webHookId,
  };
}

/** @param retrySchedule of the settings, for endpoints that have none of their own. */
export function endpointOut(endpoint: Endpoint, retrySchedule: RetrySchedule): Static<typeof EndpointOut> {
  return {
    ...endpointCommon(endpoint),
    metadata: { ...endpoint.metadata },
    ...controlOut(endpoint, retrySchedule),
  };
}
