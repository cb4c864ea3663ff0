import type { FastifyInstance } from 'fastify';
import Type, { type Static } from 'typebox';
import { isId } from '../../model/id.ts';
import type { ListedDelivery } from '../../query/reader.ts';
import { JSON_TYPE } from '../answer.ts';
import { applicationFor } from '../authenticate.ts';
import type { HttpServices } from '../services.ts';
import { callerIn } from './caller.ts';
import { endpointCommon } from './endpoint-out.ts';
import { messageOutText, timeText } from './message-out.ts';
import {
  PAGE_PAYLOAD_CHARACTERS,
  PageQuery,
  pageAsked,
  pageOfAll,
  rowsAsked,
  TimedPageQuery,
  timedPageOf,
} from './paging.ts';
import { errorsOf, operatorRoute } from './route-schemas.ts';
import { listOf, MessageEndpointOut, MessageOut } from './schemas.ts';

interface OneRoute {
  Params: { app_id: string; msg_id: string };
}

const ContentQuery = Type.Object({ with_content: Type.Optional(Type.Boolean({ default: true })) });

/** Reading messages and where they went; publishing is in `http/publish`. */
export function addMessageRoutes(scope: FastifyInstance, services: HttpServices): void {
  addReadMessages(scope, services);
  addReadDeliveries(scope, services);
}

function addReadMessages(scope: FastifyInstance, { registry, reader }: HttpServices): void {
  scope.get<{ Params: { app_id: string }; Querystring: Static<typeof TimedPageQuery> }>(
    '/api/v1/app/:app_id/msg',
    {
      schema: operatorRoute({
        operationId: 'listMessages',
        tag: 'Message',
        summary: 'List messages, newest first',
        description:
          'A page has fewer messages than `limit` where their payloads come to more than 4 Mi characters.',
        querystring: TimedPageQuery,
        response: {
          200: { description: 'A page', ...listOf(MessageOut, 'MessageListOut') },
          ...errorsOf(400, 401, 404, 422, 503),
        },
      }),
    },
    async (request, reply) => {
      const application = await applicationFor(registry, callerIn(request), request.params.app_id);
      const asked = pageAsked(request.query, 'msg');
      const withContent = request.query.with_content ?? true;
      const page = { ...rowsAsked(asked), payloadCharacters: PAGE_PAYLOAD_CHARACTERS };
      const rows = await reader.messages(application, { ...page, withPayload: withContent });
      const { data, ...rest } = timedPageOf(rows, asked, (message) => {
        return messageOutText(message, { withContent, trusted: false });
      });
      // Each item is JSON text already, with the payload as it came.
      return reply.type(JSON_TYPE).send(`{"data":[${data.join(',')}],${JSON.stringify(rest).slice(1)}`);
    },
  );

  scope.get<OneRoute & { Querystring: Static<typeof ContentQuery> }>(
    '/api/v1/app/:app_id/msg/:msg_id',
    {
      schema: operatorRoute({
        operationId: 'getMessage',
        tag: 'Message',
        summary: 'Get a message by its id or eventId',
        querystring: ContentQuery,
        response: { 200: { description: 'The message', ...MessageOut }, ...errorsOf(400, 401, 404, 503) },
      }),
    },
    async (request, reply) => {
      const application = await applicationFor(registry, callerIn(request), request.params.app_id);
      const message = await reader.message(application, request.params.msg_id);
      const withContent = request.query.with_content ?? true;
      return reply.type(JSON_TYPE).send(messageOutText(message, { withContent, trusted: false }));
    },
  );
}

function addReadDeliveries(scope: FastifyInstance, { registry, reader }: HttpServices): void {
  scope.get<OneRoute & { Querystring: Static<typeof PageQuery> }>(
    '/api/v1/app/:app_id/msg/:msg_id/endpoint',
    {
      schema: operatorRoute({
        operationId: 'listMessageEndpoints',
        tag: 'Message',
        summary: 'List the deliveries of a message: one for each endpoint, also of deleted ones',
        querystring: PageQuery,
        response: {
          200: { description: 'A page', ...listOf(MessageEndpointOut, 'MessageEndpointListOut') },
          ...errorsOf(400, 401, 404, 422, 503),
        },
      }),
    },
    async (request) => {
      const application = await applicationFor(registry, callerIn(request), request.params.app_id);
      const message = await reader.message(application, request.params.msg_id);
      return pageOfAll(await reader.deliveries(message), request.query, {
        id: ({ endpoint }) => endpoint.id,
        item: messageEndpointOut,
        isId: (id) => isId(id, 'ep'),
      });
    },
  );
}

/** The protocol knows fewer states than Posthorn: a held delivery waits, a cancelled one will not arrive. */
const STATUS = {
  succeeded: { status: 0, statusText: 'success' },
  pending: { status: 1, statusText: 'pending' },
  held: { status: 1, statusText: 'pending' },
  failed: { status: 2, statusText: 'fail' },
  cancelled: { status: 2, statusText: 'fail' },
  sending: { status: 3, statusText: 'sending' },
} as const;

function messageEndpointOut(delivery: ListedDelivery): Static<typeof MessageEndpointOut> {
  const { endpoint, state, reason, attemptCount, nextAttemptAt, endpointDeleted } = delivery;
  return {
    ...endpointCommon(endpoint),
    ...STATUS[state],
    nextAttempt: nextAttemptAt === null ? null : timeText(nextAttemptAt),
    state,
    reason,
    attemptCount,
    endpointDeleted,
  };
}
