import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import { applicationFor } from '../authenticate.ts';
import type { HttpServices } from '../services.ts';
import { invalid } from '../validation.ts';
import { callerIn } from './caller.ts';
import { timeText } from './message-out.ts';
import { errorsOf, operatorRoute } from './route-schemas.ts';
import { EmptyResponse, RecoverIn, RecoverOut } from './schemas/redelivery.ts';

/** How far back a recovery may begin; a caller who reckons 14 days by a clock of its own has some minutes more. */
const RECOVER_MS = 14 * 86_400_000;
const RECOVER_LEEWAY_MS = 5 * 60_000;

/** Sending again: one message to one endpoint, or all that failed. */
export function addRedeliveryRoutes(scope: FastifyInstance, services: HttpServices): void {
  addResend(scope, services);
  addRecover(scope, services);
}

function addResend(scope: FastifyInstance, { registry, reader, redelivery }: HttpServices): void {
  scope.post<{ Params: { app_id: string; msg_id: string; endpoint_id: string } }>(
    '/api/v1/app/:app_id/msg/:msg_id/endpoint/:endpoint_id/resend',
    {
      config: { needs: 'CreateAttempts' },
      schema: operatorRoute({
        operationId: 'resendMessage',
        tag: 'Message Attempt',
        summary: 'Send a message to an endpoint once more',
        description:
          'One attempt, whatever became of the delivery. When it arrives, the delivery has succeeded; when not, everything stays as it is, a retry that is planned too. Two that wait for the same are one.',
        response: {
          202: { description: 'It is stored, and will be sent.', ...EmptyResponse },
          ...errorsOf(400, 401, 403, 404, 409, 422, 429, 503),
        },
      }),
    },
    async (request, reply) => {
      const { params } = request;
      const application = await applicationFor(registry, callerIn(request), params.app_id);
      const message = await reader.message(application, params.msg_id);
      const { endpoint } = await registry.endpoint(application, params.endpoint_id);
      await redelivery.resend(message, endpoint);
      return reply.code(202).send({});
    },
  );
}

function addRecover(scope: FastifyInstance, { registry, redelivery, clock }: HttpServices): void {
  scope.post<{ Params: { app_id: string; endpoint_id: string }; Body: Static<typeof RecoverIn> }>(
    '/api/v1/app/:app_id/endpoint/:endpoint_id/recover',
    {
      config: { needs: 'CreateAttempts' },
      schema: operatorRoute({
        operationId: 'recoverEndpoint',
        tag: 'Endpoint',
        summary: 'Send again what failed or is held for an endpoint',
        description:
          'Of the messages made from `since`, at most 14 days before `until`. It goes on in the background, over a restart too: each delivery begins its retry schedule anew.',
        body: RecoverIn,
        response: {
          202: { description: 'It is stored, and under way.', ...RecoverOut },
          ...errorsOf(400, 401, 403, 404, 409, 413, 422, 503),
        },
      }),
    },
    async (request, reply) => {
      const { params, body } = request;
      const application = await applicationFor(registry, callerIn(request), params.app_id);
      const { endpoint } = await registry.endpoint(application, params.endpoint_id);
      const { id, updatedAt } = await redelivery.recover(application, endpoint, rangeOf(body, clock.now()));
      const task: Static<typeof RecoverOut> = {
        id,
        status: 'running',
        task: 'endpoint.recover',
        updatedAt: timeText(updatedAt),
      };
      return reply.code(202).send(task);
    },
  );
}

/** Throws `validation`. */
function rangeOf(body: Static<typeof RecoverIn>, now: number): { from: number; to: number } {
  const from = bodyTime(body.since, 'since');
  const until = body.until == null ? now : bodyTime(body.until, 'until');
  const to = Math.min(until, now);
  if (from > to) {
    const than = body.until == null || until > now ? 'now' : '`until`';
    throw invalid(['body', 'since'], `must not be later than ${than}`);
  }
  if (from < to - RECOVER_MS - RECOVER_LEEWAY_MS) {
    throw invalid(['body', 'since'], 'must be at most 14 days before `until`');
  }
  return { from, to };
}

/** RFC 3339 has times that no clock here shows: leap seconds. */
function bodyTime(text: string, name: string): number {
  const at = Date.parse(text);
  if (Number.isNaN(at)) throw invalid(['body', name], 'must be a date and time (RFC 3339)');
  return at;
}
