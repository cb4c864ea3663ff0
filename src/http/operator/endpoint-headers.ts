import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import type { Target } from '../../model/exchange.ts';
import { isSensitiveHeader } from '../../model/sensitive-header.ts';
import { applicationFor } from '../authenticate.ts';
import type { HttpServices } from '../services.ts';
import { callerIn } from './caller.ts';
import { checkedHeaders, merged } from './endpoint-headers-in.ts';
import type { EndpointRoute } from './endpoints.ts';
import { errorsOf, operatorRoute } from './route-schemas.ts';
import { EndpointHeadersIn, EndpointHeadersOut, EndpointHeadersPatchIn } from './schemas/endpoint.ts';

const PATH = '/api/v1/app/:app_id/endpoint/:endpoint_id/headers';

/** The headers that an endpoint has sent with each request, beside those of every request. */
export function addEndpointHeaderRoutes(scope: FastifyInstance, services: HttpServices): void {
  addRead(scope, services);
  addReplace(scope, services);
  addChange(scope, services);
}

function addRead(scope: FastifyInstance, { registry }: HttpServices): void {
  scope.get<EndpointRoute>(
    PATH,
    {
      schema: operatorRoute({
        operationId: 'getEndpointHeaders',
        tag: 'Endpoint',
        summary: 'Get the headers that are sent to an endpoint',
        response: {
          200: { description: 'The headers', ...EndpointHeadersOut },
          ...errorsOf(401, 403, 404, 503),
        },
      }),
    },
    async (request) => {
      const application = await applicationFor(registry, callerIn(request), request.params.app_id);
      return shown((await registry.endpoint(application, request.params.endpoint_id)).target);
    },
  );
}

function addReplace(scope: FastifyInstance, { registry }: HttpServices): void {
  scope.put<EndpointRoute & { Body: Static<typeof EndpointHeadersIn> }>(
    PATH,
    {
      config: { needs: 'ManageEndpoint' },
      schema: operatorRoute({
        operationId: 'updateEndpointHeaders',
        tag: 'Endpoint',
        summary: 'Replace the headers that are sent to an endpoint',
        body: EndpointHeadersIn,
        response: {
          204: { description: 'They are sent from now on.', type: 'null' },
          ...errorsOf(401, 403, 404, 413, 422, 503),
        },
      }),
    },
    async (request, reply) => {
      const headers = checkedHeaders(request.body.headers);
      const application = await applicationFor(registry, callerIn(request), request.params.app_id);
      const { endpoint } = await registry.endpoint(application, request.params.endpoint_id);
      await registry.endpointUpdate(application, endpoint, { headers });
      return reply.code(204).send();
    },
  );
}

function addChange(scope: FastifyInstance, { registry }: HttpServices): void {
  scope.patch<EndpointRoute & { Body: Static<typeof EndpointHeadersPatchIn> }>(
    PATH,
    {
      config: { needs: 'ManageEndpoint' },
      schema: operatorRoute({
        operationId: 'patchEndpointHeaders',
        tag: 'Endpoint',
        summary: 'Change some of the headers that are sent to an endpoint',
        body: EndpointHeadersPatchIn,
        response: {
          204: { description: 'They are sent from now on.', type: 'null' },
          ...errorsOf(401, 403, 404, 413, 422, 503),
        },
      }),
    },
    async (request, reply) => {
      const { headers = {}, deleteHeaders } = request.body;
      const application = await applicationFor(registry, callerIn(request), request.params.app_id);
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
