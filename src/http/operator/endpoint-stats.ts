import type { FastifyInstance } from 'fastify';
import Type, { type Static } from 'typebox';
import { ApiError } from '../../errors.ts';
import { failedOf } from '../../model/tally.ts';
import { applicationFor } from '../authenticate.ts';
import type { HttpServices } from '../services.ts';
import { callerIn } from './caller.ts';
import { queryTime } from './paging.ts';
import { errorsOf, operatorRoute } from './route-schemas.ts';
import { EndpointStats } from './schemas/endpoint-health.ts';

/** The longest range, and the usual one; a caller who reckons 28 days by a clock of its own has some minutes more. */
const RANGE_MS = 28 * 86_400_000;
const RANGE_LEEWAY_MS = 5 * 60_000;

const StatsQuery = Type.Object({
  since: Type.Optional(
    Type.String({ format: 'date-time', description: '28 days before `until`, when left out.' }),
  ),
  until: Type.Optional(Type.String({ format: 'date-time', description: 'Now, when left out.' })),
});

/** How the attempts at an endpoint went. */
export function addEndpointStatsRoutes(
  scope: FastifyInstance,
  { registry, reader, statistics, clock }: HttpServices,
): void {
  scope.get<{
    Params: { app_id: string; endpoint_id: string };
    Querystring: Static<typeof StatsQuery>;
  }>(
    '/api/v1/app/:app_id/endpoint/:endpoint_id/stats',
    {
      schema: operatorRoute({
        operationId: 'getEndpointStats',
        tag: 'Endpoint',
        summary: 'Count the attempts at an endpoint, and the deliveries that are open',
        description:
          '`success` and `fail` count attempts that were recorded in the range, of at most 28 days, which is cut to whole minutes, and to whole hours where it is over 6 hours ago; `pending` and `sending` count the deliveries that are open now, whenever they were made.',
        querystring: StatsQuery,
        response: {
          200: { description: 'The counts', ...EndpointStats },
          ...errorsOf(400, 401, 403, 404, 503),
        },
      }),
    },
    async (request): Promise<Static<typeof EndpointStats>> => {
      const { params, query } = request;
      const application = await applicationFor(registry, callerIn(request), params.app_id);
      const { endpoint } = await registry.endpoint(application, params.endpoint_id);
      const range = rangeOf(query, clock.now());
      const of = { applicationKey: application.key, endpointKey: endpoint.key };
      const attempts = await statistics.total(of, range);
      const { pending, held, sending } = await reader.openCounts(endpoint);
      const [success, fail] = [attempts.succeeded, failedOf(attempts)];
      return { success, pending: pending + held, sending, fail, canceled: 0 };
    },
  );
}

/** Throws `invalid_range`. */
function rangeOf(query: Static<typeof StatsQuery>, now: number): { since: number; until: number } {
  const end = queryTime(query, 'until') ?? now;
  const since = queryTime(query, 'since') ?? end - RANGE_MS;
  if (end > now) throw new ApiError('invalid_range', '`until` is in the future.');
  if (since > end) throw new ApiError('invalid_range', '`since` is after `until`.');
  if (end - since > RANGE_MS + RANGE_LEEWAY_MS) {
    throw new ApiError('invalid_range', 'The range may have at most 28 days.');
  }
  return { since, until: end };
}
