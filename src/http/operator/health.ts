import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { JSON_TYPE } from '../answer.ts';
import type { HttpServices } from '../services.ts';
import { operatorRoute } from './route-schemas.ts';

const HealthOut = Type.Object(
  { database: Type.Object({ status: Type.Enum(['ok', 'error']) }) },
  { title: 'HealthOut' },
);

/** A check writes to the store, and anybody may ask: so it is made once in this time however many ask. */
const KEPT_MS = 1_000;

/** For load balancers and people: no key is asked for, so nothing is said but well or not. */
export function addHealthRoutes(scope: FastifyInstance, services: HttpServices): void {
  const isWell = healthProbe(services);
  scope.get(
    '/api/v1/health/ping',
    {
      config: { access: 'anybody' },
      schema: operatorRoute({
        operationId: 'ping',
        tag: 'Health',
        summary: 'Whether the server answers',
        open: true,
        response: { 204: { description: 'It does.', type: 'null' } },
      }),
    },
    async (_request, reply) => reply.code(204).send(),
  );
  scope.get(
    '/api/v1/health',
    {
      config: { access: 'anybody' },
      schema: operatorRoute({
        operationId: 'health',
        tag: 'Health',
        summary: 'Whether the store reads and writes, and this node sends and takes',
        open: true,
        response: {
          200: { description: 'All is well.', ...HealthOut },
          500: { description: 'It is not.', ...HealthOut },
        },
      }),
    },
    async (_request, reply) => {
      const well = await isWell();
      return reply
        .code(well ? 200 : 500)
        .type(JSON_TYPE)
        .send({ database: { status: well ? 'ok' : 'error' } });
    },
  );
}

function healthProbe({ health, log, clock }: HttpServices): () => Promise<boolean> {
  let checkedAt = Number.NEGATIVE_INFINITY;
  let outcome: Promise<boolean> = Promise.resolve(false);
  /** Said once, however often it is asked. */
  let said: string | null = null;
  return () => {
    if (clock.monotonic() - checkedAt < KEPT_MS) return outcome;
    checkedAt = clock.monotonic();
    outcome = health().then(
      () => {
        said = null;
        return true;
      },
      (error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        if (reason !== said) log.warn({ err: error }, 'the store is not well');
        said = reason;
        return false;
      },
    );
    return outcome;
  };
}
