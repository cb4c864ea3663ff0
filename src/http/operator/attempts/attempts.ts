import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Static } from 'typebox';
import type { Application } from '../../../model/application.ts';
import { applicationFor } from '../../authenticate.ts';
import type { HttpServices } from '../../services.ts';
import { callerIn } from '../caller.ts';
import { AttemptListQuery, attemptFilter, MessageAttemptListQuery } from '../message-filters.ts';
import { pageAsked, rowsAsked, timedPageOf } from '../paging.ts';
import { errorsOf, operatorRoute } from '../route-schemas.ts';
import { MessageAttemptOut } from '../schemas/attempt.ts';
import { listOf } from '../schemas/common.ts';
import { attemptOut } from './attempt-out.ts';

interface OfMessage {
  Params: { app_id: string; msg_id: string };
  Querystring: Static<typeof MessageAttemptListQuery>;
}
interface OfEndpoint {
  Params: { app_id: string; endpoint_id: string };
  Querystring: Static<typeof AttemptListQuery>;
}
interface OfDelivery {
  Params: { app_id: string; msg_id: string; endpoint_id: string };
  Querystring: Static<typeof AttemptListQuery>;
}

const TAG = 'Message Attempt';
const BY_RECORDING =
  'In the order in which the attempts were recorded, which is not strictly that of `timestamp`, the time at which each began. A page can have fewer attempts than `limit` where a filter finds few among very many.';
const response = {
  200: { description: 'A page', ...listOf(MessageAttemptOut, 'MessageAttemptListOut') },
  ...errorsOf(400, 401, 403, 404, 422, 429, 503),
};
/** `success`, `fail`: the statuses that an attempt can have. */
const OF_ATTEMPTS = new Set<number | undefined>([undefined, 0, 2]);

/** Lists of what was sent and what came back. */
export function addAttemptRoutes(scope: FastifyInstance, services: HttpServices): void {
  const ofMessage = (request: FastifyRequest<OfMessage>) => listOfMessage(services, request);
  const ofMessageQuery = { querystring: MessageAttemptListQuery, response };
  scope.get<OfMessage>(
    '/api/v1/app/:app_id/attempt/msg/:msg_id',
    {
      schema: operatorRoute({
        operationId: 'listAttemptsByMessage',
        tag: TAG,
        summary: 'List the attempts of a message, newest first',
        description: BY_RECORDING,
        ...ofMessageQuery,
      }),
    },
    ofMessage,
  );
  scope.get<OfMessage>(
    '/api/v1/app/:app_id/msg/:msg_id/attempt',
    {
      schema: deprecatedRoute({
        operationId: 'listAttemptsByMessageOld',
        summary: 'List the attempts of a message, newest first',
        description: 'The older path of `/attempt/msg/{msg_id}`.',
        ...ofMessageQuery,
      }),
    },
    ofMessage,
  );
  scope.get<OfEndpoint>(
    '/api/v1/app/:app_id/attempt/endpoint/:endpoint_id',
    {
      schema: operatorRoute({
        operationId: 'listAttemptsByEndpoint',
        tag: TAG,
        summary: 'List the attempts at an endpoint, newest first',
        description: BY_RECORDING,
        querystring: AttemptListQuery,
        response,
      }),
    },
    (request) => listOfEndpoint(services, request),
  );
  scope.get<OfDelivery>(
    '/api/v1/app/:app_id/msg/:msg_id/endpoint/:endpoint_id/attempt',
    {
      schema: deprecatedRoute({
        operationId: 'listAttemptsByMessageAndEndpointOld',
        summary: 'List the attempts of a message at an endpoint, newest first',
        description: 'The older way to ask `/attempt/msg/{msg_id}` for an `endpoint_id`.',
        querystring: AttemptListQuery,
        response,
      }),
    },
    (request) => listOfDelivery(services, request),
  );
}

function deprecatedRoute(description: Omit<Parameters<typeof operatorRoute>[0], 'tag'>) {
  return { ...operatorRoute({ ...description, tag: TAG }), deprecated: true };
}

async function listOfMessage(services: HttpServices, request: FastifyRequest<OfMessage>) {
  const { registry, reader } = services;
  const { params, query } = request;
  const application = await applicationFor(registry, callerIn(request), params.app_id);
  const message = await reader.message(application, params.msg_id);
  const { endpoint_id: ref } = query;
  const endpointKey = ref === undefined ? null : (await registry.endpoint(application, ref)).endpoint.key;
  return attemptPage(services, request, { application, of: { messageKey: message.key }, endpointKey });
}

async function listOfEndpoint(services: HttpServices, request: FastifyRequest<OfEndpoint>) {
  const { registry } = services;
  const application = await applicationFor(registry, callerIn(request), request.params.app_id);
  const { endpoint } = await registry.endpoint(application, request.params.endpoint_id);
  return attemptPage(services, request, {
    application,
    of: { endpointKey: endpoint.key },
    endpointKey: null,
  });
}

async function listOfDelivery(services: HttpServices, request: FastifyRequest<OfDelivery>) {
  const { registry, reader } = services;
  const { params } = request;
  const application = await applicationFor(registry, callerIn(request), params.app_id);
  const message = await reader.message(application, params.msg_id);
  const { endpoint } = await registry.endpoint(application, params.endpoint_id);
  const of = { messageKey: message.key };
  return attemptPage(services, request, { application, of, endpointKey: endpoint.key });
}

async function attemptPage(
  { reader }: HttpServices,
  request: FastifyRequest<{ Querystring: Static<typeof AttemptListQuery> }>,
  what: {
    readonly application: Application;
    readonly of: Parameters<HttpServices['reader']['attempts']>[1];
    /** Only attempts at this endpoint. */
    readonly endpointKey: number | null;
  },
) {
  const { query } = request;
  const asked = pageAsked(query, 'atmpt');
  const found = OF_ATTEMPTS.has(query.status)
    ? await reader.attempts(what.application, what.of, {
        ...rowsAsked(asked, request),
        filter: attemptFilter(query, what.endpointKey),
      })
    : { rows: [], scannedTo: null };
  const messages = query.with_msg ? await reader.messagesOf(what.application, found.rows) : null;
  const withContent = query.with_content ?? true;
  return timedPageOf(found, asked, (row) =>
    attemptOut(row, { withContent, msg: messages?.get(row.messageId) }),
  );
}
