import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PublishOutcome } from '../../accept/accept.ts';
import { ApiError } from '../../errors.ts';
import { BATCH_BODY_BYTES, PUBLISH_BODY_BYTES } from '../../limits.ts';
import type { Application } from '../../model/application.ts';
import { ANY_ORIGIN, answerAndClose, send } from '../answer.ts';
import { assertOperator, bearerKey, callerOf } from '../authenticate.ts';
import { presentable } from '../error-report.ts';
import { callHashes, idempotencyKey } from '../idempotency-key.ts';
import { applicationOfPath, type WantedApplication } from '../operator/application-of-path.ts';
import { errorAnswer } from '../operator/errors.ts';
import { matchedOf, messageOutText, type ShownMessage, timeText } from '../operator/message-out.ts';
import { ClientGone, parseJson, readBody } from '../read-body.ts';
import type { HttpServices } from '../services.ts';
import { type ReadMessage, readBatch, readMessage } from './message-in.ts';
import type { PublishTarget } from './publish-target.ts';
import { type SchemaProblems, schemaProblems } from './schema-problems.ts';

export type Publisher = (request: IncomingMessage, response: ServerResponse, target: PublishTarget) => void;

/** The body limit of a publish, in bytes. */
export function publishLimit(target: PublishTarget): number {
  return target.batch ? BATCH_BODY_BYTES : PUBLISH_BODY_BYTES;
}

/** Takes a publish from the first byte of its body to the last of its answer, without Fastify. */
export function createPublisher(services: HttpServices, isClosing: () => boolean): Publisher {
  return (request, response, target) => {
    take(services, request, target)
      .then(
        (body) => send(response, { status: 202, headers: ANY_ORIGIN, body }, isClosing()),
        (error: unknown) => refuse(services, request, response, target, error, isClosing()),
      )
      .catch((error: unknown) => {
        services.log.error({ err: error }, 'an answer to a publish could not be written');
        response.destroy();
      });
  };
}

async function take(
  services: HttpServices,
  request: IncomingMessage,
  target: PublishTarget,
): Promise<string> {
  const { keyring, accept, clock } = services;
  const found = callerOf(keyring, bearerKey(request.headers.authorization));
  const caller = found instanceof Promise ? await found : found;
  assertOperator(caller);
  const withContent = wantsContent(target.query);
  const body = await readBody(request, publishLimit(target));
  const { text, value } = parseJson(body);
  const read = target.batch ? readBatch(text, value, clock) : [readMessage(text, value, clock)];
  // Before an application is made, all of this: a call that is refused makes none.
  const problems = schemaProblems(services.registry, read, target.batch);
  const key = idempotencyKey(request.headers);
  const application = await applicationOfPath(
    services.registry,
    target.ref,
    wantedApplications(target, read),
  );
  const call = { keyId: caller.keyId, url: request.url ?? '', applicationId: application.id, body };
  const outcome = await accept.publish({
    application,
    messages: read.map(({ message }) => message),
    idempotency: key === null ? null : callHashes({ key, ...call }),
    onlyEndpointKey: null,
  });
  const published =
    outcome.kind === 'accepted' ? outcome.messages : await replayed(services, application, outcome);
  if (target.batch) return batchText(published, problems);
  const trusted = outcome.kind === 'accepted' && read[0]?.payloadIn !== 'rawPayload';
  return messageOutText(published[0] as ShownMessage, {
    withContent,
    trusted,
    schemaProblems: problems?.get(0),
  });
}

/** The messages that the first of the equal calls made. */
function replayed(
  services: HttpServices,
  application: Application,
  outcome: Extract<PublishOutcome, { kind: 'replayed' }>,
): Promise<ShownMessage[]> {
  return Promise.all(outcome.messageIds.map((id) => services.reader.message(application, id)));
}

function batchText(published: readonly ShownMessage[], problems: SchemaProblems | null): string {
  const data = published.map((message, index) => {
    const { id, eventId, eventType, createdAt } = message;
    const schemaProblems = problems?.get(index);
    return {
      id,
      eventId,
      eventType,
      timestamp: timeText(createdAt),
      matched: matchedOf(message),
      ...(schemaProblems && { schemaProblems }),
    };
  });
  return JSON.stringify({ data });
}

/** The applications that the messages name, with their places in the body. */
function wantedApplications(target: PublishTarget, read: readonly ReadMessage[]): WantedApplication[] {
  return read.flatMap(({ fields: { application } }, index) => {
    const at = [...(target.batch ? ['body', 'messages', index] : ['body']), 'application'];
    return application ? [{ fields: application, at }] : [];
  });
}

function wantsContent(query: string): boolean {
  if (query === '') return true;
  const value = new URLSearchParams(query).get('with_content') ?? 'true';
  if (value !== 'true' && value !== 'false') {
    throw new ApiError(
      'generic_error',
      'Failed to deserialize query string: with_content must be true or false.',
    );
  }
  return value === 'true';
}

function refuse(
  services: HttpServices,
  request: IncomingMessage,
  response: ServerResponse,
  target: PublishTarget,
  error: unknown,
  closing: boolean,
): void {
  if (error instanceof ClientGone || response.destroyed) {
    response.destroy();
    return;
  }
  const route = target.batch ? 'POST /api/v1/app/{app_id}/msg/batch' : 'POST /api/v1/app/{app_id}/msg';
  const shown = presentable(error, { method: 'POST', route }, services);
  const answer = errorAnswer(shown);
  // What is left of a body of known, allowed length is read by Node.js, and the connection lives on.
  const bounded = Number(request.headers['content-length']) <= publishLimit(target);
  if (bounded || request.complete) send(response, answer, closing);
  else answerAndClose(request, response, answer, services.clock);
}
