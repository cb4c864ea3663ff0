import type { FastifyInstance } from 'fastify';
import Type, { type Static } from 'typebox';
import { PAGE_ROWS_DEFAULT } from '../../limits.ts';
import type { Endpoint } from '../../model/endpoint.ts';
import { isId } from '../../model/id.ts';
import { isSecret } from '../../model/secret.ts';
import { parseTargetUrl } from '../../model/target-url.ts';
import { applicationFor } from '../authenticate.ts';
import type { HttpServices } from '../services.ts';
import { invalid, ValidationError } from '../validation.ts';
import { callerIn } from './caller.ts';
import { checkedMetadata } from './application-in.ts';
import { timeText } from './message-out.ts';
import { iteratorOf, PageQuery, pageOf } from './paging.ts';
import { errorsOf, operatorRoute } from './route-schemas.ts';
import { EndpointIn, EndpointOut, EndpointSecretOut, listOf } from './schemas.ts';

const ListQuery = Type.Object({
  ...PageQuery.properties,
  order: Type.Optional(Type.Enum(['ascending', 'descending'], { default: 'descending', description: 'By creation.' })),
});

interface OneRoute {
  Params: { app_id: string; endpoint_id: string };
}

export function addEndpointRoutes(scope: FastifyInstance, services: HttpServices): void {
  const { registry } = services;
  scope.get<{ Params: { app_id: string }; Querystring: Static<typeof ListQuery> }>(
    '/api/v1/app/:app_id/endpoint',
    {
      schema: operatorRoute({
        operationId: 'listEndpoints',
        tag: 'Endpoint',
        summary: 'List endpoints',
        querystring: ListQuery,
        response: { 200: { description: 'A page', ...listOf(EndpointOut, 'EndpointListOut') }, ...errorsOf(400, 401, 404, 422, 503) },
      }),
    },
    async (request) => {
      const application = await applicationFor(registry, callerIn(request), request.params.app_id);
      const all = (await registry.endpointList(application)).map(({ endpoint }) => endpoint);
      return listed(all, request.query);
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
        response: { 201: { description: 'Created', ...EndpointOut }, ...errorsOf(401, 404, 409, 413, 422, 503) },
      }),
    },
    async (request, reply) => {
      const application = await applicationFor(registry, callerIn(request), request.params.app_id);
      const made = await registry.endpointCreate(application, await newEndpoint(request.body, services));
      return reply.code(201).send(endpointOut(made.endpoint));
    },
  );

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

/** All of them are in memory, so a page is cut out here. */
function listed(oldestFirst: readonly Endpoint[], query: Static<typeof ListQuery>) {
  const limit = query.limit ?? PAGE_ROWS_DEFAULT;
  const ordered = [...oldestFirst].sort((one, other) => (one.id < other.id ? -1 : 1));
  const ascending = query.order === 'ascending';
  if (!ascending) ordered.reverse();
  const iterator = iteratorOf(query.iterator, (id) => isId(id, 'ep'));
  const show = { id: (endpoint: Endpoint) => endpoint.id, item: endpointOut, backwards: iterator?.backwards ?? false };
  if (iterator === null) return pageOf(ordered.slice(0, limit + 1), limit, show);
  const isAfter = (id: string) => (ascending ? id > iterator.from : id < iterator.from);
  if (!iterator.backwards) return pageOf(ordered.filter(({ id }) => isAfter(id)).slice(0, limit + 1), limit, show);
  const before = ordered.filter(({ id }) => id !== iterator.from && !isAfter(id));
  return pageOf(before.slice(-limit - 1), limit, show);
}

/** What the registry makes an endpoint from. Throws `validation`. */
async function newEndpoint(fields: Static<typeof EndpointIn>, { registry, allowNetworks }: HttpServices) {
  const parsed = parseTargetUrl(fields.url, { allow: allowNetworks });
  if (!parsed.ok) {
    throw new ValidationError(parsed.problems.map((msg) => ({ loc: ['body', 'url'], msg, type: 'value_error' })));
  }
  const secret = fields.secret ?? null;
  if (secret !== null && !isSecret(secret)) {
    throw invalid(['body', 'key', '__all__'], 'must be whsec_ and the base64 of 24 to 75 bytes');
  }
  const eventTypes = fields.eventTypes ?? fields.filterTypes ?? null;
  if (eventTypes !== null) await assertEventTypes(eventTypes, registry);
  return {
    uid: fields.uid ?? null,
    url: parsed.url,
    href: parsed.href,
    description: fields.description ?? '',
    disabled: fields.disabled ?? false,
    eventTypes: eventTypes && [...new Set(eventTypes)],
    channels: fields.channels ? [...new Set(fields.channels)] : null,
    throttleRate: fields.throttleRate ?? fields.rateLimit ?? null,
    metadata: checkedMetadata(fields.metadata, ['body']),
    headers: {},
    secret,
  };
}

async function assertEventTypes(names: readonly string[], registry: HttpServices['registry']): Promise<void> {
  const known = new Set((await registry.eventTypeList()).map(({ name }) => name));
  const unknown = [...new Set(names)].filter((name) => !known.has(name));
  if (unknown.length === 0) return;
  throw invalid(['body', 'eventTypes'], `The following event types don't exist: ${unknown.join(', ')}`);
}

/** The fields that every form of an endpoint has. */
export function endpointCommon(endpoint: Endpoint) {
  const { id, webHookId, uid, url, description, disabled, throttleRate } = endpoint;
  const eventTypes = endpoint.eventTypes && [...endpoint.eventTypes];
  return {
    description,
    rateLimit: throttleRate,
    throttleRate,
    uid,
    url,
    version: 1,
    disabled,
    eventTypes,
    filterTypes: eventTypes,
    channels: endpoint.channels && [...endpoint.channels],
    createdAt: timeText(endpoint.createdAt),
    updatedAt: timeText(endpoint.updatedAt),
    id,
    webHookId,
  };
}

function endpointOut(endpoint: Endpoint): Static<typeof EndpointOut> {
  return { ...endpointCommon(endpoint), metadata: { ...endpoint.metadata } };
}
