import type { FastifyInstance } from 'fastify';
import Type, { type Static } from 'typebox';
import { JSON_TYPE } from '../answer.ts';
import { applicationFor } from '../authenticate.ts';
import type { HttpServices } from '../services.ts';
import { callerIn } from './caller.ts';
import { MessageListQuery, messageFilter } from './message-filters.ts';
import { messageOutText } from './message-out.ts';
import { PAGE_PAYLOAD_CHARACTERS, pageAsked, pageText, rowsAsked, timedPageOf } from './paging.ts';
import { errorsOf, operatorRoute } from './route-schemas.ts';
import { listOf } from './schemas/common.ts';
import { MessageOut } from './schemas/message.ts';

interface OneRoute {
  Params: { app_id: string; msg_id: string };
}

const ContentQuery = Type.Object({ with_content: Type.Optional(Type.Boolean({ default: true })) });

/** Reading messages and forgetting what is in them; publishing is in `http/publish`. */
export function addMessageRoutes(scope: FastifyInstance, services: HttpServices): void {
  addList(scope, services);
  addOne(scope, services);
}

function addList(scope: FastifyInstance, { registry, reader }: HttpServices): void {
  scope.get<{ Params: { app_id: string }; Querystring: Static<typeof MessageListQuery> }>(
    '/api/v1/app/:app_id/msg',
    {
      schema: operatorRoute({
        operationId: 'listMessages',
        tag: 'Message',
        summary: 'List messages, newest first',
        description:
          'A page has fewer messages than `limit` where their payloads come to more than 4 Mi characters, and where a filter finds few among very many: `done` and `iterator` say how to go on.',
        querystring: MessageListQuery,
        response: {
          200: { description: 'A page', ...listOf(MessageOut, 'MessageListOut') },
          ...errorsOf(400, 401, 403, 404, 422, 429, 503),
        },
      }),
    },
    async (request, reply) => {
      const application = await applicationFor(registry, callerIn(request), request.params.app_id);
      const asked = pageAsked(request.query, 'msg');
      const withContent = request.query.with_content ?? true;
      const found = await reader.messages(application, {
        ...rowsAsked(asked, request),
        payloadCharacters: withContent ? PAGE_PAYLOAD_CHARACTERS : null,
        filter: messageFilter(request.query),
      });
      const page = timedPageOf(found, asked, (message) => {
        return messageOutText(message, { withContent, trusted: false });
      });
      return reply.type(JSON_TYPE).send(pageText(page));
    },
  );
}

function addOne(scope: FastifyInstance, { registry, reader, redelivery }: HttpServices): void {
  scope.get<OneRoute & { Querystring: Static<typeof ContentQuery> }>(
    '/api/v1/app/:app_id/msg/:msg_id',
    {
      schema: operatorRoute({
        operationId: 'getMessage',
        tag: 'Message',
        summary: 'Get a message by its id or eventId',
        querystring: ContentQuery,
        response: {
          200: { description: 'The message', ...MessageOut },
          ...errorsOf(400, 401, 403, 404, 503),
        },
      }),
    },
    async (request, reply) => {
      const application = await applicationFor(registry, callerIn(request), request.params.app_id);
      const message = await reader.message(application, request.params.msg_id);
      const withContent = request.query.with_content ?? true;
      return reply.type(JSON_TYPE).send(messageOutText(message, { withContent, trusted: false }));
    },
  );

  scope.delete<OneRoute>(
    '/api/v1/app/:app_id/msg/:msg_id/content',
    {
      config: { access: 'operator' },
      schema: operatorRoute({
        operationId: 'expungeMessageContent',
        tag: 'Message',
        summary: 'Forget the payload of a message for good',
        description: 'What of it is still to be delivered is cancelled. What is under way may still arrive.',
        response: {
          204: { description: 'It is forgotten.', type: 'null' },
          ...errorsOf(401, 403, 404, 503),
        },
      }),
    },
    async (request, reply) => {
      const application = await applicationFor(registry, callerIn(request), request.params.app_id);
      await redelivery.expunge(await reader.message(application, request.params.msg_id));
      return reply.code(204).send();
    },
  );
}
