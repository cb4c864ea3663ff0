import type { FastifyInstance } from 'fastify';
import Type, { type Static } from 'typebox';
import { KEY_GRACE_SECONDS } from '../../limits.ts';
import { applicationFor } from '../authenticate.ts';
import type { HttpServices } from '../services.ts';
import { invalid } from '../validation.ts';
import { callerIn } from './caller.ts';
import { keyMadeOut, keyOut } from './key-out.ts';
import { capabilitiesAsked, expiresIn } from './key-scope.ts';
import { assertNotOperational } from './operational-application.ts';
import { PageQuery, pageFrom, pageOf } from './paging.ts';
import { errorsOf, operatorRoute } from './route-schemas.ts';
import { listOf } from './schemas/common.ts';
import { KeyIn, KeyMadeOut, KeyOut, KeyRotateIn } from './schemas/key.ts';

const ADDITION = 'Addition of Posthorn.';

const ListQuery = Type.Object({
  ...PageQuery.properties,
  application: Type.Optional(
    Type.String({ description: 'Only the keys of this application: its id, uid or number.' }),
  ),
});

interface OneRoute {
  Params: { key_id: string };
}

/** The keys to this API, for operators. */
export function addKeyRoutes(scope: FastifyInstance, services: HttpServices): void {
  addListAndCreate(scope, services);
  addOne(scope, services);
}

function addListAndCreate(scope: FastifyInstance, { keyring, registry, clock }: HttpServices): void {
  scope.get<{ Querystring: Static<typeof ListQuery> }>(
    '/api/v1/key',
    {
      config: { access: 'operator' },
      schema: operatorRoute({
        operationId: 'listKeys',
        tag: 'Key',
        summary: 'List keys, oldest first',
        description: `${ADDITION} Those that expired too, until they are removed.`,
        querystring: ListQuery,
        response: {
          200: { description: 'A page', ...listOf(KeyOut, 'KeyListOut') },
          ...errorsOf(400, 401, 403, 404, 422, 503),
        },
      }),
    },
    async (request) => {
      const { application: ref } = request.query;
      const { limit, from, backwards } = pageFrom(request.query, 'key');
      const application =
        ref === undefined ? undefined : await applicationFor(registry, callerIn(request), ref);
      const rows = await keyring.list({
        applicationKey: application?.key,
        limit: limit + 1,
        before: backwards ? from : null,
        after: backwards ? null : from,
      });
      return pageOf(rows, limit, { id: ({ key }) => key.id, item: keyOut, backwards });
    },
  );

  scope.post<{ Body: Static<typeof KeyIn> }>(
    '/api/v1/key',
    {
      config: { access: 'operator' },
      schema: operatorRoute({
        operationId: 'createKey',
        tag: 'Key',
        summary: 'Make a key',
        description: `${ADDITION} For one application, or for operators (\`application\`: null). Its text is shown this once.`,
        body: KeyIn,
        response: {
          201: { description: 'Made', ...KeyMadeOut },
          ...errorsOf(401, 403, 404, 409, 413, 422, 503),
        },
      }),
    },
    async (request, reply) => {
      const { name, application: ref, capabilities, readOnly, featureFlags, expiry } = request.body;
      const application =
        ref === null ? null : await applicationFor(registry, callerIn(request), String(ref));
      if (application === null) assertUnlimited({ capabilities, readOnly, featureFlags });
      else assertNotOperational({ registry }, application, 'key');
      const made = await keyring.create({
        name,
        applicationKey: application?.key ?? null,
        capabilities: capabilitiesAsked(request.body),
        featureFlags: featureFlags ?? [],
        expiresAt: expiresIn(expiry, clock.now()),
      });
      return reply.code(201).send(keyMadeOut(made));
    },
  );
}

function addOne(scope: FastifyInstance, { keyring, clock }: HttpServices): void {
  scope.get<OneRoute>(
    '/api/v1/key/:key_id',
    {
      config: { access: 'operator' },
      schema: operatorRoute({
        operationId: 'getKey',
        tag: 'Key',
        summary: 'Get a key by its id',
        description: ADDITION,
        response: { 200: { description: 'The key', ...KeyOut }, ...errorsOf(401, 403, 404, 503) },
      }),
    },
    async (request) => keyOut(await keyring.find(request.params.key_id)),
  );

  scope.delete<OneRoute>(
    '/api/v1/key/:key_id',
    {
      config: { access: 'operator' },
      schema: operatorRoute({
        operationId: 'revokeKey',
        tag: 'Key',
        summary: 'Revoke a key',
        description: `${ADDITION} It is refused at once. Not for the last operator key that does not expire, nor for one that a setting gives: 409.`,
        response: {
          204: { description: 'It is refused from now on.', type: 'null' },
          ...errorsOf(401, 403, 404, 409, 503),
        },
      }),
    },
    async (request, reply) => {
      await keyring.revoke(request.params.key_id);
      return reply.code(204).send();
    },
  );

  scope.post<OneRoute & { Body: Static<typeof KeyRotateIn> }>(
    '/api/v1/key/:key_id/rotate',
    {
      config: { access: 'operator', emptyBody: {} },
      schema: operatorRoute({
        operationId: 'rotateKey',
        tag: 'Key',
        summary: 'Replace a key by a new one of the same scope',
        description: `${ADDITION} The old one stays good for the grace period. The body may be left out. Not for a key that a setting gives, nor for one that was rotated out before: 409.`,
        body: KeyRotateIn,
        response: {
          200: { description: 'The new key; its text is shown this once.', ...KeyMadeOut },
          ...errorsOf(401, 403, 404, 409, 413, 422, 503),
        },
      }),
    },
    async (request) => {
      const { gracePeriodSeconds, expiry } = request.body;
      const made = await keyring.rotate(request.params.key_id, {
        graceMs: (gracePeriodSeconds ?? KEY_GRACE_SECONDS.usual) * 1_000,
        expiresAt: expiry === undefined ? undefined : expiresIn(expiry, clock.now()),
      });
      return keyMadeOut(made);
    },
  );
}

/** An operator key is for everything: to take a limit and not hold to it would be a trap. */
function assertUnlimited(
  limits: Pick<Static<typeof KeyIn>, 'capabilities' | 'readOnly' | 'featureFlags'>,
): void {
  const asked = Object.entries(limits).find(([, value]) => value !== undefined && value !== null);
  if (asked) throw invalid(['body', asked[0]], 'is only for the key of an application');
}
