import type { Server } from 'node:http';
import fastify, { type FastifyInstance, type RouteOptions } from 'fastify';
import { SECURITY_HEADERS } from './answer.ts';
import { addConsole } from './console/api.ts';
import { apiUrl } from './console/gate.ts';
import { closeServer, createNodeServer, listenOn, trackConnections } from './node-server.ts';
import { addDocs } from './openapi.ts';
import { addOperatorApi } from './operator/api.ts';
import { createPublisher } from './publish/publish.ts';
import { publishRoutes } from './publish/routes.ts';
import type { HttpServices } from './services.ts';
import { addUnmatched, answerBadPath, answerClientError } from './unmatched.ts';
import { addWebHooksApi } from './web-hooks/api.ts';

export interface HttpServer {
  /** Resolves to the address that is really bound: `http://127.0.0.1:8071`. */
  listen(at: { host: string; port: number }): Promise<string>;
  /** Stops accepting, finishes the requests under way, closes idle connections at once. */
  close(): Promise<void>;
  /** The OpenAPI document of both faces. */
  openapi(): object;
  /** Every route there is, those too that the document leaves out. */
  readonly routes: readonly Route[];
  /** For requests without a socket. */
  readonly fastify: FastifyInstance;
}

/** `config` says who may call it. */
export type Route = Pick<RouteOptions, 'method' | 'url' | 'config'>;

/** More than node:http lets through: a long id is unknown like any other, not an error of its own. */
const PATH_PART_CHARACTERS = 64 * 1024;

/** The Web Hooks API, the operator API and their documentation, and the console, over the services of the rooms. */
export async function createHttpServer(services: HttpServices): Promise<HttpServer> {
  let closing = false;
  const isClosing = () => closing;
  const publish = createPublisher(services, isClosing);
  let server: Server | undefined;
  const app: FastifyInstance = fastify({
    serverFactory: (handler) => {
      const { clock, maxConnections } = services;
      server = createNodeServer({ publish, others: handler, clock, maxConnections });
      return server;
    },
    // Its own log lines would name URLs, and a token can be in one. What is worth a line is logged by the faces.
    logger: false,
    rewriteUrl: apiUrl,
    return503OnClosing: false,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: PATH_PART_CHARACTERS },
    clientErrorHandler: answerClientError,
    frameworkErrors: (_error, request, reply) => answerBadPath(request.url, reply as never),
  });
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(SECURITY_HEADERS);
    // Bodies are JSON whatever they are called: Fastify would refuse types that it can't read.
    request.raw.headers['content-type'] = 'application/json';
  });
  app.addHook('onSend', async (_request, reply) => {
    if (closing) reply.header('connection', 'close');
  });
  const routes: Route[] = [];
  app.addHook(
    'onRoute',
    ({ method, url, config }) => void routes.push({ method, url, config: config ?? {} }),
  );
  addUnmatched(app);
  const openapi = await addDocs(app, services);
  for (const add of [addOperatorApi, addWebHooksApi, publishRoutes(publish), addConsole]) {
    // Each in a scope of its own: they read bodies, authenticate and answer errors in different ways.
    await app.register((scope, _options, done) => {
      add(scope, services);
      done();
    });
  }
  await app.ready();
  if (server === undefined) throw new Error('Fastify did not ask for its server.');
  const bound = server;
  const connections = trackConnections(bound);

  return {
    fastify: app,
    openapi,
    routes,
    listen: (at) => listenOn(bound, at),
    async close() {
      closing = true;
      await closeServer(bound, connections, services.clock);
      await app.close();
    },
  };
}
