import type { FastifyContextConfig } from 'fastify';
import type { Static, TSchema } from 'typebox';
import type { Application } from '../../model/application.ts';
import type { Endpoint } from '../../model/endpoint.ts';
import { isVisibleTo } from '../../model/event-type.ts';
import type { Capability } from '../../model/key.ts';
import type { Caller } from '../../registry/keyring.ts';
import { applicationFor } from '../authenticate.ts';
import type { HttpServices } from '../services.ts';
import { invalid } from '../validation.ts';
import { endpointOut } from './endpoint-out.ts';
import { assertNotOperational } from './operational-application.ts';
import { EndpointIn, EndpointOut, EndpointPatch, EndpointUpdate } from './schemas/endpoint.ts';

/**
 * Whose endpoints they are: those of applications, or of the operators themselves, which get the operational webhooks. The
 * routes of both are the same but for this.
 */
export interface EndpointOwner {
  /** Where they are listed. */
  readonly path: string;
  readonly tag: string;
  /** In the names of operations: `createEndpoint`. */
  readonly noun: string;
  /** In sentences, after "an". */
  readonly called: string;
  readonly schemas: {
    readonly in: TSchema;
    readonly update: TSchema;
    readonly patch: TSchema;
    readonly out: TSchema;
  };
  /** Who may call a route. @param needs what a limited key needs; left out: to read. */
  config(needs?: Capability | readonly Capability[]): FastifyContextConfig;
  /** The application that the endpoints belong to. @param ref of the path, where it has one. Throws `not_found`. */
  application(caller: Caller, ref: string): Promise<Application>;
  /** Throws `conflict` where they are made and changed by another path. */
  assertWrites(application: Application): void;
  /** Without repetitions. Throws `validation`. */
  eventTypes(names: readonly string[], caller: Caller): Promise<string[]>;
  shown(endpoint: Endpoint, application: Application): Omit<Static<typeof EndpointOut>, 'webHookId'>;
}

/** Endpoints of the application that the path names. */
export function applicationOwner(services: HttpServices): EndpointOwner {
  const { registry, retrySchedule } = services;
  return {
    path: '/api/v1/app/:app_id/endpoint',
    tag: 'Endpoint',
    noun: 'Endpoint',
    called: 'endpoint',
    schemas: { in: EndpointIn, update: EndpointUpdate, patch: EndpointPatch, out: EndpointOut },
    config: (needs) => (needs === undefined ? {} : { needs }),
    application: (caller, ref) => applicationFor(registry, caller, ref),
    assertWrites: (application) => assertNotOperational(services, application, 'endpoint'),
    eventTypes: (names, caller) => knownEventTypes(names, caller, registry),
    shown: (endpoint) => endpointOut(endpoint, retrySchedule),
  };
}

/**
 * All of them must be in the catalogue, visible to the caller, and not archived; of those that `ticket.*` stands for, one
 * must be, so that a slip of the pen is told.
 */
async function knownEventTypes(
  names: readonly string[],
  caller: Caller,
  registry: HttpServices['registry'],
): Promise<string[]> {
  const wanted = [...new Set(names)];
  const unknown = new Set(wanted);
  for (const each of await registry.eventTypeList()) {
    if (each.archived || !isVisibleTo(each, caller)) continue;
    unknown.delete(each.name);
    const { name } = each;
    for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
      unknown.delete(`${name.slice(0, dot)}.*`);
    }
  }
  if (unknown.size === 0) return wanted;
  throw invalid(['body', 'eventTypes'], `The following event types don't exist: ${[...unknown].join(', ')}`);
}
