import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Static } from 'typebox';
import { ApiError } from '../../errors.ts';
import { consolePath } from '../console/cookie.ts';
import type { HttpServices } from '../services.ts';
import { applicationOfPath } from './application-of-path.ts';
import { callerIn } from './caller.ts';
import { capabilitiesAsked, expiresIn } from './key-scope.ts';
import { assertNotOperational } from './operational-application.ts';
import { errorsOf, operatorRoute } from './route-schemas.ts';
import { AppPortalAccessIn, AppPortalAccessOut, TOKEN_SECONDS } from './schemas/authentication.ts';

type Params = { app_id: string };
type AccessFields = Static<typeof AppPortalAccessIn>;

/** Keys for applications: given out, and ended by who has them. */
export function addAuthenticationRoutes(scope: FastifyInstance, services: HttpServices): void {
  addAccess(scope, services);
  addLogout(scope, services);
}

function addAccess(scope: FastifyInstance, services: HttpServices): void {
  scope.post<{ Params: Params; Body: AccessFields }>(
    '/api/v1/auth/app-portal-access/:app_id',
    {
      config: { access: 'operator' },
      schema: operatorRoute({
        operationId: 'appPortalAccess',
        tag: 'Authentication',
        summary: 'Make a token for an application',
        description:
          '`url` signs one browser in to the console, once, within an hour, for what the token is for and for as long; it may only read when the token may. The token is a new key of that application: for its Web Hooks API (`auth_token`), and for what is its own here. It is shown this once. Makes the application first when it is not there and `application` says how.',
        body: AppPortalAccessIn,
        response: {
          200: { description: 'The token', ...AppPortalAccessOut },
          ...errorsOf(401, 403, 404, 409, 413, 422, 503),
        },
      }),
    },
    (request) => access(services, request, request.params.app_id, request.body),
  );

  // The name that this call had once; the oldest clients still use it, and send no body.
  scope.post<{ Params: Params }>(
    '/api/v1/auth/dashboard-access/:app_id',
    {
      config: { access: 'operator' },
      schema: {
        ...operatorRoute({
          operationId: 'dashboardAccess',
          tag: 'Authentication',
          summary: 'Make a token for an application: the old name of app-portal-access',
          description: 'It takes no body.',
          response: {
            200: { description: 'The token', ...AppPortalAccessOut },
            ...errorsOf(401, 403, 404, 409, 503),
          },
        }),
        deprecated: true,
      },
    },
    (request) => access(services, request, request.params.app_id, {}),
  );
}

async function access(
  { registry, keyring, sessions, clock, publicUrl }: HttpServices,
  request: FastifyRequest,
  ref: string,
  fields: AccessFields,
): Promise<Static<typeof AppPortalAccessOut>> {
  const { application: wanted, expiry = TOKEN_SECONDS.default, featureFlags } = fields;
  const application = await applicationOfPath(
    registry,
    ref,
    wanted ? [{ fields: wanted, at: ['body', 'application'] }] : [],
  );
  assertNotOperational({ registry }, application, 'key');
  const { key, text } = await keyring.create({
    name: `portal ${application.id}`,
    applicationKey: application.key,
    capabilities: capabilitiesAsked(fields),
    featureFlags: featureFlags ?? [],
    expiresAt: expiresIn(expiry, clock.now()),
  });
  // Behind the #, which browsers keep to themselves: a code in the address stands in no log and no Referer.
  const page = `${publicUrl === null ? addressReached(request) : new URL(publicUrl).origin}${consolePath(publicUrl)}/`;
  return { url: `${page}#code=${await sessions.link(key)}`, token: text };
}

/**
 * The address that the connection came in at; nothing (a relative address) without one. Not the `Host` header: a token
 * goes with this, and whoever can write that header would say where it is taken to.
 */
function addressReached({ socket }: FastifyRequest): string {
  const { localAddress, localPort } = socket;
  if (localAddress === undefined) return '';
  const host = localAddress.replace(/^::ffff:/, '');
  return `http://${host.includes(':') ? `[${host}]` : host}:${localPort}`;
}

function addLogout(scope: FastifyInstance, { keyring }: HttpServices): void {
  scope.post(
    '/api/v1/auth/logout',
    {
      // Whatever a key may do, who has it may end it.
      config: { needs: [] },
      schema: operatorRoute({
        operationId: 'logout',
        tag: 'Authentication',
        summary: 'End the key that this call is made with',
        description:
          'For the key of an application; an operator key stays. Not for a key that a setting gives: 409.',
        response: {
          204: { description: 'It is refused from now on.', type: 'null' },
          ...errorsOf(401, 403, 409, 503),
        },
      }),
    },
    async (request, reply) => {
      const caller = callerIn(request);
      if (caller.applicationKey === null) {
        throw new ApiError(
          'insufficient access',
          'Only the key of an application ends so. End an operator key with DELETE /api/v1/key/{id}.',
        );
      }
      await keyring.logout(caller);
      return reply.code(204).send();
    },
  );
}
