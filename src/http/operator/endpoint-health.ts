import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import type { Endpoint } from '../../model/endpoint.ts';
import { applicationFor } from '../authenticate.ts';
import type { HttpServices, Pulse } from '../services.ts';
import { callerIn } from './caller.ts';
import { timeText } from './message-out.ts';
import { errorsOf, operatorRoute } from './route-schemas.ts';
import { EndpointHealth } from './schemas/endpoint-health.ts';

/** How an endpoint is at the moment. */
export function addEndpointHealthRoutes(
  scope: FastifyInstance,
  { registry, reader, pulse }: HttpServices,
): void {
  scope.get<{ Params: { app_id: string; endpoint_id: string } }>(
    '/api/v1/app/:app_id/endpoint/:endpoint_id/health',
    {
      schema: operatorRoute({
        operationId: 'getEndpointHealth',
        tag: 'Endpoint',
        summary: 'Tell how an endpoint is at the moment, and what waits for it',
        response: {
          200: { description: 'How it is', ...EndpointHealth },
          ...errorsOf(401, 403, 404, 503),
        },
      }),
    },
    async (request): Promise<Static<typeof EndpointHealth>> => {
      const { params } = request;
      const application = await applicationFor(registry, callerIn(request), params.app_id);
      const { endpoint } = await registry.endpoint(application, params.endpoint_id);
      const open = await reader.openCounts(endpoint);
      const blockedBy = await reader.blockedBy(endpoint);
      return {
        ...pulseOut(endpoint, pulse),
        ...open,
        blockedBy: blockedBy && { msgId: blockedBy.messageId },
      };
    },
  );
}

type Stored = 'pending' | 'sending' | 'held' | 'blockedBy';

export function pulseOut(endpoint: Endpoint, pulse: Pulse): Omit<Static<typeof EndpointHealth>, Stored> {
  const lane = pulse.lane(endpoint.key);
  const failing = pulse.failing(endpoint.key);
  const { open = false, failures = 0, probeAt = null } = lane?.breaker ?? {};
  return {
    state: stateOf(endpoint, { open, failing: failing !== null }),
    failingSince: failing && timeText(failing.since),
    // One that is disabled already is not disabled once more.
    disablesAt: failing?.disablesAt != null && !endpoint.disabled ? timeText(failing.disablesAt) : null,
    breaker: { open, failures, nextProbe: probeAt === null ? null : timeText(probeAt) },
    inFlight: lane?.inFlight ?? 0,
    inFlightLimit: lane?.limit ?? null,
    maxInFlight: endpoint.maxInFlight,
  };
}

function stateOf(
  { disabled, pausedAt }: Endpoint,
  { open, failing }: { open: boolean; failing: boolean },
): Static<typeof EndpointHealth>['state'] {
  if (disabled) return 'disabled';
  if (pausedAt !== null) return 'paused';
  if (open) return 'breaker_open';
  return failing ? 'failing' : 'healthy';
}
