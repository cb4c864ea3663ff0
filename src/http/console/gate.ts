import type { IncomingMessage } from 'node:http';
import { ApiError } from '../../errors.ts';
import type { Caller } from '../../registry/keyring.ts';
import type { OpenSession } from '../../registry/sessions.ts';
import type { HttpServices } from '../services.ts';
import { cookieIn } from './cookie.ts';

/**
 * The console calls the operator API under a path of its own: the browser sends the session's cookie there and nowhere else,
 * and the API itself knows nothing of cookies. `/console/api/v1/app` is `/api/v1/app`, called as whoever is signed in.
 */
const CONSOLE_API = '/console/api/';
/** No other site can have a browser send it: that would take our leave (CORS), which nobody gets for these paths. */
const CONSOLE_HEADER = 'x-posthorn-console';

const fromConsole = new WeakSet<IncomingMessage>();

/** For Fastify's `rewriteUrl`. */
export function apiUrl(request: IncomingMessage): string {
  const url = request.url ?? '/';
  if (!url.startsWith(CONSOLE_API)) return url;
  fromConsole.add(request);
  return url.slice('/console'.length);
}

export function isFromConsole(request: IncomingMessage): boolean {
  return fromConsole.has(request);
}

/** Who is signed in with the browser that calls. Throws `authentication_failed` and `insufficient access`. */
export async function sessionOf(services: HttpServices, request: IncomingMessage): Promise<OpenSession> {
  assertOwnPage(services, request);
  const text = cookieIn(request);
  const session = text === null ? null : await services.sessions.find(text);
  if (session === null)
    throw new ApiError('authentication_failed', 'You are not signed in, or not any more.');
  return session;
}

export async function consoleCaller(services: HttpServices, request: IncomingMessage): Promise<Caller> {
  return (await sessionOf(services, request)).caller;
}

/**
 * A browser sends a cookie along with whatever any page makes it call. `SameSite=Strict` keeps it from that already; this is
 * for what that does not cover: another server on the same site. Throws `insufficient access`.
 */
export function assertOwnPage(
  { publicUrl }: Pick<HttpServices, 'publicUrl'>,
  { headers, method }: IncomingMessage,
): void {
  const reads = method === 'GET' || method === 'HEAD';
  const { origin, host, [CONSOLE_HEADER]: mark, 'sec-fetch-site': site = 'same-origin' } = headers;
  const isOwn = origin === undefined ? reads : isOriginOf(origin, host, publicUrl);
  if (mark !== undefined && isOwn && site === 'same-origin') return;
  throw new ApiError('insufficient access', 'This path is for the pages of the console alone.');
}

/** Behind a proxy that changes `Host`, `POSTHORN_PUBLIC_URL` says where browsers reach this server. */
function isOriginOf(origin: string, host: string | undefined, publicUrl: string | null): boolean {
  if (!URL.canParse(origin)) return false;
  if (publicUrl !== null && new URL(publicUrl).origin === origin) return true;
  return new URL(origin).host === host;
}
