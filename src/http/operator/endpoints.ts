import type { FastifyInstance } from 'fastify';
import Type, { type Static } from 'typebox';
import { isId } from '../../model/id.ts';
import { applicationFor } from '../authenticate.ts';
import type { HttpServices } from '../services.ts';
import { callerIn } from './caller.ts';
import { newEndpoint } from './endpoint-in.ts';
import { endpointOut } from './endpoint-out.ts';
import { PageQuery, pageOfAll } from './paging.ts';
import { errorsOf, operatorRoute } from './route-schemas.ts';
import { EndpointIn, EndpointOut, EndpointSecretOut, listOf } from './schemas.ts';

const ListQuery = Type.Object({
  ...PageQuery.properties,
  order: Type.Optional(
    Type.Enum(['ascending', 'descending'], { default: 'descending', description: 'By creation.' }),
  ),
});

interface OneRoute {
  Params: { app_id: string; endpoint_id: string };
}

export function addEndpointRoutes(scope: FastifyInstance, services: HttpServices): void {
  addListAndCreate(scope, services);
  addRead(scope, services);
}

function addListAndCreate(scope: FastifyInstance, services: HttpServices): void {
  const { registry } = services;
  scope.get<{ Params: { app_id: string }; Querystring: Static<typeof ListQuery> }>(
    '/api/v1/app/:app_id/endpoint',
    {
      schema: operatorRoute({
        operationId: 'listEndpoints',
        tag: 'Endpoint',
        summary: 'List endpoints',
        querystring: ListQuery,
        response: {
          200: { description: 'A page', ...listOf(EndpointOut, 'EndpointListOut') },
          ...errorsOf(400, 401, 404, 422, 503),
        },
      }),
    },
    async (request) => {
      const application = await applicationFor(registry, callerIn(request), request.params.app_id);
      return pageOfAll(await registry.endpointList(application), request.query, {
        id: ({ endpoint }) => endpoint.id,
        item: ({ endpoint }) => endpointOut(endpoint),
        isId: (id) => isId(id, 'ep'),
        descending: request.query.order !== 'ascending',
      });
    },
  );

  scope.post<{ Params: { app_id: string }; Body: Static<typeof EndpointIn> }>(
    '/api/v1/app/:app_id/endpoint',
    {
      schema: operatorRoute({
        operationId: 'createEndpoint',
        tag: 'Endpoint',
        summary: 'Create an endpoint',
        body: EndpointIn,
        response: {
          201: { description: 'Created', ...EndpointOut },
          ...errorsOf(401, 404, 409, 413, 422, 503),
        },
      }),
    },
    async (request, reply) => {
      const application = await applicationFor(registry, callerIn(request), request.params.app_id);
      const made = await registry.endpointCreate(application, await newEndpoint(request.body, services));
      return reply.code(201).send(endpointOut(made.endpoint));
    },
  );
}

function addRead(scope: FastifyInstance, { registry }: HttpServices): void {
  scope.get<OneRoute>(
    '/api/v1/app/:app_id/endpoint/:endpoint_id',
    {
      schema: operatorRoute({
        operationId: 'getEndpoint',
        tag: 'Endpoint',
        summary: 'Get an endpoint by its id, uid or web hook id',
        response: { 200: { description: 'The endpoint', ...EndpointOut }, ...errorsOf(401, 404, 503) },
      }),
    },
    async (request) => {
      const application = await applicationFor(registry, callerIn(request), request.params.app_id);
      return endpointOut((await registry.endpoint(application, request.params.endpoint_id)).endpoint);
    },
  );

  scope.get<OneRoute>(
    '/api/v1/app/:app_id/endpoint/:endpoint_id/secret',
    {
      schema: operatorRoute({
        operationId: 'getEndpointSecret',
        tag: 'Endpoint',
        summary: 'Get the secret that signs what this endpoint gets',
        response: { 200: { description: 'The secret', ...EndpointSecretOut }, ...errorsOf(401, 404, 503) },
      }),
    },
    async (request) => {
      const application = await applicationFor(registry, callerIn(request), request.params.app_id);
      return { key: (await registry.endpoint(application, request.params.endpoint_id)).target.secrets[0] };
    },
  );
}
