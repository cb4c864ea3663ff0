import type { FastifyInstance, FastifyRequest } from 'fastify';
import { BODY_BYTES } from '../../limits.ts';
import type { Application } from '../../model/application.ts';
import type { Caller } from '../../registry/keyring.ts';
import { bearerKey, callerOf, isCapable } from '../authenticate.ts';
import { addFace } from '../face.ts';
import { assertScoped } from '../operator/caller.ts';
import type { HttpServices } from '../services.ts';
import { ownErrorAnswer, WebHookError, webHookErrorAnswer } from './errors.ts';
import { addWebHookRoutes } from './routes.ts';
import { addTestRoute } from './test-route.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The company whose token came with a call of the Web Hooks API. */
    company: Application | null;
  }
}

/** The API that companies know, to the letter of its page: `/web_hooks.json` and its kin. */
export function addWebHooksApi(scope: FastifyInstance, services: HttpServices): void {
  addFace(scope, services, {
    bodyBytes: BODY_BYTES,
    errorAnswer: webHookErrorAnswer,
    ownAnswer: ownErrorAnswer,
  });
  // Bodies are checked by the handlers: their errors are sentences for people, by field.
  scope.setValidatorCompiler(() => () => true);
  scope.decorateRequest('company', null);
  scope.decorateRequest('caller', null);
  scope.addHook('onRoute', (route) => {
    if (!route.config?.refuses) assertScoped(route);
  });
  scope.addHook('onRequest', async (request) => {
    if (request.routeOptions.config.refuses) return;
    const caller = await callerOfCompany(request, services);
    request.caller = caller;
    request.company = await services.registry.applicationByKey(caller.applicationKey);
  });
  addWebHookRoutes(scope, services);
  addTestRoute(scope, services);
}

async function callerOfCompany(
  request: FastifyRequest,
  { keyring }: HttpServices,
): Promise<Caller & { applicationKey: number }> {
  const caller = await callerWith(tokenOf(request), keyring);
  const { applicationKey } = caller;
  if (applicationKey === null) {
    throw new WebHookError(403, {
      auth_token: ['is an operator key: this API takes the token of one company'],
    });
  }
  const { needs = 'ViewBase' } = request.routeOptions.config;
  if (!isCapable(caller, needs)) {
    throw new WebHookError(403, {
      auth_token: [`is limited: this call takes a token with ${[needs].flat().join(' or ')}`],
    });
  }
  return { ...caller, applicationKey };
}

async function callerWith(token: string | null, keyring: HttpServices['keyring']): Promise<Caller> {
  if (token === null) throw new WebHookError(401, { auth_token: ['is missing'] });
  try {
    return await callerOf(keyring, token);
  } catch (error) {
    throw isUnknownKey(error) ? new WebHookError(401, { auth_token: ['is not valid'] }) : error;
  }
}

function isUnknownKey(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'authentication_failed';
}

/** The query's `auth_token`, or else the bearer. A blank token is none. */
function tokenOf(request: FastifyRequest): string | null {
  const { auth_token: fromQuery } = request.query as { auth_token?: string | string[] };
  const token = [fromQuery].flat()[0]?.trim();
  return token || bearerKey(request.headers.authorization);
}
