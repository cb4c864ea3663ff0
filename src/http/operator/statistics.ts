import type { FastifyInstance } from 'fastify';
import Type, { type Static } from 'typebox';
import { ApiError } from '../../errors.ts';
import { HOURS_KEPT_MS, MINUTES_KEPT_MS, STATISTICS_BUCKETS } from '../../limits.ts';
import { HOUR_MS, MINUTE_MS } from '../../model/tally.ts';
import type { Bucket, TallyOwner } from '../../query/statistics.ts';
import { applicationFor } from '../authenticate.ts';
import type { HttpServices } from '../services.ts';
import { callerIn } from './caller.ts';
import { queryTime } from './paging.ts';
import { errorsOf, operatorRoute } from './route-schemas.ts';
import { StatisticsOut, statisticsOut } from './schemas/statistics.ts';

/** The usual range: an hour by minutes, a day by hours. */
const RANGE_MS = { minute: HOUR_MS, hour: 24 * HOUR_MS };

const StatisticsQuery = Type.Object({
  since: Type.Optional(
    Type.String({
      format: 'date-time',
      description: 'An hour before `until` by minutes, a day by hours, when left out.',
    }),
  ),
  until: Type.Optional(Type.String({ format: 'date-time', description: 'Now, when left out.' })),
  bucket: Type.Optional(
    Type.Enum(['minute', 'hour'], {
      description: `\`hour\` when left out. Minutes are kept for ${MINUTES_KEPT_MS / HOUR_MS} hours, hours for ${HOURS_KEPT_MS / 24 / HOUR_MS} days, or as long as messages are.`,
    }),
  ),
});
type Query = Static<typeof StatisticsQuery>;

const DESCRIPTION = `Counted while it happened, so that it costs the same however much there was. Times are cut to whole minutes or hours; at most ${STATISTICS_BUCKETS} of them at once. \`backlog\` is what is left to do now.`;

/** What was accepted, sent and is left to do: of an endpoint, of an application, and of all. */
export function addStatisticsRoutes(scope: FastifyInstance, services: HttpServices): void {
  const { registry } = services;
  scope.get<{ Params: { app_id: string }; Querystring: Query }>(
    '/api/v1/app/:app_id/stats',
    {
      schema: operatorRoute({
        operationId: 'getApplicationStats',
        tag: 'Application',
        summary: 'What was accepted, sent and is left to do in an application',
        description: DESCRIPTION,
        querystring: StatisticsQuery,
        response: answers(400, 401, 403, 404, 503),
      }),
    },
    async (request) => {
      const { key } = await applicationFor(registry, callerIn(request), request.params.app_id);
      return statisticsOf(services, { applicationKey: key }, request.query);
    },
  );
  scope.get<{ Params: { app_id: string; endpoint_id: string }; Querystring: Query }>(
    '/api/v1/app/:app_id/endpoint/:endpoint_id/stats/series',
    {
      schema: operatorRoute({
        operationId: 'getEndpointStatsSeries',
        tag: 'Endpoint',
        summary: 'How the attempts at an endpoint went, by minutes or hours, and what is left to do',
        description: DESCRIPTION,
        querystring: StatisticsQuery,
        response: answers(400, 401, 403, 404, 503),
      }),
    },
    async (request) => {
      const { params, query } = request;
      const application = await applicationFor(registry, callerIn(request), params.app_id);
      const { endpoint } = await registry.endpoint(application, params.endpoint_id);
      const of = { applicationKey: application.key, endpointKey: endpoint.key };
      return statisticsOf(services, of, query);
    },
  );
  scope.get<{ Querystring: Query }>(
    '/api/v1/stats',
    {
      config: { access: 'operator' },
      schema: operatorRoute({
        operationId: 'getStats',
        tag: 'Statistics',
        summary: 'What was accepted, sent and is left to do in all applications',
        description: DESCRIPTION,
        querystring: StatisticsQuery,
        response: answers(400, 401, 403, 503),
      }),
    },
    async (request) => statisticsOf(services, {}, request.query),
  );
}

function answers(...errors: number[]) {
  return { 200: { description: 'The counts', ...StatisticsOut }, ...errorsOf(...errors) };
}

async function statisticsOf(
  { statistics, clock }: HttpServices,
  of: TallyOwner,
  query: Query,
): Promise<Static<typeof StatisticsOut>> {
  const bucket: Bucket = query.bucket ?? 'hour';
  const now = clock.now();
  const until = queryTime(query, 'until') ?? now;
  const since = queryTime(query, 'since') ?? until - RANGE_MS[bucket];
  // Clocks of callers may be a little ahead.
  if (until > now + MINUTE_MS) throw new ApiError('invalid_range', '`until` is in the future.');
  if (since > until) throw new ApiError('invalid_range', '`since` is after `until`.');
  const [series, backlog] = await Promise.all([
    statistics.series(of, { since, until, bucket }),
    statistics.backlog(of),
  ]);
  return statisticsOut(series, backlog);
}
