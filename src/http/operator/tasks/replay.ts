import type { FastifyInstance } from 'fastify';
import type { Static, TSchema } from 'typebox';
import { ApiError } from '../../../errors.ts';
import { PATTERNS_PER_REPLAY } from '../../../limits.ts';
import type { Application } from '../../../model/application.ts';
import type { Endpoint } from '../../../model/endpoint.ts';
import type { TaskFilter } from '../../../model/task.ts';
import type { ReplayAsked } from '../../../query/redelivery.ts';
import { applicationFor } from '../../authenticate.ts';
import { ClientGone } from '../../read-body.ts';
import type { HttpServices } from '../../services.ts';
import { invalid } from '../../validation.ts';
import { callerIn } from '../caller.ts';
import { statesOf } from '../deliveries/delivery-status.ts';
import { errorsOf, operatorRoute } from '../route-schemas.ts';
import { BulkReplayIn, DryRunOut, RANGE_DAYS, RecoverIn, ReplayIn, TaskOut } from '../schemas/task.ts';
import { shownTask } from './shown-task.ts';
import { rangeOf } from './task-range.ts';

interface ReplayRoute {
  Params: { app_id: string; endpoint_id: string };
  /** The bodies of the others have some of these fields. */
  Body: Static<typeof BulkReplayIn>;
}

/** Sending many messages again. */
export function addReplayRoutes(scope: FastifyInstance, services: HttpServices): void {
  const { clock } = services;
  addReplay(scope, services, {
    name: 'recover',
    operationId: 'recoverEndpoint',
    summary: 'Send again what failed or is held for an endpoint',
    description: `Of the messages made from \`since\`, at most ${RANGE_DAYS.recover} days before \`until\`.`,
    body: RecoverIn,
    asked: async (body, endpoint) => ({
      kind: 'recover',
      source: endpoint,
      target: endpoint,
      filter: {},
      ...rangeOf(body, RANGE_DAYS.recover, clock.now()),
    }),
  });
  addReplay(scope, services, {
    name: 'replay-missing',
    operationId: 'replayMissing',
    summary: 'Send an endpoint the messages that it never had',
    description:
      'Those that it asks for by its event types and channels as they are now, and that never were for it: they are older than the endpoint, or than its event types and channels.',
    body: ReplayIn,
    asked: async (body, endpoint) => ({
      kind: 'replay-missing',
      source: endpoint,
      target: endpoint,
      filter: {},
      ...rangeOf(body, RANGE_DAYS.replay, clock.now()),
    }),
  });
  addReplay(scope, services, {
    name: 'bulk-replay',
    operationId: 'bulkReplay',
    summary: "Send again what a filter picks of an endpoint's messages, to it or to another endpoint",
    description: 'What is open at the endpoint that they go to stays as it is.',
    body: BulkReplayIn,
    asked: async (body, endpoint, application) => ({
      kind: 'replay',
      source: endpoint,
      target: body.toEndpoint == null ? endpoint : await targetOf(services, application, body.toEndpoint),
      filter: replayFilter(body),
      ...rangeOf(body, RANGE_DAYS.replay, clock.now()),
    }),
  });
}

function addReplay(
  scope: FastifyInstance,
  services: HttpServices,
  replay: {
    name: string;
    operationId: string;
    summary: string;
    description: string;
    body: TSchema;
    asked: (body: ReplayRoute['Body'], endpoint: Endpoint, application: Application) => Promise<ReplayAsked>;
  },
): void {
  const { registry, redelivery } = services;
  const { name, operationId, summary, description, asked } = replay;
  scope.post<ReplayRoute>(
    `/api/v1/app/:app_id/endpoint/:endpoint_id/${name}`,
    {
      config: { needs: 'CreateAttempts' },
      schema: operatorRoute({
        operationId,
        tag: 'Endpoint',
        summary,
        description: `${description} It goes on in the background, over a restart too, evenly at \`rate\`: each delivery begins its retry schedule anew. The task tells how far it came.`,
        body: replay.body,
        response: {
          200: { description: 'What it would be about, with `dryRun`', ...DryRunOut },
          202: { description: 'It is stored, and under way.', ...TaskOut },
          ...errorsOf(400, 401, 403, 404, 409, 413, 422, 429, 503),
        },
      }),
    },
    async (request, reply) => {
      const { params, body } = request;
      const application = await applicationFor(registry, callerIn(request), params.app_id);
      const { endpoint } = await registry.endpoint(application, params.endpoint_id);
      const wanted = await asked(body, endpoint, application);
      if (body.dryRun) {
        const isGone = () => request.raw.socket.destroyed;
        const counted: Static<typeof DryRunOut> = await redelivery.count(wanted, isGone);
        // It was broken off then: no answer, which would be kept for the next call under its idempotency key.
        if (isGone()) throw new ClientGone();
        return counted;
      }
      return reply.code(202).send(await shownTask(services, await redelivery.replay(wanted)));
    },
  );
}

/** Throws `validation`. */
async function targetOf(
  { registry }: HttpServices,
  application: Application,
  ref: string,
): Promise<Endpoint> {
  try {
    return (await registry.endpoint(application, ref)).endpoint;
  } catch (error) {
    if (!(error instanceof ApiError && error.code === 'not_found')) throw error;
    throw invalid(['body', 'toEndpoint'], error.message);
  }
}

/** Throws `validation`. */
function replayFilter(body: Static<typeof BulkReplayIn>): TaskFilter {
  const { eventTypes, channel, tag, states, status, statusCodeClass } = body;
  if ((eventTypes?.filter((each) => each.endsWith('*')).length ?? 0) > PATTERNS_PER_REPLAY) {
    throw invalid(['body', 'eventTypes'], `must have at most ${PATTERNS_PER_REPLAY} with a * at the end`);
  }
  return {
    ...(eventTypes != null && { eventTypes: [...new Set(eventTypes)] }),
    ...(channel != null && { channels: [channel] }),
    ...(tag != null && { tag }),
    ...(statusCodeClass != null && { statusClass: statusCodeClass }),
    // Without states it is about all that is not open.
    ...(status != null && { states: statesOf(status, true) }),
    ...(states != null && { states }),
  };
}
