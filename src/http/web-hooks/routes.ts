import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ApiError } from '../../errors.ts';
import type { Application } from '../../model/application.ts';
import type { Endpoint } from '../../model/endpoint.ts';
import { JSON_TYPE } from '../answer.ts';
import type { HttpServices } from '../services.ts';
import { parseUrl } from '../target-url.ts';
import { own, webHookOf } from './body.ts';
import { WebHookError } from './errors.ts';
import { fieldErrorsOf, idParams, webHookRoute } from './route-schemas.ts';
import { WebHookIn, WebHookListOut, WebHookOut } from './schemas.ts';

interface IdRoute {
  Params: { id: string };
}

/** List, create, update and delete. */
export function addWebHookRoutes(scope: FastifyInstance, services: HttpServices): void {
  const { registry } = services;
  const list = webHookRoute({
    operationId: 'listWebHooks',
    summary: 'Retrieve all web hooks of the company',
    response: { 200: { description: 'Success', ...WebHookListOut }, ...fieldErrorsOf(401, 403, 503) },
  });
  scope.get('/web_hooks.json', { schema: list }, async (request, reply) => {
    const endpoints = await registry.endpointList(companyOf(request));
    return reply.type(JSON_TYPE).send({ web_hooks: endpoints.map(({ endpoint }) => shown(endpoint)) });
  });

  const create = webHookRoute({
    operationId: 'createWebHook',
    summary: 'Create a web hook for the company',
    body: WebHookIn,
    response: {
      201: { description: 'Success', ...WebHookOut },
      ...fieldErrorsOf(400, 401, 403, 413, 503),
    },
  });
  scope.post('/web_hooks.json', { schema: create, config: MANAGES }, async (request, reply) => {
    const target = targetOf(request, services);
    const { endpoint } = await registry.endpointCreate(companyOf(request), { ...PLAIN, ...target });
    return reply
      .code(201)
      .type(JSON_TYPE)
      .send({ web_hook: shown(endpoint) });
  });

  for (const path of ['/web_hook/:id.json', '/web_hooks/:id.json']) {
    const asPrinted = path.startsWith('/web_hook/');
    const update = webHookRoute({
      operationId: asPrinted ? 'updateWebHook' : 'updateWebHookAlias',
      summary: asPrinted ? 'Update a web hook' : 'Update a web hook, on the path of the other calls',
      params: idParams,
      body: WebHookIn,
      response: {
        200: { description: 'Success', ...WebHookOut },
        ...fieldErrorsOf(400, 401, 403, 404, 413, 503),
      },
    });
    scope.put<IdRoute>(path, { schema: update, config: MANAGES }, async (request, reply) => {
      const company = companyOf(request);
      const current = await webHook(services, company, request.params.id);
      const { endpoint } = await registry.endpointUpdate(company, current, targetOf(request, services));
      return reply.type(JSON_TYPE).send({ web_hook: shown(endpoint) });
    });
  }

  const remove = webHookRoute({
    operationId: 'deleteWebHook',
    summary: 'Delete a web hook',
    params: idParams,
    response: { 204: { description: 'Success', type: 'null' }, ...fieldErrorsOf(401, 403, 404, 503) },
  });
  scope.delete<IdRoute>(
    '/web_hooks/:id.json',
    { schema: remove, config: MANAGES },
    async (request, reply) => {
      const company = companyOf(request);
      await registry.endpointDelete(company, await webHook(services, company, request.params.id));
      return reply.code(204).send();
    },
  );
}

/** What a limited key needs to change web hooks. */
const MANAGES = { needs: 'ManageEndpoint' } as const;

/** What a web hook of this API has beside its URL. */
const PLAIN = {
  uid: null,
  description: '',
  disabled: false,
  eventTypes: null,
  channels: null,
  throttleRate: null,
  version: 1,
  metadata: {},
  headers: {},
  secret: null,
};

export function companyOf(request: FastifyRequest): Application {
  if (request.company === null) throw new Error('A call of the Web Hooks API was not authenticated.');
  return request.company;
}

function shown(endpoint: Endpoint): { id: string; url: string } {
  return { id: endpoint.webHookId, url: endpoint.url };
}

/** By the id that this API shows, and no other. */
async function webHook(services: HttpServices, company: Application, id: string): Promise<Endpoint> {
  const found = (await services.registry.withEndpoints(company.key)).endpoint(id);
  if (found?.endpoint.webHookId !== id) {
    throw new ApiError('not_found', 'is not the id of a web hook of this company');
  }
  return found.endpoint;
}

function targetOf(request: FastifyRequest, services: HttpServices): { url: string; href: string } {
  const parsed = parseUrl(own(webHookOf(request.body as Buffer), 'url'), services);
  if (!parsed.ok) throw new WebHookError(400, { url: parsed.problems });
  return { url: parsed.url, href: parsed.href };
}
