import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Static } from 'typebox';
import { ApiError } from '../../errors.ts';
import type { OpenSession } from '../../registry/sessions.ts';
import { timeText } from '../operator/message-out.ts';
import { parseJson } from '../read-body.ts';
import type { HttpServices } from '../services.ts';
import { bodyCheck, type Check } from '../validation.ts';
import { setCookie } from './cookie.ts';
import { assertOwnPage, sessionOf } from './gate.ts';
import { type SessionOut, SignIn, SignOut } from './session-out.ts';

const PATH = '/console/session';

/** Signing in, who is signed in, and signing out. */
export function addSessionRoutes(scope: FastifyInstance, services: HttpServices): void {
  const { sessions, clock, publicUrl } = services;
  const assertSignIn: Check<Static<typeof SignIn>> = bodyCheck(SignIn);
  const assertSignOut: Check<Static<typeof SignOut>> = bodyCheck(SignOut);
  const options = { schema: { hide: true }, config: { access: 'anybody' } } as const;

  scope.get(PATH, options, async (request) => shown(services, await sessionOf(services, request.raw)));

  scope.post(PATH, options, async (request, reply) => {
    assertOwnPage(services, request.raw);
    const asked = read(request);
    assertSignIn(asked);
    const made = await begun(services, asked);
    const livesMs = made.session.expiresAt - clock.now();
    return reply
      .header('set-cookie', setCookie({ text: made.text, livesMs, publicUrl, request: request.raw }))
      .send(await shown(services, made));
  });

  scope.delete(PATH, options, async (request, reply) => {
    const asked = read(request);
    assertSignOut(asked);
    const session = await sessionOf(services, request.raw);
    await (asked.everywhere ? sessions.endAll(session) : sessions.end(session));
    return forget(request, reply);
  });

  function forget(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const cookie = setCookie({ text: null, livesMs: 0, publicUrl, request: request.raw });
    return reply.header('set-cookie', cookie).code(204).send();
  }
}

function read(request: FastifyRequest): unknown {
  return parseJson(request.body as Buffer).value;
}

function begun({ sessions }: HttpServices, asked: Static<typeof SignIn>) {
  if ('code' in asked) return sessions.follow(asked.code);
  const key = asked.key.trim();
  if (key === '') throw new ApiError('authentication_failed', 'There is no key.');
  return sessions.begin(key);
}

async function shown(
  { registry, version }: HttpServices,
  { session, key }: OpenSession,
): Promise<SessionOut> {
  const { applicationKey } = key;
  const application = applicationKey === null ? null : await registry.applicationByKey(applicationKey);
  return {
    role: application === null ? 'operator' : 'company',
    capabilities: key.capabilities === null ? null : [...key.capabilities],
    application: application && {
      id: application.id,
      number: application.number,
      uid: application.uid,
      name: application.name,
    },
    keyName: key.name,
    expiresAt: timeText(session.expiresAt),
    version,
  };
}
