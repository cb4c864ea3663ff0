import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { IdempotencyHeaders } from '../idempotency-key.ts';
import { errorsOf, operatorRoute } from '../operator/route-schemas.ts';
import { MessageBatchOut, MessageIn, PublishedMessageOut } from '../operator/schemas/message.ts';
import { MessageBatchIn } from './message-in.ts';
import type { Publisher } from './publish.ts';

interface Params {
  app_id: string;
}

/**
 * The publish calls as routes, so that they are in the OpenAPI document and `inject` reaches them. On a socket
 * `createNodeServer` calls the publisher before Fastify is asked.
 */
export function publishRoutes(publish: Publisher): (scope: FastifyInstance) => void {
  return (scope) => addPublishRoutes(scope, publish);
}

function addPublishRoutes(scope: FastifyInstance, publish: Publisher): void {
  scope.removeAllContentTypeParsers();
  // The publisher reads and checks the body itself.
  scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
  scope.setValidatorCompiler(() => () => true);

  scope.post<{ Params: Params }>(
    '/api/v1/app/:app_id/msg',
    {
      schema: operatorRoute({
        operationId: 'createMessage',
        tag: 'Message',
        summary: 'Publish a message',
        description:
          'Answered after the message and its deliveries are stored. Makes the application first when it is not there and `application` says how.',
        headers: IdempotencyHeaders,
        querystring: Type.Object({ with_content: Type.Optional(Type.Boolean({ default: true })) }),
        body: MessageIn,
        response: {
          202: { description: 'Accepted', ...PublishedMessageOut },
          ...errorsOf(400, 401, 403, 404, 409, 413, 422, 429, 503),
        },
      }),
    },
    (request, reply) => {
      reply.hijack();
      publish(request.raw, reply.raw, {
        ref: request.params.app_id,
        batch: false,
        query: queryOf(request.url),
      });
    },
  );

  scope.post<{ Params: Params }>(
    '/api/v1/app/:app_id/msg/batch',
    {
      schema: operatorRoute({
        operationId: 'createMessageBatch',
        tag: 'Message',
        summary: 'Publish up to 1,000 messages at once',
        description: 'Addition of Posthorn. All are taken or none is; `loc` of an error names the index.',
        headers: IdempotencyHeaders,
        body: MessageBatchIn,
        response: {
          202: { description: 'Accepted', ...MessageBatchOut },
          ...errorsOf(400, 401, 403, 404, 409, 413, 422, 429, 503),
        },
      }),
    },
    (request, reply) => {
      reply.hijack();
      publish(request.raw, reply.raw, {
        ref: request.params.app_id,
        batch: true,
        query: queryOf(request.url),
      });
    },
  );
}

function queryOf(url: string): string {
  const question = url.indexOf('?');
  return question < 0 ? '' : url.slice(question + 1);
}
