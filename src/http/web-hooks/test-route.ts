import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Application } from '../../model/application.ts';
import { type EventType, exampleOf, isVisibleTo } from '../../model/event-type.ts';
import { type Exchange, succeeded, type Target } from '../../model/exchange.ts';
import { newSecret } from '../../model/secret.ts';
import type { Caller } from '../../registry/keyring.ts';
import { JSON_TYPE } from '../answer.ts';
import { callerIn } from '../operator/caller.ts';
import type { HttpServices } from '../services.ts';
import { parseUrl } from '../target-url.ts';
import { own, testOf } from './body.ts';
import { WebHookError } from './errors.ts';
import { fieldErrorsOf, webHookRoute } from './route-schemas.ts';
import { companyOf } from './routes.ts';
import { TestIn, TestOut } from './schemas.ts';

const ACTION_TYPES_NAMED = 50;

interface Signer {
  readonly target: Target;
  readonly signedWith: string;
  /** Only a throwaway secret is shown: that of a web hook is the operator's to hand out. */
  readonly secret?: string;
}

/** `POST /web_hooks/test.json`: sends the action's example to a URL and says what came of it. */
export function addTestRoute(scope: FastifyInstance, services: HttpServices): void {
  const schema = webHookRoute({
    operationId: 'testWebHook',
    summary: 'Test a URL',
    description:
      'Sends the example of the action to the URL, signed like a delivery and marked by the header `posthorn-test`, and waits for the answer.',
    body: TestIn,
    response: {
      200: { description: 'The URL took it (2xx).', ...TestOut },
      ...fieldErrorsOf(400, 401, 403, 413, 429, 503),
      500: { description: 'The URL did not take it; the body says why.', ...TestOut },
    },
  });
  scope.post(
    '/web_hooks/test.json',
    { schema, config: { needs: 'CreateAttempts' } },
    async (request, reply) => {
      const company = companyOf(request);
      const { actionType, url, href, payload } = await readTest(services, request);
      const signer = await signerOf(services, company, href);
      const messageId = services.ids.next('msg');
      const exchange = await services.tests.test({
        applicationKey: company.key,
        target: signer.target,
        messageId,
        payload,
      });
      return report(reply, { actionType, url, messageId, exchange, signer });
    },
  );
  // `test` is no web hook: without these the paths would be those of a hook with that id.
  for (const method of ['PUT', 'DELETE'] as const) {
    scope.route({
      method,
      url: '/web_hooks/test.json',
      schema: { hide: true },
      config: { refuses: true },
      handler: async () => {
        throw new WebHookError(
          405,
          { method: [`${method} is not what this path takes: use POST.`] },
          { allow: 'POST' },
        );
      },
    });
  }
}

async function readTest(services: HttpServices, request: FastifyRequest) {
  const fields = testOf(request.body as Buffer);
  const errors: Record<string, readonly string[]> = {};
  const action = await actionOf(services, callerIn(request), own(fields, 'action_type'));
  if ('problem' in action) errors.action_type = [action.problem];
  const parsed = parseUrl(own(fields, 'url'), services);
  if (!parsed.ok) errors.url = parsed.problems;
  if ('problem' in action || !parsed.ok) throw new WebHookError(400, errors);
  return { ...action, url: parsed.url, href: parsed.href };
}

async function actionOf(
  { registry }: HttpServices,
  caller: Caller,
  name: unknown,
): Promise<{ actionType: string; payload: string } | { problem: string }> {
  if (name === undefined || name === null || name === '') return { problem: "can't be blank" };
  if (typeof name !== 'string') return { problem: 'must be a string' };
  const found = await registry.eventTypeFind(name);
  if (found === null || found.archived || !isVisibleTo(found, caller)) {
    const known = offered(await registry.eventTypeList(), caller);
    return { problem: `is not a known action type; known are: ${known}` };
  }
  const example = exampleOf(found);
  if (example === null) return { problem: 'has no example in the catalogue that could be sent' };
  return { actionType: found.name, payload: JSON.stringify(example) };
}

/** Those that the caller may know of, as far as they can be read in one sentence. */
function offered(eventTypes: readonly EventType[], caller: Caller): string {
  const all = eventTypes.filter((each) => !each.archived && isVisibleTo(each, caller));
  const names = all.slice(0, ACTION_TYPES_NAMED).map(({ name }) => name);
  return all.length > names.length ? `${names.join(', ')} and others` : names.join(', ');
}

/** The company's own web hook of this URL, so that its receiver can verify the test; else a secret made for it. */
async function signerOf(services: HttpServices, company: Application, href: string): Promise<Signer> {
  const all = await services.registry.endpointList(company);
  const hook = all.find(({ target }) => target.href === href);
  if (hook) return { target: hook.target, signedWith: `web hook ${hook.endpoint.webHookId}` };
  const secret = newSecret(services.random);
  const target = { applicationKey: company.key, href, headers: {}, secrets: [{ text: secret, until: null }] };
  return { target, signedWith: 'a throwaway secret', secret };
}

function report(
  reply: FastifyReply,
  test: { actionType: string; url: string; messageId: string; exchange: Exchange; signer: Signer },
): FastifyReply {
  const { exchange, signer } = test;
  const good = succeeded(exchange);
  return reply
    .code(good ? 200 : 500)
    .type(JSON_TYPE)
    .send({
      test: {
        result: good ? 'succeeded' : 'failed',
        action_type: test.actionType,
        url: test.url,
        message_id: test.messageId,
        status: exchange.status,
        response_body: exchange.body,
        duration_ms: exchange.durationMs,
        error: exchange.error && { code: exchange.error.code, message: exchange.error.message },
        signed_with: signer.signedWith,
        secret: signer.secret,
      },
    });
}
