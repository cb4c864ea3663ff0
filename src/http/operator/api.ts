import type { FastifyInstance } from 'fastify';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { ApiError } from '../../errors.ts';
import { BODY_BYTES, PAGE_ROWS } from '../../limits.ts';
import { ANY_ORIGIN } from '../answer.ts';
import { assertCapable, assertOperator, bearerKey, callerOf } from '../authenticate.ts';
import { consoleCaller, isFromConsole } from '../console/gate.ts';
import { addFace } from '../face.ts';
import { addIdempotency } from '../idempotency.ts';
import { parseJson } from '../read-body.ts';
import type { HttpServices } from '../services.ts';
import { bodyCheck, type Check, invalid, type Mismatch, told } from '../validation.ts';
import { assertWellFormed } from '../well-formed.ts';
import { addApplicationRoutes } from './applications.ts';
import { addAttemptRoutes } from './attempts/attempts.ts';
import { addOneAttemptRoutes } from './attempts/one-attempt.ts';
import { addAuthenticationRoutes } from './authentication.ts';
import { assertScoped } from './caller.ts';
import { addDeliveryActionRoutes } from './deliveries/delivery-actions.ts';
import { addDestinationRoutes } from './deliveries/destinations.ts';
import { addExplainRoutes } from './deliveries/explain.ts';
import { addEndpointHeaderRoutes } from './endpoint-headers.ts';
import { addEndpointHealthRoutes } from './endpoint-health.ts';
import { addEndpointSecretRoutes } from './endpoint-secret.ts';
import { addEndpointStatsRoutes } from './endpoint-stats.ts';
import { addEndpointRoutes } from './endpoints.ts';
import { errorAnswer } from './errors.ts';
import { addEventTypeRoutes } from './event-types.ts';
import { addHealthRoutes } from './health.ts';
import { addKeyRoutes } from './keys.ts';
import { addMessageRoutes } from './messages.ts';
import { addOperationalWebhookRoutes } from './operational-webhooks.ts';
import { addSendExampleRoutes } from './send-example.ts';
import { addStatisticsRoutes } from './statistics.ts';
import { addBackgroundTaskRoutes } from './tasks/background-tasks.ts';
import { addHeldRoutes } from './tasks/held.ts';
import { addReplayRoutes } from './tasks/replay.ts';
import { addTaskRoutes } from './tasks/tasks.ts';

/** The operator API: `/api/v1/…`, but for publishing. */
export function addOperatorApi(scope: FastifyInstance, services: HttpServices): void {
  addFace(scope, services, { bodyBytes: BODY_BYTES, errorAnswer });
  scope.setValidatorCompiler(({ schema, httpPart }) => {
    if (httpPart === 'body') return bodyValidator(schema);
    return httpPart === 'querystring' ? queryValidator(schema) : () => true;
  });
  scope.decorateRequest('caller', null);
  scope.addHook('onRoute', assertScoped);
  scope.addHook('onRequest', async (request, reply) => {
    const fromConsole = isFromConsole(request.raw);
    if (!fromConsole) reply.headers(ANY_ORIGIN);
    const { access = 'application', needs = 'ViewBase' } = request.routeOptions.config;
    if (access === 'anybody') return;
    request.caller = fromConsole
      ? await consoleCaller(services, request.raw)
      : await callerOf(services.keyring, bearerKey(request.headers.authorization));
    if (access === 'operator') assertOperator(request.caller);
    else assertCapable(request.caller, needs);
  });
  addIdempotency(scope, services);
  scope.addHook('preValidation', async (request) => {
    const { schema, config } = request.routeOptions;
    if (!schema?.body) return;
    const bytes = request.body as Buffer;
    if (bytes.length === 0 && config.emptyBody) {
      request.body = config.emptyBody;
      return;
    }
    const { text, value } = parseJson(bytes);
    assertWellFormed(text, value);
    request.body = value;
  });
  addHealthRoutes(scope, services);
  addApplicationRoutes(scope, services);
  addAuthenticationRoutes(scope, services);
  addKeyRoutes(scope, services);
  addEndpointRoutes(scope, services);
  addEndpointSecretRoutes(scope, services);
  addEndpointHeaderRoutes(scope, services);
  addMessageRoutes(scope, services);
  addDestinationRoutes(scope, services);
  addAttemptRoutes(scope, services);
  addOneAttemptRoutes(scope, services);
  addDeliveryActionRoutes(scope, services);
  addExplainRoutes(scope, services);
  addReplayRoutes(scope, services);
  addHeldRoutes(scope, services);
  addTaskRoutes(scope, services);
  addBackgroundTaskRoutes(scope, services);
  addEndpointStatsRoutes(scope, services);
  addStatisticsRoutes(scope, services);
  addEndpointHealthRoutes(scope, services);
  addSendExampleRoutes(scope, services);
  addEventTypeRoutes(scope, services);
  addOperationalWebhookRoutes(scope, services);
}

function bodyValidator(schema: unknown) {
  const check: Check<unknown> = bodyCheck(schema as TSchema);
  return (value: unknown) => {
    try {
      check(value);
      return { value };
    } catch (error) {
      return { error: error as Error };
    }
  };
}

/** Query values come as text: those that the schema has as numbers and booleans are turned into them. */
function queryValidator(schema: unknown) {
  const typed = schema as TSchema & { properties: Record<string, { type?: string }> };
  const compiled = Compile(typed);
  return (value: unknown) => {
    const converted: Record<string, unknown> = { ...(value as Record<string, unknown>) };
    for (const [name, { type }] of Object.entries(typed.properties)) {
      if (name in converted) converted[name] = typedValue(converted[name], type);
    }
    if (compiled.Check(converted)) return { value: converted };
    const [first] = compiled.Errors(converted) as Mismatch[];
    const mismatch = first && told(first);
    const name = mismatch?.instancePath.slice(1) ?? '';
    if (name === 'limit' && mismatch?.keyword === 'maximum') {
      return { error: invalid(['query', 'limit', 'limit'], `Given limit must not exceed ${PAGE_ROWS}`) };
    }
    if (name === 'limit' && mismatch?.keyword === 'minimum') {
      return { error: invalid(['query', 'limit', 'limit'], 'Given limit must be at least 1') };
    }
    const detail = `Failed to deserialize query string: ${name} ${mismatch?.message}.`;
    return { error: new ApiError('generic_error', detail) };
  };
}

function typedValue(text: unknown, type: string | undefined): unknown {
  if (type === 'integer' && typeof text === 'string' && /^-?\d{1,9}$/.test(text)) return Number(text);
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}
