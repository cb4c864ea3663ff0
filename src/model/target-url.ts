import { URL_CHARACTERS } from '../limits.ts';
import { allowsPrivateHosts, inNetworks, judgeAddress, type Networks } from './address.ts';

export type ParsedTargetUrl =
  | {
      readonly ok: true;
      /** As it was given. */
      readonly url: string;
      /** The parsed form without fragment: what is dialled. */
      readonly href: string;
    }
  | {
      readonly ok: false;
      /** Short phrases that read after the field's name: "can't be blank". */
      readonly problems: string[];
    };

// biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the point; URL parsers drop them silently.
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f-\u009f]/;
const ABSOLUTE = /^https?:\/\/[^/\\?#]/i;
const HIGHEST_PORT = 65_535;
const LONGEST_NAME = 253;
const LONGEST_LABEL = 63;

/** Names that can only mean something inside a network (RFC 6762, 8375). Single labels belong to them too. */
const PRIVATE_SUFFIXES = [
  ...['local', 'internal', 'home.arpa', 'localdomain', 'svc'],
  ...['lan', 'intranet', 'corp', 'home', 'private'],
];
/** Refused whatever the operator allows: cloud credentials and a network that DNS can't reach. */
const NEVER = ['metadata.google.internal', 'onion'];

/**
 * Reads the URL of a web hook. The name rules only give an early answer; what protects is that the addresses behind
 * a name are judged when it is dialled (`deliver/egress-guard.ts`).
 */
export function parseTargetUrl(raw: unknown, options: { readonly allow: Networks }): ParsedTargetUrl {
  if (raw === undefined || raw === null) return refuse("can't be blank");
  if (typeof raw !== 'string') return refuse('must be a string');
  if (raw.trim() === '') return refuse("can't be blank");
  if (raw.length > URL_CHARACTERS) return refuse(`is too long (at most ${URL_CHARACTERS} characters)`);
  if (CONTROL_CHARACTERS.test(raw)) return refuse('must not contain control characters');
  if (raw !== raw.trim()) return refuse('must not begin or end with white space');
  const url = ABSOLUTE.test(raw) && !raw.includes('\\') ? URL.parse(raw) : null;
  if (url === null && hasPortTooHigh(raw)) return refuse(`has a port above ${HIGHEST_PORT}`);
  if (url === null || url.hostname === '') return refuse('must be an absolute http or https URL');
  const problems: string[] = [];
  if (url.username !== '' || url.password !== '')
    problems.push('must not carry credentials (user:password@)');
  if (url.port === '0') problems.push('must not use port 0');
  const hostProblem = judgeHost(url.hostname, options.allow);
  if (hostProblem !== null) problems.push(hostProblem);
  if (problems.length > 0) return { ok: false, problems };
  url.hash = '';
  return { ok: true, url: raw, href: url.href };
}

/** Whether the port is what keeps the URL from being one: with another it parses. */
function hasPortTooHigh(raw: string): boolean {
  const port = /^(https?:\/\/[^/\\?#]*):(\d+)(?=[/?#]|$)/i.exec(raw);
  return port !== null && Number(port[2]) > HIGHEST_PORT && URL.canParse(port[1] as string);
}

/** `hostname` as the URL parser gives it: lower case, IPv4 in dotted form whatever its spelling, IPv6 in brackets. */
function judgeHost(hostname: string, allow: Networks): string | null {
  const literal = literalAddress(hostname);
  if (literal === null) return judgeName(hostname.replace(/\.$/, ''), allow);
  const verdict = judgeAddress(literal, allow);
  if (verdict.allowed) return null;
  return `points to ${verdict.range} (${verdict.why}), which this server does not send to`;
}

/** The address in a URL's `hostname`, without brackets, or null when it is a name. */
function literalAddress(hostname: string): string | null {
  if (hostname.startsWith('[')) return hostname.slice(1, -1);
  return /^\d+\.\d+\.\d+\.\d+$/.test(hostname) ? hostname : null;
}

function judgeName(name: string, allow: Networks): string | null {
  const labels = name.split('.');
  if (name.length > LONGEST_NAME || labels.some((label) => label === '' || label.length > LONGEST_LABEL)) {
    return 'has a host name that DNS does not allow';
  }
  if (isUnder(name, 'localhost')) {
    if (inNetworks('127.0.0.1', allow) || inNetworks('::1', allow)) return null;
    return 'points to this server itself (localhost), which it does not send to';
  }
  const never = NEVER.find((suffix) => isUnder(name, suffix));
  if (never !== undefined) return `points to ${never}, which this server does not send to`;
  if (allowsPrivateHosts(allow)) return null;
  if (labels.length === 1) return 'must have a full host name, such as hooks.example.com';
  const suffix = PRIVATE_SUFFIXES.find((each) => isUnder(name, each));
  return suffix === undefined
    ? null
    : `points to a private name (.${suffix}), which this server does not send to`;
}

function isUnder(name: string, suffix: string): boolean {
  return name === suffix || name.endsWith(`.${suffix}`);
}

function refuse(problem: string): ParsedTargetUrl {
  return { ok: false, problems: [problem] };
}
