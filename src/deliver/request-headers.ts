import { ENDPOINT_HEADERS } from '../limits.ts';
import { headerProblem, isReservedHeader } from '../model/endpoint-header.ts';
import type { HeaderLines, SendJob } from '../model/exchange.ts';
import { fitted, hiddenLines, lineValue } from '../model/header-lines.ts';

export type SignatureHeaders = 'standard' | 'svix' | 'both';

/** An endpoint's own headers. */
export interface OwnHeaders {
  /** As undici takes them: name, value, name, value… */
  readonly flat: readonly string[];
  /** For the record: their names. Each value may be a credential, whatever its name. */
  readonly lines: HeaderLines;
}

/**
 * The headers of an endpoint that are sent, or why they can't be. The API refuses such headers when they are set, so here
 * it is the second line. Reserved ones are left out: an endpoint that had one before it was reserved still gets its
 * deliveries.
 */
export function ownHeaders(headers: Readonly<Record<string, string>>): OwnHeaders | { problem: string } {
  const flat: string[] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (isReservedHeader(name)) continue;
    const problem = headerProblem(name, value);
    if (problem !== null) return { problem };
    flat.push(name, value);
  }
  if (flat.length > ENDPOINT_HEADERS * 2) {
    return { problem: `The endpoint has more than ${ENDPOINT_HEADERS} headers.` };
  }
  return { flat, lines: hiddenLines(flat.filter((_each, at) => at % 2 === 0)) };
}

interface RequestHeaders {
  /** Name, value, name, value…: all but `host` and `content-length`, which undici adds. */
  readonly flat: string[];
  /** The same and those two, for the record. */
  readonly lines: HeaderLines;
}

/** The lines are put together here, without going over the headers a second time: this is done for each attempt. */
export function requestHeaders(request: {
  readonly job: SendJob;
  readonly own: OwnHeaders;
  readonly hostLines: HeaderLines;
  readonly userAgent: string;
  readonly names: SignatureHeaders;
  readonly timestamp: number;
  readonly signature: string;
  readonly bodyBytes: number;
}): RequestHeaders {
  const { job, own, names, signature, userAgent } = request;
  const id = job.messageId;
  const timestamp = String(request.timestamp);
  const flat = ['content-type', 'application/json', 'user-agent', userAgent];
  let lines = `${request.hostLines}\ncontent-type\napplication/json\ncontent-length\n${request.bodyBytes}\nuser-agent\n${userAgent}`;
  const lineId = lineValue(id);
  if (names !== 'svix') {
    flat.push('webhook-id', id, 'webhook-timestamp', timestamp, 'webhook-signature', signature);
    lines += `\nwebhook-id\n${lineId}\nwebhook-timestamp\n${timestamp}\nwebhook-signature\n${signature}`;
  }
  if (names !== 'standard') {
    flat.push('svix-id', id, 'svix-timestamp', timestamp, 'svix-signature', signature);
    lines += `\nsvix-id\n${lineId}\nsvix-timestamp\n${timestamp}\nsvix-signature\n${signature}`;
  }
  if (job.test) {
    flat.push('posthorn-test', 'true');
    lines += '\nposthorn-test\ntrue';
  }
  for (const each of own.flat) flat.push(each);
  if (own.lines !== '') lines += `\n${own.lines}`;
  return { flat, lines: fitted(lines) };
}
