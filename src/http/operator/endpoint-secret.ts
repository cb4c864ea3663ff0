import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import { shownSecret } from '../../model/secret.ts';
import type { HttpServices } from '../services.ts';
import { callerIn } from './caller.ts';
import { checkedSecret } from './endpoint-in.ts';
import { applicationOwner, type EndpointOwner } from './endpoint-owner.ts';
import type { EndpointRoute } from './endpoints.ts';
import { errorsOf, operatorRoute } from './route-schemas.ts';
import { EndpointSecretOut, EndpointSecretRotateIn, GRACE_SECONDS } from './schemas/endpoint.ts';

export function addEndpointSecretRoutes(
  scope: FastifyInstance,
  services: HttpServices,
  owner: EndpointOwner = applicationOwner(services),
): void {
  const { registry } = services;
  const path = `${owner.path}/:endpoint_id/secret`;
  scope.get<EndpointRoute>(
    path,
    {
      config: owner.config(['ViewEndpointSecret', 'ManageEndpointSecret', 'ManageEndpoint']),
      schema: operatorRoute({
        operationId: `get${owner.noun}Secret`,
        tag: owner.tag,
        summary: `Get the secret that signs what an ${owner.called} gets`,
        response: {
          200: { description: 'The secret', ...EndpointSecretOut },
          ...errorsOf(401, 403, 404, 503),
        },
      }),
    },
    async (request): Promise<Static<typeof EndpointSecretOut>> => {
      const application = await owner.application(callerIn(request), request.params.app_id);
      const { target } = await registry.endpoint(application, request.params.endpoint_id);
      const [current] = target.secrets;
      if (!current) throw new Error('An endpoint has no secret.');
      return { key: shownSecret(current.text) };
    },
  );

  scope.post<EndpointRoute & { Body: Static<typeof EndpointSecretRotateIn> }>(
    `${path}/rotate`,
    {
      config: { ...owner.config(['ManageEndpointSecret', 'ManageEndpoint']), emptyBody: {} },
      schema: operatorRoute({
        operationId: `rotate${owner.noun}Secret`,
        tag: owner.tag,
        summary: `Put another secret in the place of the one that signs what an ${owner.called} gets`,
        description: 'The one before signs too, until the grace period is over. The body may be left out.',
        body: EndpointSecretRotateIn,
        response: {
          204: { description: 'The new secret signs from now on.', type: 'null' },
          ...errorsOf(400, 401, 403, 404, 409, 413, 422, 503),
        },
      }),
    },
    async (request, reply) => {
      const { key = null, gracePeriodSeconds } = request.body;
      const secret = checkedSecret(key);
      const application = await owner.application(callerIn(request), request.params.app_id);
      const { endpoint } = await registry.endpoint(application, request.params.endpoint_id);
      const graceMs = (gracePeriodSeconds ?? GRACE_SECONDS.default) * 1_000;
      await registry.endpointRotateSecret(application, endpoint, { secret, graceMs });
      return reply.code(204).send();
    },
  );
}
