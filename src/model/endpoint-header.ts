import { ENDPOINT_HEADER_NAME_CHARACTERS, ENDPOINT_HEADER_VALUE_BYTES } from '../limits.ts';

/**
 * Which headers of its own an endpoint may have sent with each request. The API refuses the others when they are set;
 * the sender looks again at what the store gave back.
 */

/** Names that the protocol of the operator API refuses. */
const PROTOCOL_NAMES = [
  'age',
  'cache-control',
  'clear-site-data',
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-type',
  'expires',
  'keep-alive',
  'pragma',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailers',
  'transfer-encoding',
  'upgrade',
  'user-agent',
  'warning',
];

/** Names with which an endpoint could break the request or get an answer that can't be read. */
const POSTHORN_NAMES = [
  'accept-encoding',
  'connection',
  'expect',
  'host',
  'http2-settings',
  'proxy-connection',
  'trailer',
  '__proto__',
];

const RESERVED_NAMES = new Set([...PROTOCOL_NAMES, ...POSTHORN_NAMES]);

/** Those of the protocol, then those with which an endpoint could pass itself off as Posthorn. */
const RESERVED_PREFIXES = [
  'x-amz-',
  'x-amzn-',
  'x-google',
  'x-goog-',
  'x-gfe',
  'x-azure-',
  'x-fd-',
  'x-svix-',
  'svix-',
  'webhook-',
  'posthorn-',
];

/** A field name: the token of RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** A field value of RFC 9110 section 5.5 in latin1: no CR, LF, NUL or other control characters but the tab. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Whether a header belongs to HTTP, to a cloud or to Posthorn, in any case of letters. */
export function isReservedHeader(name: string): boolean {
  const lower = name.toLowerCase();
  return RESERVED_NAMES.has(lower) || RESERVED_PREFIXES.some((prefix) => lower.startsWith(prefix));
}

/** Why an endpoint can't have this header, as a sentence for people that never shows the value; null: it can. */
export function headerProblem(name: string, value: unknown): string | null {
  if (name === '') return 'A header needs a name.';
  if (name.length > ENDPOINT_HEADER_NAME_CHARACTERS) {
    return `The name of a header is longer than ${ENDPOINT_HEADER_NAME_CHARACTERS} characters.`;
  }
  if (!TOKEN.test(name)) {
    return `The header name ${JSON.stringify(name)} is not valid in HTTP: letters, digits and !#$%&'*+-.^_\`|~ are.`;
  }
  if (isReservedHeader(name)) return `The header ${name} is reserved.`;
  if (typeof value !== 'string') return `The value of the header ${name} is not text.`;
  if (!VALUE.test(value)) {
    return `The value of the header ${name} has a line break, a control character or one outside of latin1.`;
  }
  // In latin1 a character is a byte.
  if (value.length > ENDPOINT_HEADER_VALUE_BYTES) {
    return `The value of the header ${name} is longer than ${ENDPOINT_HEADER_VALUE_BYTES} bytes.`;
  }
  return null;
}
