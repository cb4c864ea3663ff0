import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ApiError } from '../errors.ts';
import { type Answer, answerAndClose, JSON_TYPE } from './answer.ts';
import { presentable } from './error-report.ts';
import { ClientGone, type NotJson, readBody } from './read-body.ts';
import type { HttpServices } from './services.ts';

/**
 * What the two faces have in common: bodies are read as bytes whatever their Content-Type says (people paste `curl -d`),
 * and every error is answered in the face's shape.
 */
export function addFace(
  scope: FastifyInstance,
  services: HttpServices,
  face: {
    bodyBytes: number;
    errorAnswer: (error: ApiError | NotJson) => Answer;
    /** For errors that only this face has; null for others. */
    ownAnswer?: (error: unknown) => Answer | null;
  },
): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', (request: FastifyRequest) => readBody(request.raw, face.bodyBytes));
  scope.setErrorHandler((error, request, reply) => {
    if (error instanceof ClientGone) {
      reply.hijack();
      reply.raw.destroy();
      return;
    }
    const { method, routeOptions } = request;
    const where = { method, route: routeOptions.url ?? 'none' };
    const answer = face.ownAnswer?.(error) ?? face.errorAnswer(presentable(error, where, services));
    if (answer.status === 413) {
      reply.hijack();
      answerAndClose(request.raw, reply.raw, answer, services.clock);
      return;
    }
    reply.code(answer.status).headers(answer.headers).type(JSON_TYPE).send(answer.body);
  });
}
