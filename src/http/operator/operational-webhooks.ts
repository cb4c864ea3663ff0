import type { FastifyInstance } from 'fastify';
import type { HttpServices } from '../services.ts';
import { addEndpointHeaderRoutes } from './endpoint-headers.ts';
import { endpointOut } from './endpoint-out.ts';
import type { EndpointOwner } from './endpoint-owner.ts';
import { addEndpointSecretRoutes } from './endpoint-secret.ts';
import { addEndpointRoutes } from './endpoints.ts';
import {
  OperationalWebhookEndpointIn,
  OperationalWebhookEndpointOut,
  OperationalWebhookEndpointPatch,
  OperationalWebhookEndpointUpdate,
} from './schemas/operational-webhook.ts';

/** Endpoints that are told what happens to the endpoints of applications, and to what is sent to them. */
export function addOperationalWebhookRoutes(scope: FastifyInstance, services: HttpServices): void {
  const owner = operators(services);
  addEndpointRoutes(scope, services, owner);
  addEndpointSecretRoutes(scope, services, owner);
  addEndpointHeaderRoutes(scope, services, owner);
}

function operators({ registry, retrySchedule }: HttpServices): EndpointOwner {
  return {
    path: '/api/v1/operational-webhook/endpoint',
    tag: 'Operational Webhook',
    noun: 'OperationalWebhookEndpoint',
    called: 'operational webhook endpoint',
    schemas: {
      in: OperationalWebhookEndpointIn,
      update: OperationalWebhookEndpointUpdate,
      patch: OperationalWebhookEndpointPatch,
      out: OperationalWebhookEndpointOut,
    },
    config: () => ({ access: 'operator' }),
    application: async () => registry.operational,
    assertWrites: () => {},
    eventTypes: async (names) => [...new Set(names)],
    shown(endpoint, application) {
      const { webHookId: _, ...shown } = endpointOut(endpoint, retrySchedule);
      return { ...shown, applicationId: application.id };
    },
  };
}
