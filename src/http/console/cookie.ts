import type { IncomingMessage } from 'node:http';

const NAME = 'posthorn_session';
/** As `newSessionText` makes them. */
const COOKIE = new RegExp(`(?:^|; ?)${NAME}=(phs_[\\w-]{32})(?:;|$)`);
const SECOND_MS = 1_000;

/** The session's text that a browser sent, or null. */
export function cookieIn({ headers }: IncomingMessage): string | null {
  return COOKIE.exec(headers.cookie ?? '')?.[1] ?? null;
}

/** Where browsers find the console: below the path of the public URL, if that has one. */
export function consolePath(publicUrl: string | null): string {
  const path = publicUrl === null ? '' : new URL(publicUrl).pathname;
  return `${path.replace(/\/$/, '')}/console`;
}

/** @param text null: the browser forgets it. */
export function setCookie(params: {
  text: string | null;
  /** ms from now. */
  livesMs: number;
  publicUrl: string | null;
  request: IncomingMessage;
}): string {
  const { text, livesMs, publicUrl, request } = params;
  const parts = [
    `${NAME}=${text ?? ''}`,
    `Path=${consolePath(publicUrl)}`,
    `Max-Age=${text === null ? 0 : Math.max(0, Math.floor(livesMs / SECOND_MS))}`,
    'HttpOnly',
    'SameSite=Strict',
  ];
  // The browser itself says how it reaches us, whatever stands in between.
  if (request.headers.origin?.startsWith('https:')) parts.push('Secure');
  return parts.join('; ');
}
