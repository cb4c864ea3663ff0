import type { FastifyRequest } from 'fastify';
import type { Caller } from '../../registry/keyring.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who calls the operator API. */
    caller: Caller | null;
  }
  interface FastifyContextConfig {
    /** Who may call: an operator, also one application for what is its own (the default), or anybody. */
    access?: 'operator' | 'application' | 'anybody';
  }
}

export function callerIn(request: FastifyRequest): Caller {
  if (request.caller === null) throw new Error('A call of the operator API was not authenticated.');
  return request.caller;
}
