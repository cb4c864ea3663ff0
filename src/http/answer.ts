import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../model/clock.ts';

/** A whole answer, for writing without Fastify. `body` is JSON text; null: no body. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

export const JSON_TYPE = 'application/json; charset=utf-8';

/** On every answer of both faces: never cached, never guessed at, never named to another site. */
export const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
} as const;

/** On the operator API: any page may call it, because a key counts only in a header that the page must set itself. */
export const ANY_ORIGIN = { 'access-control-allow-origin': '*' } as const;

/** How long, and how much of it, a request is read on after it was refused. */
const LINGER_MS = 5_000;
const LINGER_BYTES = 64 * 1024 * 1024;

const ALWAYS = Object.entries(SECURITY_HEADERS).flat();
const ALWAYS_JSON = ['content-type', JSON_TYPE, ...ALWAYS];

/** Writes an answer. `close`: the connection ends with it. */
export function send(response: ServerResponse, answer: Answer, close: boolean): void {
  response.writeHead(answer.status, headerList(answer, close));
  response.end(answer.body ?? undefined);
}

/**
 * Answers a request whose body is still coming and shall not be read. A connection that is closed while the client
 * sends is reset, and a reset can take the answer with it (RFC 9112 section 9.6). So the answer goes out complete, what
 * still comes is thrown away for a while, and only then the connection ends.
 */
export function answerAndClose(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
  clock: Clock,
): void {
  if (request.complete || request.destroyed) {
    send(response, answer, true);
    return;
  }
  response.writeHead(answer.status, headerList(answer, true));
  response.write(answer.body ?? '');
  let left = LINGER_BYTES;
  const finish = () => {
    timer.cancel();
    response.end();
  };
  const timer = clock.timer(LINGER_MS, finish);
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) finish();
  });
  request.once('end', finish);
  request.once('close', finish);
  request.resume();
}

function headerList({ headers, body }: Answer, close: boolean): string[] {
  const list = body === null ? ALWAYS.slice() : ALWAYS_JSON.slice();
  if (body !== null) list.push('content-length', String(Buffer.byteLength(body)));
  for (const name in headers) list.push(name, headers[name] as string);
  if (close) list.push('connection', 'close');
  return list;
}
