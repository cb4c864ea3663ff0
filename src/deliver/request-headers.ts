import type { SendJob } from '../model/exchange.ts';

export type SignatureHeaders = 'standard' | 'svix' | 'both';

/** Header names with which an endpoint could break the request, or pass itself off as Posthorn. */
const RESERVED = new Set([
  'accept-encoding',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'user-agent',
  '__proto__',
]);
const RESERVED_PREFIXES = ['webhook-', 'svix-', 'posthorn-', 'proxy-'];

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Field values of RFC 9110 section 5.5 in latin1: no CR, LF, NUL or other control characters but the tab. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Whether a header belongs to Posthorn or to HTTP, so that an endpoint's own one is left out. */
function isReservedHeader(name: string): boolean {
  const lower = name.toLowerCase();
  return RESERVED.has(lower) || RESERVED_PREFIXES.some((prefix) => lower.startsWith(prefix));
}

/**
 * An endpoint's own headers as undici takes them (name, value, name, value…), or why they can't be sent. The API
 * refuses such headers when they are set, so here it is the second line.
 */
export function ownHeaders(
  headers: Readonly<Record<string, string>>,
): { flat: string[] } | { problem: string } {
  const flat: string[] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (isReservedHeader(name)) continue;
    if (!TOKEN.test(name)) return { problem: 'The endpoint has a header whose name is not valid in HTTP.' };
    if (typeof value !== 'string' || !VALUE.test(value)) {
      return { problem: `The endpoint's header ${name} has a value that HTTP can't carry.` };
    }
    flat.push(name, value);
  }
  return { flat };
}

/** All headers of a request but `host` and `content-length`, which undici adds. */
export function requestHeaders(request: {
  readonly job: SendJob;
  readonly own: readonly string[];
  readonly userAgent: string;
  readonly names: SignatureHeaders;
  readonly timestamp: number;
  readonly signature: string;
}): string[] {
  const { job, own, names, signature } = request;
  const timestamp = String(request.timestamp);
  const headers = ['content-type', 'application/json', 'user-agent', request.userAgent];
  if (names !== 'svix') {
    headers.push('webhook-id', job.messageId, 'webhook-timestamp', timestamp, 'webhook-signature', signature);
  }
  if (names !== 'standard') {
    headers.push('svix-id', job.messageId, 'svix-timestamp', timestamp, 'svix-signature', signature);
  }
  if (job.test) headers.push('posthorn-test', 'true');
  for (const each of own) headers.push(each);
  return headers;
}
