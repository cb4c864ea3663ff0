import type { FastifyRequest } from 'fastify';
import type { Application } from '../../../model/application.ts';
import type { Endpoint } from '../../../model/endpoint.ts';
import type { Message } from '../../../model/message.ts';

import { applicationFor } from '../../authenticate.ts';
import type { HttpServices } from '../../services.ts';
import { callerIn } from '../caller.ts';

export interface DeliveryRoute {
  Params: { app_id: string; msg_id: string; endpoint_id: string };
}

/** The message and the endpoint that a path names. Throws `not_found`; there need not be a delivery. */
export async function deliveryOfPath(
  request: FastifyRequest<DeliveryRoute>,
  { registry, reader }: Pick<HttpServices, 'registry' | 'reader'>,
): Promise<{ application: Application; message: Message; endpoint: Endpoint }> {
  const { params } = request;
  const application = await applicationFor(registry, callerIn(request), params.app_id);
  const message = await reader.message(application, params.msg_id);
  const { endpoint } = await registry.endpoint(application, params.endpoint_id);
  return { application, message, endpoint };
}
