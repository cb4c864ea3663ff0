import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { ApiError } from '../errors.ts';

/** The client went away before its request was complete: there is nobody to answer. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone';
}

/** A body that is no JSON text; `message` says where and why. */
export class NotJson extends Error {
  override readonly name = 'NotJson';
}

/**
 * The whole body. Rejects with `payload_too_large` before more than `limit` bytes are kept: the request is then
 * paused, not ended, see `answerAndClose`.
 */
export function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (Number(request.headers['content-length'] ?? 0) > limit) {
      reject(tooLarge(limit));
      return;
    }
    // Its events are over: it went away while its key was looked up.
    if (request.destroyed) {
      reject(new ClientGone());
      return;
    }
    const chunks: Buffer[] = [];
    let length = 0;
    const onData = (chunk: Buffer) => {
      length += chunk.length;
      if (length <= limit) {
        chunks.push(chunk);
        return;
      }
      request.pause();
      request.off('data', onData);
      reject(tooLarge(limit));
    };
    request.on('data', onData);
    request.on('end', () =>
      resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, length)),
    );
    request.on('error', () => reject(new ClientGone()));
    // It comes after `end` too, and an error made for nothing costs 2 us.
    request.on('close', () => {
      if (!request.readableEnded) reject(new ClientGone());
    });
  });
}

/** The body's text and the value that it stands for. Throws `NotJson`. */
export function parseJson(body: Buffer): { text: string; value: unknown } {
  if (!isUtf8(body)) throw new NotJson('the text is not UTF-8');
  const text = body.toString('utf8');
  if (body.length === 0) throw new NotJson('the body is empty');
  try {
    return { text, value: JSON.parse(text) };
  } catch (error) {
    throw new NotJson((error as Error).message.replace(/ is not valid JSON$/, ''));
  }
}

function tooLarge(limit: number): ApiError {
  return new ApiError('payload_too_large', `The body may have at most ${limit} bytes.`);
}
