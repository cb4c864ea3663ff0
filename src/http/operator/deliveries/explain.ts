import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Static } from 'typebox';
import { isId } from '../../../model/id.ts';
import type { ExplanationAsked } from '../../../query/explain.ts';
import { applicationFor } from '../../authenticate.ts';
import type { HttpServices } from '../../services.ts';
import { callerIn } from '../caller.ts';
import { type Page, PageQuery, pageOfAll } from '../paging.ts';
import { errorsOf, operatorRoute } from '../route-schemas.ts';
import { listOf } from '../schemas/common.ts';
import { Explanation } from '../schemas/explanation.ts';
import { type DeliveryRoute, deliveryOfPath } from './delivery-of-path.ts';
import { explanationOut } from './explanation-out.ts';

const PATH = '/api/v1/app/:app_id/msg/:msg_id';
const TAG = 'Message Attempt';

/** Why a message went to an endpoint, or did not. */
export function addExplainRoutes(scope: FastifyInstance, services: HttpServices): void {
  addOne(scope, services);
  addList(scope, services);
}

function addOne(scope: FastifyInstance, services: HttpServices): void {
  scope.get<DeliveryRoute>(
    `${PATH}/endpoint/:endpoint_id/explain`,
    {
      schema: operatorRoute({
        operationId: 'explainDelivery',
        tag: TAG,
        summary: 'Explain what became of a message at an endpoint, and why',
        description: 'Also where there is no delivery: then it names the rule by which there is none.',
        response: {
          200: { description: 'The explanation', ...Explanation },
          ...errorsOf(401, 403, 404, 429, 503),
        },
      }),
    },
    async (request) => {
      const { message, endpoint } = await deliveryOfPath(request, services);
      return explanationOut(await services.explainer.explain(message, endpoint, askedIn(request)));
    },
  );
}

function addList(scope: FastifyInstance, { registry, reader, explainer }: HttpServices): void {
  scope.get<{ Params: { app_id: string; msg_id: string }; Querystring: Static<typeof PageQuery> }>(
    `${PATH}/explain`,
    {
      schema: operatorRoute({
        operationId: 'explainMessage',
        tag: TAG,
        summary: 'Explain what became of a message at each endpoint of its application',
        description: 'Oldest endpoint first, without those that were deleted.',
        querystring: PageQuery,
        response: {
          200: { description: 'A page', ...listOf(Explanation, 'ExplanationListOut') },
          ...errorsOf(400, 401, 403, 404, 422, 429, 503),
        },
      }),
    },
    async (request): Promise<Page<Static<typeof Explanation>>> => {
      const { params, query } = request;
      const application = await applicationFor(registry, callerIn(request), params.app_id);
      const message = await reader.message(application, params.msg_id);
      const page = pageOfAll(await registry.endpointList(application), query, {
        id: ({ endpoint }) => endpoint.id,
        item: ({ endpoint }) => endpoint,
        isId: (id) => isId(id, 'ep'),
      });
      const explanations = await explainer.explainAll(message, page.data, askedIn(request));
      const data: Static<typeof Explanation>[] = explanations.map(explanationOut);
      return { ...page, data };
    },
  );
}

function askedIn(request: FastifyRequest): ExplanationAsked {
  return { viewer: callerIn(request), isGone: () => request.raw.socket.destroyed };
}
