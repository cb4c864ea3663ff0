import type { FastifyInstance, FastifyReply } from 'fastify';
import Type, { type Static } from 'typebox';
import { ApiError } from '../../errors.ts';
import type { Application } from '../../model/application.ts';
import type { Endpoint } from '../../model/endpoint.ts';
import { isId } from '../../model/id.ts';
import type { RegisteredEndpoint } from '../../registry/registry.ts';
import { applicationFor } from '../authenticate.ts';
import type { HttpServices } from '../services.ts';
import { callerIn } from './caller.ts';
import { changedEndpoint, newEndpoint, replacedEndpoint } from './endpoint-in.ts';
import { endpointOut } from './endpoint-out.ts';
import { orderOf } from './id-page.ts';
import { PageQuery, pageOfAll } from './paging.ts';
import { errorsOf, operatorRoute } from './route-schemas.ts';
import { listOf } from './schemas/common.ts';
import { EndpointIn, EndpointOut, EndpointPatch, EndpointUpdate } from './schemas/endpoint.ts';

const LIST_PATH = '/api/v1/app/:app_id/endpoint';
const PATH = `${LIST_PATH}/:endpoint_id`;
const ListQuery = Type.Object({
  ...PageQuery.properties,
  order: orderOf('descending', 'By creation.'),
});

export interface EndpointRoute {
  Params: { app_id: string; endpoint_id: string };
}

export function addEndpointRoutes(scope: FastifyInstance, services: HttpServices): void {
  addListAndCreate(scope, services);
  addReadAndDelete(scope, services);
  addReplace(scope, services);
  addChange(scope, services);
}

function addListAndCreate(scope: FastifyInstance, services: HttpServices): void {
  const { registry } = services;
  scope.get<{ Params: { app_id: string }; Querystring: Static<typeof ListQuery> }>(
    LIST_PATH,
    {
      schema: operatorRoute({
        operationId: 'listEndpoints',
        tag: 'Endpoint',
        summary: 'List endpoints',
        querystring: ListQuery,
        response: {
          200: { description: 'A page', ...listOf(EndpointOut, 'EndpointListOut') },
          ...errorsOf(400, 401, 403, 404, 422, 503),
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
    LIST_PATH,
    {
      config: { needs: 'ManageEndpoint' },
      schema: operatorRoute({
        operationId: 'createEndpoint',
        tag: 'Endpoint',
        summary: 'Create an endpoint',
        body: EndpointIn,
        response: {
          201: { description: 'Created', ...EndpointOut },
          ...errorsOf(400, 401, 403, 404, 409, 413, 422, 503),
        },
      }),
    },
    async (request, reply) => {
      const caller = callerIn(request);
      const application = await applicationFor(registry, caller, request.params.app_id);
      const wanted = await newEndpoint(request.body, caller, services);
      const made = await registry.endpointCreate(application, wanted);
      return created(reply, made.endpoint);
    },
  );
}

function addReadAndDelete(scope: FastifyInstance, { registry }: HttpServices): void {
  scope.get<EndpointRoute>(
    PATH,
    {
      schema: operatorRoute({
        operationId: 'getEndpoint',
        tag: 'Endpoint',
        summary: 'Get an endpoint by its id, uid or web hook id',
        response: { 200: { description: 'The endpoint', ...EndpointOut }, ...errorsOf(401, 403, 404, 503) },
      }),
    },
    async (request) => {
      const application = await applicationFor(registry, callerIn(request), request.params.app_id);
      return endpointOut((await registry.endpoint(application, request.params.endpoint_id)).endpoint);
    },
  );

  scope.delete<EndpointRoute>(
    PATH,
    {
      config: { needs: 'ManageEndpoint' },
      schema: operatorRoute({
        operationId: 'deleteEndpoint',
        tag: 'Endpoint',
        summary: 'Delete an endpoint',
        description: 'What waits for it is cancelled. Its uid is free again.',
        response: { 204: { description: 'Deleted', type: 'null' }, ...errorsOf(401, 403, 404, 503) },
      }),
    },
    async (request, reply) => {
      const application = await applicationFor(registry, callerIn(request), request.params.app_id);
      const { endpoint } = await registry.endpoint(application, request.params.endpoint_id);
      await registry.endpointDelete(application, endpoint);
      return reply.code(204).send();
    },
  );
}

function addReplace(scope: FastifyInstance, services: HttpServices): void {
  const { registry } = services;
  scope.put<EndpointRoute & { Body: Static<typeof EndpointUpdate> }>(
    PATH,
    {
      config: { needs: 'ManageEndpoint' },
      schema: operatorRoute({
        operationId: 'upsertEndpoint',
        tag: 'Endpoint',
        summary: 'Replace an endpoint, or create one',
        description:
          'What is left out is cleared; secret and headers stay. With an id that is unknown a new endpoint is created: it has an id of its own, and the uid of the body.',
        body: EndpointUpdate,
        response: {
          200: { description: 'Replaced', ...EndpointOut },
          201: { description: 'Created', ...EndpointOut },
          ...errorsOf(400, 401, 403, 404, 409, 413, 422, 503),
        },
      }),
    },
    async (request, reply) => {
      const { app_id: appRef, endpoint_id: ref } = request.params;
      const caller = callerIn(request);
      const application = await applicationFor(registry, caller, appRef);
      const fields = await replacedEndpoint(request.body, caller, services);
      const present = await endpointOrNull(application, ref);
      if (present !== null) {
        const { endpoint } = await registry.endpointUpdate(application, present.endpoint, fields);
        return endpointOut(endpoint);
      }
      const wanted = { ...fields, headers: {}, secret: null };
      return created(reply, (await registry.endpointCreate(application, wanted)).endpoint);
    },
  );

  async function endpointOrNull(application: Application, ref: string): Promise<RegisteredEndpoint | null> {
    try {
      return await registry.endpoint(application, ref);
    } catch (error) {
      if (error instanceof ApiError && error.code === 'not_found') return null;
      throw error;
    }
  }
}

function addChange(scope: FastifyInstance, services: HttpServices): void {
  const { registry } = services;
  scope.patch<EndpointRoute & { Body: Static<typeof EndpointPatch> }>(
    PATH,
    {
      config: { needs: 'ManageEndpoint' },
      schema: operatorRoute({
        operationId: 'patchEndpoint',
        tag: 'Endpoint',
        summary: 'Change some of an endpoint',
        body: EndpointPatch,
        response: {
          200: { description: 'Changed', ...EndpointOut },
          ...errorsOf(401, 403, 404, 409, 413, 422, 503),
        },
      }),
    },
    async (request) => {
      const caller = callerIn(request);
      const application = await applicationFor(registry, caller, request.params.app_id);
      const current = await registry.endpoint(application, request.params.endpoint_id);
      const changes = await changedEndpoint(request.body, caller, services);
      return endpointOut((await registry.endpointUpdate(application, current.endpoint, changes)).endpoint);
    },
  );
}

function created(reply: FastifyReply, endpoint: Endpoint): Static<typeof EndpointOut> {
  reply.code(201);
  return endpointOut(endpoint);
}
