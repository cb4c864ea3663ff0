import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema, RouteOptions } from 'fastify';
import { ApiError } from '../errors.ts';
import type { CallAnswer, CallHashes } from '../registry/answers.ts';
import { JSON_TYPE } from './answer.ts';
import { applicationOrNull } from './authenticate.ts';
import { callHashes, IdempotencyHeaders, idempotencyKey } from './idempotency-key.ts';
import { errorsOf } from './operator/route-schemas.ts';
import type { HttpServices } from './services.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** This call's place among those with its idempotency key, while it has no answer; null for calls without a key. */
    turn: Turn | null;
  }
}

/** The first of equal calls. Those that come meanwhile wait for what it is answered with. */
interface Turn {
  readonly asked: CallHashes;
  /** Null: it was refused, or broke off. The next one then takes its turn. */
  readonly answer: Promise<CallAnswer | null>;
  settle(answer: CallAnswer | null): void;
  /** The route's handler has it. It ends by itself, whether or not the client stays. */
  begun: boolean;
}

/**
 * POST calls with an `idempotency-key` header: the first one with a key is carried out, and its answer, if it is a 2xx, is
 * what all others with that key get. Another body under the same key is refused with `idempotency_mismatch`. To be
 * added after authentication and before bodies are parsed, so that the bytes of the body are compared, and refused calls
 * leave nothing. A crash between the work and the keeping of its answer leaves a call that can be made once more.
 */
export function addIdempotency(
  scope: FastifyInstance,
  { answers, registry, log }: Pick<HttpServices, 'answers' | 'registry' | 'log'>,
): void {
  const underWay = new Map<string, Turn>();
  scope.decorateRequest('turn', null);
  scope.addHook('onRoute', (route) => {
    if (![route.method].flat().includes('POST')) return;
    route.handler = settling(route.handler);
    route.schema = described(route.schema);
  });

  scope.addHook('preValidation', async (request, reply) => {
    const asked = await hashesOf(request, registry);
    if (asked === null) return;
    const id = asked.keyHash.toString('latin1');
    for (let first = underWay.get(id); first; first = underWay.get(id)) {
      const answer = await first.answer;
      if (answer === null) continue;
      if (!first.asked.bodyHash.equals(asked.bodyHash)) throw new ApiError('idempotency_mismatch');
      return replay(reply, answer);
    }
    const turn = newTurn(asked, () => underWay.delete(id));
    underWay.set(id, turn);
    try {
      const answer = await answers.find(asked);
      if (answer !== null) {
        turn.settle(answer);
        return replay(reply, answer);
      }
    } catch (error) {
      turn.settle(null);
      throw error;
    }
    request.turn = turn;
    settleWithoutHandler(turn, reply);
  });

  scope.addHook('onSend', async (request, reply, payload) => {
    const { turn } = request;
    if (turn === null) return payload;
    request.turn = null;
    const answer = keepable(reply.statusCode, payload);
    if (answer !== null) {
      // The work is done: to refuse the call now would have it done twice.
      await answers.keep(turn.asked, answer).catch((error: unknown) => {
        // As a reason, not as an error of the store, which is told once: this is about one call, which its caller may do twice.
        const reason = error instanceof Error ? error.message : String(error);
        log.warn({ reason }, 'an answer could not be kept for its idempotency key');
      });
    }
    turn.settle(answer);
    return payload;
  });
}

/** With the header, and with what can be answered because of it. */
function described(schema: FastifySchema = {}): FastifySchema {
  return {
    ...schema,
    headers: IdempotencyHeaders,
    response: { ...errorsOf(409, 422), ...(schema.response as Record<number, object>) },
  };
}

/** Who asks is known here: a call of anybody, or one that was refused, does not get so far. */
async function hashesOf(
  request: FastifyRequest,
  registry: HttpServices['registry'],
): Promise<CallHashes | null> {
  const { method, caller, headers, url, body } = request;
  if (method !== 'POST' || caller === null) return null;
  const key = idempotencyKey(headers);
  if (key === null) return null;
  return callHashes({
    key,
    keyId: caller.keyId,
    url,
    applicationId: await applicationIdOf(request, registry),
    body: Buffer.isBuffer(body) ? body : Buffer.alloc(0),
  });
}

/** Of a call below an application. Those that may make the application of their path have none before the first answer. */
async function applicationIdOf(
  { routeOptions, params }: FastifyRequest,
  registry: HttpServices['registry'],
): Promise<string | null> {
  if (!routeOptions.url?.startsWith('/api/v1/app/:app_id/')) return null;
  const { app_id: ref } = params as { app_id: string };
  return (await applicationOrNull(registry, ref))?.id ?? null;
}

function newTurn(asked: CallHashes, ended: () => void): Turn {
  let resolve: (answer: CallAnswer | null) => void = () => {};
  const answer = new Promise<CallAnswer | null>((resolved) => {
    resolve = resolved;
  });
  let isOver = false;
  const settle = (given: CallAnswer | null) => {
    if (isOver) return;
    isOver = true;
    ended();
    resolve(given);
  };
  return { asked, answer, settle, begun: false };
}

/** Fastify gives up a request whose client went away before the handler has it, and calls no hook then. */
function settleWithoutHandler(turn: Turn, { raw }: FastifyReply): void {
  const giveUp = () => {
    if (!turn.begun) turn.settle(null);
  };
  if (raw.destroyed) giveUp();
  else raw.once('close', giveUp);
}

function settling(handler: RouteOptions['handler']): RouteOptions['handler'] {
  return async function (request, reply) {
    const { turn } = request;
    if (turn !== null) turn.begun = true;
    try {
      return await handler.call(this, request, reply);
    } catch (error) {
      turn?.settle(null);
      throw error;
    }
  };
}

function keepable(status: number, payload: unknown): CallAnswer | null {
  if (status < 200 || status >= 300) return null;
  if (payload === undefined || payload === null) return { status, body: '' };
  return typeof payload === 'string' ? { status, body: payload } : null;
}

function replay(reply: FastifyReply, { status, body }: CallAnswer): FastifyReply {
  if (body === '') return reply.code(status).send();
  return reply.code(status).type(JSON_TYPE).send(body);
}
