import type { FastifyInstance, FastifyReply } from 'fastify';
import Type, { type Static } from 'typebox';
import { ApiError } from '../../errors.ts';
import type { Application } from '../../model/application.ts';
import { isId } from '../../model/id.ts';
import type { RegisteredEndpoint } from '../../registry/registry.ts';
import type { HttpServices } from '../services.ts';
import { callerIn } from './caller.ts';
import { changedEndpoint, newEndpoint, replacedEndpoint } from './endpoint-in.ts';
import { applicationOwner, type EndpointOwner } from './endpoint-owner.ts';
import { orderOf } from './id-page.ts';
import { PageQuery, pageOfAll } from './paging.ts';
import { errorsOf, operatorRoute } from './route-schemas.ts';
import { listOf } from './schemas/common.ts';
import type { EndpointIn, EndpointPatch, EndpointUpdate } from './schemas/endpoint.ts';

const ListQuery = Type.Object({
  ...PageQuery.properties,
  order: orderOf('descending', 'By creation.'),
});

export interface EndpointRoute {
  Params: { app_id: string; endpoint_id: string };
}

export function addEndpointRoutes(
  scope: FastifyInstance,
  services: HttpServices,
  owner: EndpointOwner = applicationOwner(services),
): void {
  addList(scope, services, owner);
  addCreate(scope, services, owner);
  addReadAndDelete(scope, services, owner);
  addReplace(scope, services, owner);
  addChange(scope, services, owner);
}

function addList(scope: FastifyInstance, { registry }: HttpServices, owner: EndpointOwner): void {
  scope.get<{ Params: { app_id: string }; Querystring: Static<typeof ListQuery> }>(
    owner.path,
    {
      config: owner.config(),
      schema: operatorRoute({
        operationId: `list${owner.noun}s`,
        tag: owner.tag,
        summary: `List ${owner.called}s`,
        querystring: ListQuery,
        response: {
          200: { description: 'A page', ...listOf(owner.schemas.out, `${owner.noun}ListOut`) },
          ...errorsOf(400, 401, 403, 404, 422, 503),
        },
      }),
    },
    async (request) => {
      const application = await owner.application(callerIn(request), request.params.app_id);
      return pageOfAll(await registry.endpointList(application), request.query, {
        id: ({ endpoint }) => endpoint.id,
        item: ({ endpoint }) => owner.shown(endpoint, application),
        isId: (id) => isId(id, 'ep'),
        descending: request.query.order !== 'ascending',
      });
    },
  );
}

function addCreate(scope: FastifyInstance, services: HttpServices, owner: EndpointOwner): void {
  scope.post<{ Params: { app_id: string }; Body: Static<typeof EndpointIn> }>(
    owner.path,
    {
      config: owner.config('ManageEndpoint'),
      schema: operatorRoute({
        operationId: `create${owner.noun}`,
        tag: owner.tag,
        summary: `Create an ${owner.called}`,
        body: owner.schemas.in,
        response: {
          201: { description: 'Created', ...owner.schemas.out },
          ...errorsOf(400, 401, 403, 404, 409, 413, 422, 503),
        },
      }),
    },
    async (request, reply) => {
      const caller = callerIn(request);
      const application = await owner.application(caller, request.params.app_id);
      owner.assertWrites(application);
      const wanted = await newEndpoint(request.body, { caller, owner, services });
      const made = await services.registry.endpointCreate(application, wanted);
      return created(reply, owner.shown(made.endpoint, application));
    },
  );
}

function addReadAndDelete(scope: FastifyInstance, { registry }: HttpServices, owner: EndpointOwner): void {
  const path = `${owner.path}/:endpoint_id`;
  scope.get<EndpointRoute>(
    path,
    {
      config: owner.config(),
      schema: operatorRoute({
        operationId: `get${owner.noun}`,
        tag: owner.tag,
        summary: `Get an ${owner.called} by its id or uid`,
        response: {
          200: { description: 'The endpoint', ...owner.schemas.out },
          ...errorsOf(401, 403, 404, 503),
        },
      }),
    },
    async (request) => {
      const application = await owner.application(callerIn(request), request.params.app_id);
      const { endpoint } = await registry.endpoint(application, request.params.endpoint_id);
      return owner.shown(endpoint, application);
    },
  );

  scope.delete<EndpointRoute>(
    path,
    {
      config: owner.config('ManageEndpoint'),
      schema: operatorRoute({
        operationId: `delete${owner.noun}`,
        tag: owner.tag,
        summary: `Delete an ${owner.called}`,
        description: 'What waits for it is cancelled. Its uid is free again.',
        response: { 204: { description: 'Deleted', type: 'null' }, ...errorsOf(401, 403, 404, 503) },
      }),
    },
    async (request, reply) => {
      const application = await owner.application(callerIn(request), request.params.app_id);
      const { endpoint } = await registry.endpoint(application, request.params.endpoint_id);
      await registry.endpointDelete(application, endpoint);
      return reply.code(204).send();
    },
  );
}

function addReplace(scope: FastifyInstance, services: HttpServices, owner: EndpointOwner): void {
  const { registry } = services;
  scope.put<EndpointRoute & { Body: Static<typeof EndpointUpdate> }>(
    `${owner.path}/:endpoint_id`,
    {
      config: owner.config('ManageEndpoint'),
      schema: operatorRoute({
        operationId: `upsert${owner.noun}`,
        tag: owner.tag,
        summary: `Replace an ${owner.called}, or create one`,
        description:
          'What is left out is cleared, but for secret, headers and the additions of Posthorn, which stay. With an id that is unknown a new endpoint is created: it has an id of its own, and the uid of the body.',
        body: owner.schemas.update,
        response: {
          200: { description: 'Replaced', ...owner.schemas.out },
          201: { description: 'Created', ...owner.schemas.out },
          ...errorsOf(400, 401, 403, 404, 409, 413, 422, 503),
        },
      }),
    },
    async (request, reply) => {
      const { body, params } = request;
      const caller = callerIn(request);
      const application = await owner.application(caller, params.app_id);
      owner.assertWrites(application);
      const fields = await replacedEndpoint(body, { caller, owner, services });
      const present = await endpointOrNull(registry, application, params.endpoint_id);
      if (present !== null) {
        const { endpoint } = await registry.endpointUpdate(application, present.endpoint, fields);
        return owner.shown(endpoint, application);
      }
      const made = await registry.endpointCreate(application, { ...fields, headers: {}, secret: null });
      return created(reply, owner.shown(made.endpoint, application));
    },
  );
}

async function endpointOrNull(
  registry: HttpServices['registry'],
  application: Application,
  ref: string,
): Promise<RegisteredEndpoint | null> {
  try {
    return await registry.endpoint(application, ref);
  } catch (error) {
    if (error instanceof ApiError && error.code === 'not_found') return null;
    throw error;
  }
}

function addChange(scope: FastifyInstance, services: HttpServices, owner: EndpointOwner): void {
  const { registry } = services;
  scope.patch<EndpointRoute & { Body: Static<typeof EndpointPatch> }>(
    `${owner.path}/:endpoint_id`,
    {
      config: owner.config('ManageEndpoint'),
      schema: operatorRoute({
        operationId: `patch${owner.noun}`,
        tag: owner.tag,
        summary: `Change some of an ${owner.called}`,
        body: owner.schemas.patch,
        response: {
          200: { description: 'Changed', ...owner.schemas.out },
          ...errorsOf(401, 403, 404, 409, 413, 422, 503),
        },
      }),
    },
    async (request) => {
      const caller = callerIn(request);
      const application = await owner.application(caller, request.params.app_id);
      owner.assertWrites(application);
      const current = await registry.endpoint(application, request.params.endpoint_id);
      const changes = await changedEndpoint(request.body, { caller, owner, services });
      const { endpoint } = await registry.endpointUpdate(application, current.endpoint, changes);
      return owner.shown(endpoint, application);
    },
  );
}

function created<Shown>(reply: FastifyReply, shown: Shown): Shown {
  reply.code(201);
  return shown;
}
