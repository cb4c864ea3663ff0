import type { FastifyInstance } from 'fastify';
import { BODY_BYTES } from '../../limits.ts';
import { addFace } from '../face.ts';
import { errorAnswer } from '../operator/errors.ts';
import type { HttpServices } from '../services.ts';
import { addFigureRoutes } from './figures.ts';
import { addPages } from './pages.ts';
import { addSessionRoutes } from './session-routes.ts';

/**
 * The console: its pages, who is signed in, and the few things it asks for that the operator API has not. For everything else
 * it calls that, see gate.ts.
 */
export function addConsole(scope: FastifyInstance, services: HttpServices): void {
  addFace(scope, services, { bodyBytes: BODY_BYTES, errorAnswer });
  addSessionRoutes(scope, services);
  addFigureRoutes(scope, services);
  addPages(scope, services);
}
