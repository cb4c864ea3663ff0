import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import type { PublishMessage } from '../../accept/accept.ts';
import { ApiError } from '../../errors.ts';
import { exampleOf } from '../../model/event-type.ts';
import { JSON_TYPE } from '../answer.ts';
import { applicationFor } from '../authenticate.ts';
import { shownProblems } from '../publish/schema-problems.ts';
import type { HttpServices } from '../services.ts';
import { callerIn } from './caller.ts';
import { messageOutText } from './message-out.ts';
import { errorsOf, operatorRoute } from './route-schemas.ts';
import { EventExampleIn, PublishedMessageOut } from './schemas/message.ts';

/** The event type of the protocol that every endpoint can be tried with: it is in no catalogue. */
const PING = { eventType: 'svix.ping', payload: '{"success": true}' };

/** A real message with an example for a payload, for one endpoint. */
export function addSendExampleRoutes(scope: FastifyInstance, { registry, accept }: HttpServices): void {
  scope.post<{ Params: { app_id: string; endpoint_id: string }; Body: Static<typeof EventExampleIn> }>(
    '/api/v1/app/:app_id/endpoint/:endpoint_id/send-example',
    {
      config: { access: 'operator' },
      schema: operatorRoute({
        operationId: 'sendExample',
        tag: 'Endpoint',
        summary: 'Send an example of an event type to an endpoint',
        description:
          'It becomes a message of its own that goes to this endpoint alone, whatever the endpoint asks for. `svix.ping` needs no event type. The answer has no payload.',
        body: EventExampleIn,
        response: {
          200: { description: 'The message', ...PublishedMessageOut },
          ...errorsOf(400, 401, 403, 404, 409, 413, 422, 429, 503),
        },
      }),
    },
    async (request, reply) => {
      const { params, body } = request;
      const application = await applicationFor(registry, callerIn(request), params.app_id);
      const { endpoint } = await registry.endpoint(application, params.endpoint_id);
      if (endpoint.disabled) {
        throw new ApiError(
          'endpoint_disabled',
          'The endpoint is disabled and takes nothing. Enable it first.',
        );
      }
      const payload = await examplePayload(registry, body);
      const problems = exampleProblems(registry, body.eventType, payload);
      const outcome = await accept.publish({
        application,
        messages: [{ ...PLAIN, eventType: body.eventType, payload }],
        idempotency: null,
        onlyEndpointKey: endpoint.key,
      });
      // Without a key nothing can have come before.
      if (outcome.kind !== 'accepted') throw new Error('An example was taken for a repeated call.');
      const [message] = outcome.messages;
      if (message === undefined) throw new Error('An example was accepted as no message.');
      const text = messageOutText(message, { withContent: false, trusted: true, schemaProblems: problems });
      return reply.type(JSON_TYPE).send(text);
    },
  );
}

const PLAIN: Omit<PublishMessage, 'eventType' | 'payload'> = {
  eventId: null,
  channels: null,
  tags: null,
  deliverAt: null,
  expiresAt: null,
  orderingKey: null,
  payloadUntil: null,
};

/** Of an example of another version than the one that payloads are checked by. Throws `invalid_scheme` where they are refused. */
function exampleProblems(registry: HttpServices['registry'], eventType: string, payload: string) {
  if (registry.payloadValidation(eventType) === 'off') return undefined;
  const found = registry.payloadProblems(eventType, JSON.parse(payload), payload.length);
  if (found === null) return undefined;
  const problems = shownProblems(found, ['payload']);
  if (found.validation === 'warn') return problems;
  const [first] = problems;
  throw new ApiError(
    'invalid_scheme',
    `The schema of ${eventType} does not allow its example: ${first?.loc.join('.')} ${first?.msg}.`,
  );
}

async function examplePayload(
  registry: HttpServices['registry'],
  { eventType: name, exampleIndex }: Static<typeof EventExampleIn>,
): Promise<string> {
  if (name === PING.eventType) return PING.payload;
  const eventType = await registry.eventTypeFind(name);
  if (eventType === null) {
    throw new ApiError('not_found', `There is no event type ${JSON.stringify(name)}.`);
  }
  const example = exampleOf(eventType, exampleIndex ?? 0);
  if (typeof example !== 'object' || example === null || Array.isArray(example)) {
    throw new ApiError(
      'invalid_scheme',
      `The schema of ${name} has no example number ${exampleIndex ?? 0} that is a JSON object.`,
    );
  }
  return JSON.stringify(example);
}
