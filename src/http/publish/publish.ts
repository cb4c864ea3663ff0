import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PublishOutcome } from '../../accept/accept.ts';
import { ApiError } from '../../errors.ts';
import { BATCH_BODY_BYTES, PUBLISH_BODY_BYTES } from '../../limits.ts';
import type { Application } from '../../model/application.ts';
import type { CallHashes } from '../../registry/answers.ts';
import { ANY_ORIGIN, answerAndClose, send } from '../answer.ts';
import { applicationOrNull, assertOperator, bearerKey, callerOf } from '../authenticate.ts';
import { consoleCaller, isFromConsole } from '../console/gate.ts';
import { presentable } from '../error-report.ts';
import { callHashes, idempotencyKey } from '../idempotency-key.ts';
import { applicationOfPath, type WantedApplication } from '../operator/application-of-path.ts';
import { errorAnswer } from '../operator/errors.ts';
import { matchedOf, messageOutText, type ShownMessage, timeText } from '../operator/message-out.ts';
import { assertNotOperational } from '../operator/operational-application.ts';
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
  const { keyring, accept } = services;
  const found = isFromConsole(request)
    ? consoleCaller(services, request)
    : callerOf(keyring, bearerKey(request.headers.authorization));
  const caller = found instanceof Promise ? await found : found;
  assertOperator(caller);
  const withContent = wantsContent(target.query);
  const body = await readBody(request, publishLimit(target));
  const key = idempotencyKey(request.headers);
  const hashesFor = (applicationId: string) =>
    key === null
      ? null
      : callHashes({ key, keyId: caller.keyId, url: request.url ?? '', applicationId, body });
  let asked: Asked;
  try {
    const readNow = read(services, target, body);
    asked = readNow instanceof Promise ? await readNow : readNow;
  } catch (error) {
    const earlier = key === null ? null : await earlierMessages(services, target, hashesFor);
    if (earlier === null) throw error;
    return answerText(target, earlier, { withContent, trusted: false, problems: null });
  }
  const { messages, problems } = asked;
  let application = await applicationOfPath(
    services.registry,
    target.ref,
    wantedApplications(target, messages),
  );
  const publish = () => {
    assertNotOperational(services, application, 'publish');
    return accept.publish({
      application,
      messages: messages.map(({ message }) => message),
      idempotency: hashesFor(application.id),
      onlyEndpointKey: null,
    });
  };
  const outcome = await publish().catch(async (error: unknown) => {
    // Another process deleted the application, and the name may be another's now.
    const gone = error instanceof ApiError && error.code === 'not_found';
    const successor = gone ? await applicationOrNull(services.registry, target.ref) : null;
    if (successor === null || successor.key === application.key) throw error;
    application = successor;
    return publish();
  });
  const published =
    outcome.kind === 'accepted' ? outcome.messages : await replayed(services, application, outcome);
  const trusted = outcome.kind === 'accepted' && messages[0]?.payloadIn !== 'rawPayload';
  return answerText(target, published, { withContent, trusted, problems });
}

interface Asked {
  readonly messages: readonly ReadMessage[];
  readonly problems: SchemaProblems | null;
}

/** All of this before an application is made: a call that is refused makes none. */
function read(services: HttpServices, target: PublishTarget, body: Buffer): Asked | Promise<Asked> {
  const { clock } = services;
  const { text, value } = parseJson(body);
  const messages = target.batch ? readBatch(text, value, clock) : [readMessage(text, value, clock)];
  const checked = schemaProblems(services, messages, target.batch);
  return checked === null
    ? { messages, problems: null }
    : checked.then((problems) => ({ messages, problems }));
}

/**
 * The messages of the first of the equal calls; null: there was none. What was taken once can be refused later, as its time is
 * over or its schema another, and is answered all the same. So this is asked for when a call is refused, and costs others nothing.
 */
async function earlierMessages(
  services: HttpServices,
  target: PublishTarget,
  hashesFor: (applicationId: string) => CallHashes | null,
): Promise<ShownMessage[] | null> {
  const application = await applicationOrNull(services.registry, target.ref);
  const hashes = application && hashesFor(application.id);
  const earlier = hashes && (await services.accept.earlier(hashes));
  return earlier && replayed(services, application, earlier);
}

/** The messages that the first of the equal calls made. */
function replayed(
  services: HttpServices,
  application: Application,
  outcome: Extract<PublishOutcome, { kind: 'replayed' }>,
): Promise<ShownMessage[]> {
  return Promise.all(outcome.messageIds.map((id) => services.reader.message(application, id)));
}

interface Shown {
  readonly withContent: boolean;
  /** Whether the payload is JSON for sure. */
  readonly trusted: boolean;
  readonly problems: SchemaProblems | null;
}

function answerText(
  target: PublishTarget,
  published: readonly ShownMessage[],
  { withContent, trusted, problems }: Shown,
): string {
  if (target.batch) return batchText(published, problems);
  const [message] = published as [ShownMessage];
  return messageOutText(message, { withContent, trusted, schemaProblems: problems?.get(0) });
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
