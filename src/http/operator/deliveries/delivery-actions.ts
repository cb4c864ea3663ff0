import type { FastifyInstance } from 'fastify';
import Type, { type Static } from 'typebox';
import type { Delivery } from '../../../model/delivery.ts';
import type { Endpoint } from '../../../model/endpoint.ts';
import type { Message } from '../../../model/message.ts';
import type { HttpServices } from '../../services.ts';
import { errorsOf, operatorRoute } from '../route-schemas.ts';
import { NoFields } from '../schemas/common.ts';
import { DeliveryOut } from '../schemas/status.ts';
import { type DeliveryRoute, deliveryOfPath } from './delivery-of-path.ts';
import { deliveryOut } from './delivery-out.ts';

const PATH = '/api/v1/app/:app_id/msg/:msg_id/endpoint/:endpoint_id';
const TAG = 'Message Attempt';
/** The protocol's `{}`. */
const EmptyResponse = Type.Object({}, { title: 'EmptyResponse' });

/** What people do to one delivery. */
export function addDeliveryActionRoutes(scope: FastifyInstance, services: HttpServices): void {
  const { redelivery } = services;
  addResend(scope, services);
  addAction(scope, services, {
    name: 'cancel',
    operationId: 'cancelDelivery',
    summary: 'Cancel a delivery that is open',
    description:
      'One that is pending, is being sent, or is held: it is not tried again. A request that is under way already may still arrive: then it has succeeded. What waited behind it goes on.',
    errors: [401, 403, 404, 409, 413, 422, 503],
    act: (message, endpoint) => redelivery.cancel(message, endpoint),
  });
  addAction(scope, services, {
    name: 'skip',
    operationId: 'skipDelivery',
    summary: 'Skip a delivery that others wait behind',
    description:
      'For an endpoint that is ordered: a delivery that failed, or is open, is cancelled, and those behind it go on.',
    errors: [401, 403, 404, 409, 413, 422, 503],
    act: (message, endpoint) => redelivery.skip(message, endpoint),
  });
  addAction(scope, services, {
    name: 'retry',
    operationId: 'retryDelivery',
    summary: 'Try a delivery now, as the next try of its schedule',
    description:
      'One that waits for its next try goes out now, and its schedule goes on from there; one that failed or is held begins its schedule anew. Not for an ordered one that stands behind another: 409, which names that. `resend` is another attempt beside the schedule.',
    errors: [400, 401, 403, 404, 409, 413, 422, 503],
    act: (message, endpoint) => redelivery.retry(message, endpoint),
  });
}

function addAction(
  scope: FastifyInstance,
  services: HttpServices,
  action: {
    name: string;
    operationId: string;
    summary: string;
    description: string;
    errors: number[];
    /** Resolves to the delivery as it is then. Throws `not_found` and `conflict`. */
    act: (message: Message, endpoint: Endpoint) => Promise<Delivery>;
  },
): void {
  const { name, operationId, summary, description, errors, act } = action;
  scope.post<DeliveryRoute>(
    `${PATH}/${name}`,
    {
      config: { needs: 'CreateAttempts', emptyBody: {} },
      schema: operatorRoute({
        operationId,
        tag: TAG,
        summary,
        description,
        body: NoFields,
        response: {
          200: { description: 'The delivery as it is now', ...DeliveryOut },
          ...errorsOf(...errors),
        },
      }),
    },
    async (request): Promise<Static<typeof DeliveryOut>> => {
      const { message, endpoint } = await deliveryOfPath(request, services);
      return deliveryOut(await act(message, endpoint), true);
    },
  );
}

function addResend(scope: FastifyInstance, services: HttpServices): void {
  scope.post<DeliveryRoute>(
    `${PATH}/resend`,
    {
      config: { needs: 'CreateAttempts' },
      schema: operatorRoute({
        operationId: 'resendMessage',
        tag: TAG,
        summary: 'Send a message to an endpoint once more',
        description:
          'One attempt, whatever became of the delivery. When it arrives, the delivery has succeeded; when not, everything stays as it is, a retry that is planned too. Two that wait for the same are one.',
        response: {
          202: { description: 'It is stored, and will be sent.', ...EmptyResponse },
          ...errorsOf(400, 401, 403, 404, 409, 422, 429, 503),
        },
      }),
    },
    async (request, reply) => {
      const { message, endpoint } = await deliveryOfPath(request, services);
      await services.redelivery.resend(message, endpoint);
      return reply.code(202).send({});
    },
  );
}
