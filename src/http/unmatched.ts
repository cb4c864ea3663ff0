import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ApiError } from '../errors.ts';
import { ANY_ORIGIN, type Answer, JSON_TYPE, SECURITY_HEADERS } from './answer.ts';
import { isFromConsole } from './console/gate.ts';
import { errorAnswer } from './operator/errors.ts';
import { webHookErrorAnswer } from './web-hooks/errors.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answers a verb that the path does not take: it is not named in `Allow`. */
    refuses?: boolean;
  }
}

const PREFLIGHT_SECONDS = '600';

interface Known {
  readonly pattern: string;
  readonly matches: RegExp;
  readonly methods: Set<string>;
}

/** Answers what no route takes: 404, 405 with `Allow`, and the CORS preflight of the operator API. */
export function addUnmatched(app: FastifyInstance): void {
  const paths = new Map<string, Known>();
  app.addHook('onRoute', ({ url, method, config }) => {
    if (config?.refuses) return;
    const known = paths.get(url) ?? { pattern: url, matches: patternOf(url), methods: new Set<string>() };
    paths.set(url, known);
    for (const each of [method].flat()) known.methods.add(each);
  });
  // A body nobody asked for is not parsed: without parsers Fastify goes straight to the handler.
  app.removeAllContentTypeParsers();
  app.setNotFoundHandler((request, reply) => {
    const path = pathOf(request.url);
    const allowed = methodsOf(paths.values(), path);
    if (request.method === 'OPTIONS' && path.startsWith('/api/v1/') && !isFromConsole(request.raw))
      return preflight(request, reply, allowed);
    if (allowed.length === 0 || allowed.includes(request.method)) {
      return answer(reply, shaped(path, new ApiError('not_found', 'There is nothing at this path.'), 'path'));
    }
    reply.header('allow', allowed.join(', '));
    const text = `${request.method} is not what this path takes: use ${allowed.join(' or ')}.`;
    return answer(reply, shaped(path, new ApiError('method_not_allowed', text), 'method'));
  });
}

/** A path that Fastify could not read at all, such as `/%zz`. */
export function answerBadPath(url: string, reply: FastifyReply): void {
  // Fastify runs no hooks for it.
  reply.headers(SECURITY_HEADERS);
  answer(reply, shaped(pathOf(url), new ApiError('generic_error', 'The path is not valid.'), 'path'));
}

/** What node:http could not read as a request. Fastify's own handler would log it, and a token can be in it. */
export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = CLIENT_ERRORS[error.code ?? ''] ?? 400;
  const body = JSON.stringify({ code: 'generic_error', detail: `${STATUS_CODES[status]}.` });
  const head = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, `content-type: ${JSON_TYPE}`];
  head.push(`content-length: ${body.length}`, 'connection: close');
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

const CLIENT_ERRORS: Readonly<Record<string, number>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  HPE_HEADER_OVERFLOW: 431,
};

function preflight(request: FastifyRequest, reply: FastifyReply, allowed: string[]): FastifyReply {
  reply.headers({
    ...ANY_ORIGIN,
    'access-control-allow-methods': allowed.join(', ') || 'GET',
    'access-control-max-age': PREFLIGHT_SECONDS,
    vary: 'access-control-request-headers',
  });
  const wanted = request.headers['access-control-request-headers'];
  if (wanted) reply.header('access-control-allow-headers', wanted);
  return reply.code(204).send();
}

function answer(reply: FastifyReply, { status, headers, body }: Answer): FastifyReply {
  return reply.code(status).headers(headers).type(JSON_TYPE).send(body);
}

function shaped(path: string, error: ApiError, field: string): Answer {
  return path.startsWith('/web_hook') ? webHookErrorAnswer(error, field) : errorAnswer(error);
}

function pathOf(url: string): string {
  const path = url.split('?', 1)[0] as string;
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}

function methodsOf(known: Iterable<Known>, path: string): string[] {
  const found = [...known].filter((each) => each.matches.test(path));
  const exact = found.filter((each) => each.pattern === path);
  return [...new Set((exact.length > 0 ? exact : found).flatMap((each) => [...each.methods]))].sort();
}

/** `/web_hooks/:id.json` as an expression. */
function patternOf(url: string): RegExp {
  const source = url
    .replaceAll('.', '\\.')
    .replaceAll('*', '.*')
    .replaceAll(/:[a-z_]+/g, '[^/]+');
  return new RegExp(`^${source.replace(/(.)\/$/, '$1')}$`);
}
