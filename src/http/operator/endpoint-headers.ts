import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import type { Target } from '../../model/exchange.ts';
import { isSensitiveHeader } from '../../model/sensitive-header.ts';
import type { HttpServices } from '../services.ts';
import { callerIn } from './caller.ts';
import { checkedHeaders, merged } from './endpoint-headers-in.ts';
import { applicationOwner, type EndpointOwner } from './endpoint-owner.ts';
import type { EndpointRoute } from './endpoints.ts';
import { errorsOf, operatorRoute } from './route-schemas.ts';
import { EndpointHeadersIn, EndpointHeadersOut, EndpointHeadersPatchIn } from './schemas/endpoint.ts';

/** The headers that an endpoint has sent with each request, beside those of every request. */
export function addEndpointHeaderRoutes(
  scope: FastifyInstance,
  services: HttpServices,
  owner: EndpointOwner = applicationOwner(services),
): void {
  addRead(scope, services, owner);
  addReplace(scope, services, owner);
  addChange(scope, services, owner);
}

function addRead(scope: FastifyInstance, { registry }: HttpServices, owner: EndpointOwner): void {
  scope.get<EndpointRoute>(
    `${owner.path}/:endpoint_id/headers`,
    {
      config: owner.config(),
      schema: operatorRoute({
        operationId: `get${owner.noun}Headers`,
        tag: owner.tag,
        summary: `Get the headers that are sent to an ${owner.called}`,
        response: {
          200: { description: 'The headers', ...EndpointHeadersOut },
          ...errorsOf(401, 403, 404, 503),
        },
      }),
    },
    async (request) => {
      const application = await owner.application(callerIn(request), request.params.app_id);
      return shown((await registry.endpoint(application, request.params.endpoint_id)).target);
    },
  );
}

function addReplace(scope: FastifyInstance, { registry }: HttpServices, owner: EndpointOwner): void {
  scope.put<EndpointRoute & { Body: Static<typeof EndpointHeadersIn> }>(
    `${owner.path}/:endpoint_id/headers`,
    {
      config: owner.config('ManageEndpoint'),
      schema: operatorRoute({
        operationId: `update${owner.noun}Headers`,
        tag: owner.tag,
        summary: `Replace the headers that are sent to an ${owner.called}`,
        body: EndpointHeadersIn,
        response: {
          204: { description: 'They are sent from now on.', type: 'null' },
          ...errorsOf(401, 403, 404, 413, 422, 503),
        },
      }),
    },
    async (request, reply) => {
      const headers = checkedHeaders(request.body.headers);
      const application = await owner.application(callerIn(request), request.params.app_id);
      const { endpoint } = await registry.endpoint(application, request.params.endpoint_id);
      await registry.endpointUpdate(application, endpoint, { headers });
      return reply.code(204).send();
    },
  );
}

function addChange(scope: FastifyInstance, { registry }: HttpServices, owner: EndpointOwner): void {
  scope.patch<EndpointRoute & { Body: Static<typeof EndpointHeadersPatchIn> }>(
    `${owner.path}/:endpoint_id/headers`,
    {
      config: owner.config('ManageEndpoint'),
      schema: operatorRoute({
        operationId: `patch${owner.noun}Headers`,
        tag: owner.tag,
        summary: `Change some of the headers that are sent to an ${owner.called}`,
        body: EndpointHeadersPatchIn,
        response: {
          204: { description: 'They are sent from now on.', type: 'null' },
          ...errorsOf(401, 403, 404, 413, 422, 503),
        },
      }),
    },
    async (request, reply) => {
      const { headers = {}, deleteHeaders } = request.body;
      const application = await owner.application(callerIn(request), request.params.app_id);
      const { endpoint } = await registry.endpoint(application, request.params.endpoint_id);
      await registry.endpointUpdate(application, endpoint, ({ target }) => ({
        headers: merged(target.headers, headers, deleteHeaders ?? []),
      }));
      return reply.code(204).send();
    },
  );
}

function shown({ headers }: Target): Static<typeof EndpointHeadersOut> {
  const all = Object.entries(headers);
  return {
    headers: Object.fromEntries(all.filter(([name]) => !isSensitiveHeader(name))),
    sensitive: all.map(([name]) => name).filter(isSensitiveHeader),
  };
}
