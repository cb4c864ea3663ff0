import type { FastifyInstance, FastifyReply } from 'fastify';
import Type, { type Static } from 'typebox';
import { ApiError } from '../../errors.ts';
import type { Application } from '../../model/application.ts';
import type { ApplicationFields } from '../../registry/registry.ts';
import { applicationFor, applicationOrNull } from '../authenticate.ts';
import type { HttpServices } from '../services.ts';
import { changedApplication, newApplication } from './application-in.ts';
import { callerIn } from './caller.ts';
import { IdPageQuery, pageById } from './id-page.ts';
import { timeText } from './message-out.ts';
import { errorsOf, operatorRoute } from './route-schemas.ts';
import { ApplicationIn, ApplicationOut, ApplicationPatch } from './schemas/application.ts';
import { listOf } from './schemas/common.ts';

const PATH = '/api/v1/app/:app_id';
const CreateQuery = Type.Object({
  get_if_exists: Type.Optional(
    Type.Boolean({ description: 'Answer 200 with the one that has the uid, unchanged.' }),
  ),
});

interface OneRoute {
  Params: { app_id: string };
}

export function addApplicationRoutes(scope: FastifyInstance, services: HttpServices): void {
  addListAndCreate(scope, services);
  addRead(scope, services);
  addReplace(scope, services);
  addChangeAndDelete(scope, services);
}

function addListAndCreate(scope: FastifyInstance, { registry }: HttpServices): void {
  scope.get<{ Querystring: Static<typeof IdPageQuery> }>(
    '/api/v1/app',
    {
      config: { access: 'operator' },
      schema: operatorRoute({
        operationId: 'listApplications',
        tag: 'Application',
        summary: 'List applications',
        querystring: IdPageQuery,
        response: {
          200: { description: 'A page', ...listOf(ApplicationOut, 'ApplicationListOut') },
          ...errorsOf(400, 401, 403, 422, 503),
        },
      }),
    },
    (request) =>
      pageById(request.query, {
        prefix: 'app',
        list: (bounds) => registry.applicationList(bounds),
        item: shown,
      }),
  );

  scope.post<{ Body: Static<typeof ApplicationIn>; Querystring: Static<typeof CreateQuery> }>(
    '/api/v1/app',
    {
      config: { access: 'operator' },
      schema: operatorRoute({
        operationId: 'createApplication',
        tag: 'Application',
        summary: 'Create an application',
        querystring: CreateQuery,
        body: ApplicationIn,
        response: {
          200: { description: 'It was there already.', ...ApplicationOut },
          201: { description: 'Created', ...ApplicationOut },
          ...errorsOf(400, 401, 403, 409, 413, 422, 503),
        },
      }),
    },
    async (request, reply) => {
      const wanted = newApplication(request.body, ['body']);
      if (!request.query.get_if_exists) return created(reply, await registry.applicationCreate(wanted));
      const { application, made } = await createdOrFound(registry, wanted);
      return made ? created(reply, application) : shown(application);
    },
  );
}

/** Creates an application, unless there is one of its uid: then it is that one. */
async function createdOrFound(
  registry: HttpServices['registry'],
  wanted: ApplicationFields,
): Promise<{ application: Application; made: boolean }> {
  try {
    return { application: await registry.applicationCreate(wanted), made: true };
  } catch (error) {
    const taken = error instanceof ApiError && error.code === 'conflict';
    if (!taken || wanted.uid === null) throw error;
    const found = await applicationOrNull(registry, wanted.uid);
    // A uid can look like the number of another application.
    if (found?.uid !== wanted.uid) throw error;
    return { application: found, made: false };
  }
}

function addRead(scope: FastifyInstance, { registry }: HttpServices): void {
  scope.get<OneRoute>(
    PATH,
    {
      schema: operatorRoute({
        operationId: 'getApplication',
        tag: 'Application',
        summary: 'Get an application by its id, uid or number',
        response: {
          200: { description: 'The application', ...ApplicationOut },
          ...errorsOf(401, 403, 404, 503),
        },
      }),
    },
    async (request) => shown(await applicationFor(registry, callerIn(request), request.params.app_id)),
  );
}

function addReplace(scope: FastifyInstance, { registry }: HttpServices): void {
  scope.put<OneRoute & { Body: Static<typeof ApplicationIn> }>(
    PATH,
    {
      config: { access: 'operator' },
      schema: operatorRoute({
        operationId: 'upsertApplication',
        tag: 'Application',
        summary: 'Replace an application, or create one',
        description:
          'What is left out is cleared. With an id that is unknown a new application is created: it has an id of its own, and the uid of the body.',
        body: ApplicationIn,
        response: {
          200: { description: 'Replaced', ...ApplicationOut },
          201: { description: 'Created', ...ApplicationOut },
          ...errorsOf(401, 403, 409, 413, 422, 503),
        },
      }),
    },
    async (request, reply) => {
      const { app_id: ref } = request.params;
      const wanted = newApplication(request.body, ['body']);
      const present = await applicationOrNull(registry, ref);
      if (present !== null) return shown(await registry.applicationUpdate(present, wanted));
      if (wanted.uid !== ref) return created(reply, await registry.applicationCreate(wanted));
      // Another call may make the one of this path meanwhile.
      const { application, made } = await createdOrFound(registry, wanted);
      return made
        ? created(reply, application)
        : shown(await registry.applicationUpdate(application, wanted));
    },
  );
}

function addChangeAndDelete(scope: FastifyInstance, { registry }: HttpServices): void {
  scope.patch<OneRoute & { Body: Static<typeof ApplicationPatch> }>(
    PATH,
    {
      config: { access: 'operator' },
      schema: operatorRoute({
        operationId: 'patchApplication',
        tag: 'Application',
        summary: 'Change some of an application',
        body: ApplicationPatch,
        response: {
          200: { description: 'Changed', ...ApplicationOut },
          ...errorsOf(401, 403, 404, 409, 413, 422, 503),
        },
      }),
    },
    async (request) => {
      const application = await registry.applicationNow(request.params.app_id);
      return shown(await registry.applicationUpdate(application, changedApplication(request.body)));
    },
  );

  scope.delete<OneRoute>(
    PATH,
    {
      config: { access: 'operator' },
      schema: operatorRoute({
        operationId: 'deleteApplication',
        tag: 'Application',
        summary: 'Delete an application',
        description:
          'Its endpoints and keys go with it, and what waits for them is cancelled. Its uid is free again.',
        response: { 204: { description: 'Deleted', type: 'null' }, ...errorsOf(401, 403, 404, 409, 503) },
      }),
    },
    async (request, reply) => {
      await registry.applicationDelete(await registry.applicationNow(request.params.app_id));
      return reply.code(204).send();
    },
  );
}

function created(reply: FastifyReply, application: Application): Static<typeof ApplicationOut> {
  reply.code(201);
  return shown(application);
}

function shown(application: Application): Static<typeof ApplicationOut> {
  const { id, number, uid, name, throttleRate, metadata, createdAt, updatedAt } = application;
  return {
    ...(uid === null ? {} : { uid }),
    name,
    ...(throttleRate === null ? {} : { rateLimit: throttleRate }),
    throttleRate,
    id,
    number,
    createdAt: timeText(createdAt),
    updatedAt: timeText(updatedAt),
    metadata: { ...metadata },
  };
}
