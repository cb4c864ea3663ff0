import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Static } from 'typebox';
import { ApiError } from '../../errors.ts';
import { bearerKey } from '../authenticate.ts';
import type { HttpServices } from '../services.ts';
import { invalid } from '../validation.ts';
import { applicationOfPath } from './application-of-path.ts';
import { callerIn } from './caller.ts';
import { errorsOf, operatorRoute } from './route-schemas.ts';
import { AppPortalAccessIn, AppPortalAccessOut, TOKEN_SECONDS } from './schemas.ts';

/** Keys for applications: given out, and ended by who has them. */
export function addAuthenticationRoutes(scope: FastifyInstance, services: HttpServices): void {
  const { registry, keyring, clock } = services;
  scope.post<{ Params: { app_id: string }; Body: Static<typeof AppPortalAccessIn> }>(
    '/api/v1/auth/app-portal-access/:app_id',
    {
      config: { access: 'operator' },
      schema: operatorRoute({
        operationId: 'appPortalAccess',
        tag: 'Authentication',
        summary: 'Make a token for an application',
        description:
          'The token is a new key of that application: its Web Hooks API (`auth_token`), and reading what is its own here. It is shown this once. Makes the application first when it is not there and `application` says how. `capabilities` and `sessionId` of the official clients are ignored.',
        body: AppPortalAccessIn,
        response: {
          200: { description: 'The token', ...AppPortalAccessOut },
          ...errorsOf(401, 403, 404, 409, 413, 422, 503),
        },
      }),
    },
    async (request) => {
      const { application: wanted, expiry = TOKEN_SECONDS.default, readOnly } = request.body;
      if (readOnly) throw invalid(['body', 'readOnly'], 'is not supported yet: every token may also write');
      const application = await applicationOfPath(
        registry,
        request.params.app_id,
        wanted ? [{ fields: wanted, at: ['body', 'application'] }] : [],
      );
      const token = await keyring.create({
        name: `portal ${application.id}`,
        applicationKey: application.key,
        expiresAt: expiry === null ? null : clock.now() + expiry * 1_000,
      });
      return { url: `${baseUrl(request)}/docs`, token };
    },
  );

  scope.post(
    '/api/v1/auth/logout',
    {
      schema: operatorRoute({
        operationId: 'logout',
        tag: 'Authentication',
        summary: 'End the key that this call is made with',
        description: 'For the key of an application; an operator key stays.',
        response: {
          204: { description: 'It is refused from now on.', type: 'null' },
          ...errorsOf(401, 403, 503),
        },
      }),
    },
    async (request, reply) => {
      if (callerIn(request).applicationKey === null) {
        throw new ApiError(
          'insufficient access',
          'Only the key of an application ends so, not an operator key.',
        );
      }
      const key = bearerKey(request.headers.authorization);
      if (key !== null) await keyring.withdraw(key);
      return reply.code(204).send();
    },
  );
}

/** Where this server was reached; nothing (a relative address) when the request does not say. */
function baseUrl({ protocol, host }: FastifyRequest): string {
  return host ? `${protocol}://${host}` : '';
}
