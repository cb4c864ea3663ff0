import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { applicationFor } from '../../authenticate.ts';
import type { HttpServices } from '../../services.ts';
import { callerIn } from '../caller.ts';
import { errorsOf, operatorRoute } from '../route-schemas.ts';
import { MessageAttemptOut } from '../schemas/attempt.ts';
import { attemptOut } from './attempt-out.ts';

interface OneRoute {
  Params: { app_id: string; msg_id: string; attempt_id: string };
}

const OneQuery = Type.Object({
  expanded_statuses: Type.Optional(
    Type.Boolean({ default: false, description: 'Taken, and without effect: no attempt is ever cancelled.' }),
  ),
});

/** One attempt, and forgetting what it was answered with. */
export function addOneAttemptRoutes(
  scope: FastifyInstance,
  { registry, reader, redelivery }: HttpServices,
): void {
  scope.get<OneRoute>(
    '/api/v1/app/:app_id/msg/:msg_id/attempt/:attempt_id',
    {
      schema: operatorRoute({
        operationId: 'getAttempt',
        tag: 'Message Attempt',
        summary: 'Get an attempt',
        querystring: OneQuery,
        response: {
          200: { description: 'The attempt', ...MessageAttemptOut },
          ...errorsOf(400, 401, 403, 404, 503),
        },
      }),
    },
    async (request) => {
      const application = await applicationFor(registry, callerIn(request), request.params.app_id);
      const message = await reader.message(application, request.params.msg_id);
      return attemptOut(await reader.attempt(message, request.params.attempt_id), { withContent: true });
    },
  );

  scope.delete<OneRoute>(
    '/api/v1/app/:app_id/msg/:msg_id/attempt/:attempt_id/content',
    {
      config: { access: 'operator' },
      schema: operatorRoute({
        operationId: 'expungeAttemptContent',
        tag: 'Message Attempt',
        summary: 'Forget what an attempt was answered with',
        description: '`response` is `EXPUNGED` from then on, and `responseHeaders` is empty.',
        response: {
          204: { description: 'It is forgotten.', type: 'null' },
          ...errorsOf(401, 403, 404, 503),
        },
      }),
    },
    async (request, reply) => {
      const application = await applicationFor(registry, callerIn(request), request.params.app_id);
      const message = await reader.message(application, request.params.msg_id);
      await redelivery.expungeAttempt(message, request.params.attempt_id);
      return reply.code(204).send();
    },
  );
}
