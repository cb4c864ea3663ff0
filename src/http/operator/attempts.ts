import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import { succeeded } from '../../model/exchange.ts';
import { applicationFor } from '../authenticate.ts';
import type { HttpServices } from '../services.ts';
import { callerIn } from './caller.ts';
import { timeText } from './message-out.ts';
import { type PageAsked, pageAsked, rowsAsked, TimedPageQuery, timedPageOf } from './paging.ts';
import { errorsOf, operatorRoute } from './route-schemas.ts';
import { listOf, MessageAttemptOut } from './schemas.ts';

type Rows = Awaited<ReturnType<HttpServices['reader']['attemptsOfMessage']>>;
type Query = Static<typeof TimedPageQuery>;

const AttemptListOut = listOf(MessageAttemptOut, 'MessageAttemptListOut');

const BY_RECORDING =
  'In the order in which the attempts were recorded, which is not strictly that of `timestamp`, the time at which each began.';

/** What was sent and what came back. */
export function addAttemptRoutes(scope: FastifyInstance, { registry, reader }: HttpServices): void {
  scope.get<{ Params: { app_id: string; msg_id: string }; Querystring: Query }>(
    '/api/v1/app/:app_id/attempt/msg/:msg_id',
    {
      schema: operatorRoute({
        operationId: 'listAttemptsByMessage',
        tag: 'Message Attempt',
        summary: 'List the attempts of a message, newest first',
        description: BY_RECORDING,
        querystring: TimedPageQuery,
        response: { 200: { description: 'A page', ...AttemptListOut }, ...errorsOf(400, 401, 404, 422, 503) },
      }),
    },
    async (request) => {
      const application = await applicationFor(registry, callerIn(request), request.params.app_id);
      const message = await reader.message(application, request.params.msg_id);
      const asked = pageAsked(request.query, 'atmpt');
      return page(await reader.attemptsOfMessage(message, rowsAsked(asked)), asked, request.query);
    },
  );

  scope.get<{ Params: { app_id: string; endpoint_id: string }; Querystring: Query }>(
    '/api/v1/app/:app_id/attempt/endpoint/:endpoint_id',
    {
      schema: operatorRoute({
        operationId: 'listAttemptsByEndpoint',
        tag: 'Message Attempt',
        summary: 'List the attempts at an endpoint, newest first',
        description: BY_RECORDING,
        querystring: TimedPageQuery,
        response: { 200: { description: 'A page', ...AttemptListOut }, ...errorsOf(400, 401, 404, 422, 503) },
      }),
    },
    async (request) => {
      const application = await applicationFor(registry, callerIn(request), request.params.app_id);
      const { endpoint } = await registry.endpoint(application, request.params.endpoint_id);
      const asked = pageAsked(request.query, 'atmpt');
      return page(await reader.attemptsOfEndpoint(endpoint, rowsAsked(asked)), asked, request.query);
    },
  );
}

function page(rows: Rows, asked: PageAsked, query: Query) {
  const withContent = query.with_content ?? true;
  return timedPageOf(rows, asked, (row) => attemptOut(row, withContent));
}

function attemptOut(attempt: Rows[number], withContent: boolean): Static<typeof MessageAttemptOut> {
  const { exchange } = attempt;
  return {
    url: attempt.url,
    response: withContent ? exchange.body : '{}',
    responseStatusCode: exchange.status ?? 0,
    responseDurationMs: exchange.durationMs,
    ...(succeeded(exchange) ? { status: 0, statusText: 'success' } : { status: 2, statusText: 'fail' }),
    triggerType: attempt.trigger === 'manual' ? 1 : 0,
    msgId: attempt.messageId,
    endpointId: attempt.endpointId,
    id: attempt.id,
    timestamp: timeText(exchange.startedAt),
    attemptNumber: attempt.number,
    errorCode: exchange.error?.code ?? null,
    errorMessage: exchange.error?.message ?? null,
  };
}
