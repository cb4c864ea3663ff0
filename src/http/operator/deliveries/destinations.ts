import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import { ApiError } from '../../../errors.ts';
import type { Application } from '../../../model/application.ts';
import type { AttemptedMessage, EndpointDelivery } from '../../../query/reader.ts';
import { JSON_TYPE } from '../../answer.ts';
import { applicationFor } from '../../authenticate.ts';
import type { HttpServices } from '../../services.ts';
import { callerIn } from '../caller.ts';
import { endpointCommon } from '../endpoint-out.ts';
import { AttemptedMessageQuery, labelFilter } from '../message-filters.ts';
import { messageOutText } from '../message-out.ts';
import {
  notAnIterator,
  PAGE_PAYLOAD_CHARACTERS,
  PageQuery,
  pageAsked,
  pageFrom,
  pageOf,
  pageText,
  rowsAsked,
  timedPageOf,
} from '../paging.ts';
import { errorsOf, operatorRoute } from '../route-schemas.ts';
import { MessageEndpointOut } from '../schemas/attempt.ts';
import { listOf } from '../schemas/common.ts';
import { EndpointMessageOut } from '../schemas/message.ts';
import { deliveryOut } from './delivery-out.ts';
import { statesOf } from './delivery-status.ts';

/** Which endpoints a message goes to, and which messages an endpoint gets: deliveries from both sides. */
export function addDestinationRoutes(scope: FastifyInstance, services: HttpServices): void {
  addDestinations(scope, services);
  addAttemptedMessages(scope, services);
}

function addDestinations(scope: FastifyInstance, { registry, reader }: HttpServices): void {
  scope.get<{ Params: { app_id: string; msg_id: string }; Querystring: Static<typeof PageQuery> }>(
    '/api/v1/app/:app_id/msg/:msg_id/endpoint',
    {
      schema: operatorRoute({
        operationId: 'listMessageEndpoints',
        tag: 'Message Attempt',
        summary: 'List the deliveries of a message: one for each endpoint, also of deleted ones',
        description: 'Oldest endpoint first.',
        querystring: PageQuery,
        response: {
          200: { description: 'A page', ...listOf(MessageEndpointOut, 'MessageEndpointListOut') },
          ...errorsOf(400, 401, 403, 404, 422, 429, 503),
        },
      }),
    },
    async (request) => {
      const application = await applicationFor(registry, callerIn(request), request.params.app_id);
      const message = await reader.message(application, request.params.msg_id);
      const { limit, from: endpointId, backwards } = pageFrom(request.query, 'ep');
      const from = endpointId === null ? null : await placeOf(endpointId, application, registry);
      const rows = await reader.deliveries(message, { limit: limit + 1, from, backwards });
      if (rows === null) throw notAnIterator();
      return pageOf(rows, limit, { id: ({ endpoint }) => endpoint.id, item: messageEndpointOut, backwards });
    },
  );
}

/** An iterator names an endpoint, which may have been deleted since the page before: then the reader looks for it. */
async function placeOf(endpointId: string, application: Application, registry: HttpServices['registry']) {
  try {
    return { endpointId, endpointKey: (await registry.endpoint(application, endpointId)).endpoint.key };
  } catch (error) {
    if (error instanceof ApiError && error.code === 'not_found') return { endpointId, endpointKey: null };
    throw error;
  }
}

function messageEndpointOut(delivery: EndpointDelivery): Static<typeof MessageEndpointOut> {
  const { endpoint, endpointDeleted } = delivery;
  return { ...endpointCommon(endpoint), ...deliveryOut(delivery, false), endpointDeleted };
}

function addAttemptedMessages(scope: FastifyInstance, { registry, reader }: HttpServices): void {
  scope.get<{
    Params: { app_id: string; endpoint_id: string };
    Querystring: Static<typeof AttemptedMessageQuery>;
  }>(
    '/api/v1/app/:app_id/endpoint/:endpoint_id/msg',
    {
      schema: operatorRoute({
        operationId: 'listAttemptedMessages',
        tag: 'Message Attempt',
        summary: 'List the messages for an endpoint and what became of each, newest first',
        description:
          'Also those that still wait, or are held. A page can have fewer messages than `limit`, as that of all messages.',
        querystring: AttemptedMessageQuery,
        response: {
          200: { description: 'A page', ...listOf(EndpointMessageOut, 'EndpointMessageListOut') },
          ...errorsOf(400, 401, 403, 404, 422, 429, 503),
        },
      }),
    },
    async (request, reply) => {
      const { params, query } = request;
      const application = await applicationFor(registry, callerIn(request), params.app_id);
      const { endpoint } = await registry.endpoint(application, params.endpoint_id);
      const asked = pageAsked(query, 'msg');
      const expanded = query.expanded_statuses ?? false;
      const withContent = query.with_content ?? true;
      const found = await reader.attemptedMessages(endpoint, {
        ...rowsAsked(asked, request),
        payloadCharacters: withContent ? PAGE_PAYLOAD_CHARACTERS : null,
        filter: labelFilter(query),
        states: query.status === undefined ? null : statesOf(query.status, expanded),
      });
      const page = timedPageOf(found, asked, (row) => endpointMessageText(row, { withContent, expanded }));
      return reply.type(JSON_TYPE).send(pageText(page));
    },
  );
}

/** EndpointMessageOut as JSON text. */
function endpointMessageText(
  { delivery, ...message }: AttemptedMessage,
  { withContent, expanded }: { withContent: boolean; expanded: boolean },
): string {
  const text = messageOutText(message, { withContent, trusted: false });
  return `${text.slice(0, -1)},${JSON.stringify(deliveryOut(delivery, expanded)).slice(1)}`;
}
