import { request } from 'node:http';
import type { Call } from './shell.ts';

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** One call over a connection of its own, so that none is left open at the end. */
export function callApi({ method, url, key, body }: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
    const outgoing = request(url, { method, headers, agent: false }, (incoming) => {
      let text = '';
      incoming.setEncoding('utf8');
      incoming.on('data', (part) => {
        text += part;
      });
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, text }));
      incoming.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
