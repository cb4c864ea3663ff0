import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import { OPEN_COUNTED, TASK_RATE } from '../../../limits.ts';
import type { Endpoint } from '../../../model/endpoint.ts';
import { applicationFor } from '../../authenticate.ts';
import type { HttpServices } from '../../services.ts';
import { callerIn } from '../caller.ts';
import { errorsOf, operatorRoute } from '../route-schemas.ts';
import { DiscardIn, DryRunOut, ReleaseIn, TaskOut } from '../schemas/task.ts';
import { shownTask } from './shown-task.ts';

const PATH = '/api/v1/app/:app_id/endpoint/:endpoint_id/held';

interface HeldRoute {
  Params: { app_id: string; endpoint_id: string };
}

/** What becomes of the deliveries that are held for an endpoint. */
export function addHeldRoutes(scope: FastifyInstance, services: HttpServices): void {
  const { registry, redelivery } = services;
  scope.post<HeldRoute & { Body: Static<typeof ReleaseIn> }>(
    `${PATH}/release`,
    {
      config: { needs: 'CreateAttempts', emptyBody: {} },
      schema: operatorRoute({
        operationId: 'releaseHeld',
        tag: 'Endpoint',
        summary: 'Send what is held for an endpoint',
        description:
          'All of it, oldest first, evenly at `rate`. It goes on in the background, over a restart too: each delivery begins its retry schedule anew. The body may be left out.',
        body: ReleaseIn,
        response: {
          200: { description: 'What it would be about, with `dryRun`', ...DryRunOut },
          202: { description: 'It is stored, and under way.', ...TaskOut },
          ...errorsOf(400, 401, 403, 404, 409, 413, 422, 503),
        },
      }),
    },
    async (request, reply) => {
      const { params, body } = request;
      const application = await applicationFor(registry, callerIn(request), params.app_id);
      const { endpoint } = await registry.endpoint(application, params.endpoint_id);
      if (body.dryRun) return counted(services, endpoint);
      const task = await redelivery.release(endpoint, { rate: body.rate ?? TASK_RATE.usual });
      return reply.code(202).send(await shownTask(services, task));
    },
  );

  scope.post<HeldRoute & { Body: Static<typeof DiscardIn> }>(
    `${PATH}/discard`,
    {
      config: { needs: 'CreateAttempts', emptyBody: {} },
      schema: operatorRoute({
        operationId: 'discardHeld',
        tag: 'Endpoint',
        summary: 'Cancel what is held for an endpoint',
        description:
          'All that is held now; what is held later stays. It goes on in the background, whether the endpoint is enabled or not. The body may be left out.',
        body: DiscardIn,
        response: {
          200: { description: 'What it would be about, with `dryRun`', ...DryRunOut },
          202: { description: 'It is stored, and under way.', ...TaskOut },
          ...errorsOf(400, 401, 403, 404, 409, 413, 422, 503),
        },
      }),
    },
    async (request, reply) => {
      const application = await applicationFor(registry, callerIn(request), request.params.app_id);
      const { endpoint } = await registry.endpoint(application, request.params.endpoint_id);
      if (request.body.dryRun) return counted(services, endpoint);
      return reply.code(202).send(await shownTask(services, await redelivery.discard(endpoint)));
    },
  );
}

async function counted(
  { reader }: Pick<HttpServices, 'reader'>,
  endpoint: Endpoint,
): Promise<Static<typeof DryRunOut>> {
  const { held } = await reader.openCounts(endpoint);
  return { count: held, scanned: held, complete: held < OPEN_COUNTED };
}
