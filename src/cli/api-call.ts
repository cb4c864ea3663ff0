import { request } from 'node:http';
import { request as requestSecurely } from 'node:https';
import type { Call } from './shell.ts';

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** For a call whose server says nothing: longer than any call takes. */
const SILENCE_MS = 30_000;

/** One call over a connection of its own, so that none is left open at the end. */
export function callApi({
  method,
  url,
  key,
  body,
}: Omit<Call, 'method'> & { readonly method: string }): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
    const options = { method, headers, agent: false as const, timeout: SILENCE_MS };
    const dial = url.startsWith('https:') ? requestSecurely : request;
    const outgoing = dial(url, options, (incoming) => {
      let text = '';
      incoming.setEncoding('utf8');
      incoming.on('data', (part) => {
        text += part;
      });
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, text }));
      incoming.on('error', reject);
    });
    outgoing.on('timeout', () => {
      outgoing.destroy(new Error(`nothing came for ${SILENCE_MS / 1_000} s`));
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
