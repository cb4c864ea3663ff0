import type { FastifyInstance } from 'fastify';
import Type, { type Static } from 'typebox';
import { ApiError } from '../../errors.ts';
import type { Application } from '../../model/application.ts';
import { applicationFor, applicationOrNull } from '../authenticate.ts';
import type { HttpServices } from '../services.ts';
import { newApplication } from './application-in.ts';
import { callerIn } from './caller.ts';
import { timeText } from './message-out.ts';
import { errorsOf, operatorRoute } from './route-schemas.ts';
import { ApplicationIn, ApplicationOut } from './schemas.ts';

const CreateQuery = Type.Object({
  get_if_exists: Type.Optional(
    Type.Boolean({ description: 'Answer 200 with the one that has the uid, unchanged.' }),
  ),
});

export function addApplicationRoutes(scope: FastifyInstance, { registry }: HttpServices): void {
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
      if (request.query.get_if_exists && wanted.uid !== null) {
        const present = await applicationOrNull(registry, wanted.uid);
        // A uid can look like the number of another application.
        if (present?.uid === wanted.uid) return shown(present);
      }
      return reply.code(201).send(shown(await create(wanted, request.query.get_if_exists ?? false)));
    },
  );

  async function create(
    wanted: ReturnType<typeof newApplication>,
    getIfExists: boolean,
  ): Promise<Application> {
    try {
      return await registry.applicationCreate(wanted);
    } catch (error) {
      const taken = error instanceof ApiError && error.code === 'conflict';
      if (!taken || !getIfExists || wanted.uid === null) throw error;
      // Another call made it in between, unless its uid is the number of another.
      const made = await applicationOrNull(registry, wanted.uid);
      if (made?.uid === wanted.uid) return made;
      throw error;
    }
  }

  scope.get<{ Params: { app_id: string } }>(
    '/api/v1/app/:app_id',
    {
      schema: operatorRoute({
        operationId: 'getApplication',
        tag: 'Application',
        summary: 'Get an application by its id, uid or number',
        response: { 200: { description: 'The application', ...ApplicationOut }, ...errorsOf(401, 404, 503) },
      }),
    },
    async (request) => shown(await applicationFor(registry, callerIn(request), request.params.app_id)),
  );
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
