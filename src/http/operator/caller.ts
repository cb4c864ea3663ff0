import type { FastifyRequest, RouteOptions } from 'fastify';
import type { Capability } from '../../model/key.ts';
import type { Caller } from '../../registry/keyring.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who calls; null where anybody may. */
    caller: Caller | null;
  }
  interface FastifyContextConfig {
    /** Who may call: an operator, also one application for what is its own (the default), or anybody. */
    access?: 'operator' | 'application' | 'anybody';
    /**
     * Which capability the key of an application needs, if it is limited: one of these; an empty list: none. `ViewBase` when
     * left out, which only what reads may do.
     */
    needs?: Capability | readonly Capability[];
    /** What a call without a body is taken for; without this, it is refused. */
    emptyBody?: object;
  }
}

/** Throws for a route that changes something and does not say what a limited key needs for it: it would be open to all. */
export function assertScoped({ method, url, config = {} }: RouteOptions): void {
  const { access = 'application', needs } = config;
  const changes = [method].flat().some((each) => each !== 'GET' && each !== 'HEAD');
  if (changes && access === 'application' && needs === undefined) {
    throw new Error(`${method} ${url} must say which capability it needs, or that it is for operators.`);
  }
}

export function callerIn(request: FastifyRequest): Caller {
  if (request.caller === null) throw new Error('A call was not authenticated.');
  return request.caller;
}
