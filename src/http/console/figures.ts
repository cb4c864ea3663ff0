import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ApiError } from '../../errors.ts';
import { PAGE_ROWS_DEFAULT } from '../../limits.ts';
import type { Application } from '../../model/application.ts';
import type { Endpoint } from '../../model/endpoint.ts';
import { succeeded as hasSucceeded } from '../../model/exchange.ts';
import { failedOf, latencyAt } from '../../model/tally.ts';
import type { ListedAttempt } from '../../query/reader.ts';
import { applicationFor, assertCapable } from '../authenticate.ts';
import { pulseOut } from '../operator/endpoint-health.ts';
import { timeText } from '../operator/message-out.ts';
import type { HttpServices } from '../services.ts';
import type { HookFigures } from './figures-out.ts';
import { consoleCaller } from './gate.ts';

const DAY_MS = 86_400_000;

/**
 * What a list of web hooks says of each, in one call: `?endpoint=ep_1&endpoint=ep_2`, as many as a page of the list has at most.
 */
export function addFigureRoutes(scope: FastifyInstance, services: HttpServices): void {
  scope.get<{ Params: { app_id: string }; Querystring: { endpoint?: string | string[] } }>(
    '/console/figures/:app_id',
    { schema: { hide: true }, config: { access: 'anybody' } },
    async (request): Promise<{ data: HookFigures[] }> => {
      const caller = await consoleCaller(services, request.raw);
      assertCapable(caller, 'ViewBase');
      const application = await applicationFor(services.registry, caller, request.params.app_id);
      const ids = [request.query.endpoint ?? []].flat();
      if (ids.length > PAGE_ROWS_DEFAULT) throw new ApiError('generic_error', 'Ask for fewer at once.');
      const data: HookFigures[] = [];
      // One after another: the counts of one application are not to take the turns of others.
      for (const id of ids) {
        const endpoint = await endpointOrNull(services, application, id);
        if (endpoint !== null) data.push(await figuresOf(services, { application, endpoint, request }));
      }
      return { data };
    },
  );
}

/** One that was deleted meanwhile is left out. */
async function endpointOrNull(
  { registry }: HttpServices,
  application: Application,
  id: string,
): Promise<Endpoint | null> {
  try {
    return (await registry.endpoint(application, id)).endpoint;
  } catch (error) {
    if (error instanceof ApiError && error.code === 'not_found') return null;
    throw error;
  }
}

async function figuresOf(
  { reader, statistics, clock, pulse }: HttpServices,
  about: { application: Application; endpoint: Endpoint; request: FastifyRequest },
): Promise<HookFigures> {
  const { application, endpoint, request } = about;
  const isGone = () => request.raw.socket.destroyed;
  const now = clock.now();
  const of = { applicationKey: application.key, endpointKey: endpoint.key };
  const attempts = await statistics.total(of, { since: now - DAY_MS, until: now });
  const { pending, sending, held } = await reader.openCounts(endpoint);
  const { rows } = await reader.attempts(
    application,
    { endpointKey: endpoint.key },
    { limit: 1, before: null, after: null, below: null, filter: null, isGone },
  );
  const { state, failingSince, disablesAt, breaker } = pulseOut(endpoint, pulse);
  return {
    id: endpoint.id,
    state,
    failingSince,
    disablesAt,
    nextProbe: breaker.nextProbe,
    succeeded: attempts.succeeded,
    failed: failedOf(attempts),
    pending,
    sending,
    held,
    lastAttempt: rows[0] === undefined ? null : lastAttemptOut(rows[0]),
    p95: latencyAt(attempts, 0.95),
    oldSecretsEnd: endpoint.secretExpiries.filter((end) => end > now).map(timeText),
  };
}

function lastAttemptOut({ id, messageId, exchange }: ListedAttempt): HookFigures['lastAttempt'] {
  return {
    id,
    msgId: messageId,
    at: timeText(exchange.startedAt),
    succeeded: hasSucceeded(exchange),
    status: exchange.status,
  };
}
