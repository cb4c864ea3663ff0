import { errors } from 'undici';
import type { ExchangeError, ExchangeErrorCode } from '../model/exchange.ts';

/** Why an exchange ended without a (whole) answer, in words for people. Passes through undici as an error. */
export class ExchangeFailure extends Error implements ExchangeError {
  readonly code: ExchangeErrorCode;

  constructor(code: ExchangeErrorCode, message: string) {
    super(message);
    this.name = 'ExchangeFailure';
    this.code = code;
  }
}

/** Whom a failure is about. */
export interface Peer {
  readonly host: string;
  /** `hooks.example.com:443` */
  readonly authority: string;
  readonly secure: boolean;
}

/** `15 s`, `1.5 s`, `200 ms`. */
export function durationText(ms: number): string {
  return ms >= 1000 ? `${Math.round(ms / 100) / 10} s` : `${ms} ms`;
}

/** Sorts out why no connection came about. `certificateEnd`: the leaf's `valid_to`, where one was seen. */
export function connectFailure(error: unknown, peer: Peer, certificateEnd: string | null): ExchangeFailure {
  if (error instanceof ExchangeFailure) return error;
  const code = connectCode(error);
  const unreachable = UNREACHABLE[code];
  if (code === 'ECONNREFUSED') {
    return new ExchangeFailure('connection_refused', `${peer.authority} refused the connection.`);
  }
  if (unreachable !== undefined) {
    return new ExchangeFailure('connection_failed', `${peer.authority} can't be reached: ${unreachable}.`);
  }
  const certificate = certificateSentence(code, peer, certificateEnd);
  if (certificate !== null) return new ExchangeFailure('tls_failed', certificate);
  const broken = code === 'ECONNRESET' || code === 'EPIPE' || code === 'UND_ERR_SOCKET';
  if (peer.secure && broken) {
    return new ExchangeFailure(
      'tls_failed',
      `${peer.authority} closed the connection before TLS was set up.`,
    );
  }
  if (broken) return new ExchangeFailure('connection_failed', `${peer.authority} reset the connection.`);
  return new ExchangeFailure(
    'connection_failed',
    `${peer.authority} can't be reached (${code || 'no reason known'}).`,
  );
}

/** Sorts out how undici ended a request that had a connection. `status`: null until the status line is in. */
export function requestFailure(error: unknown, peer: Peer, status: number | null): ExchangeFailure {
  if (error instanceof ExchangeFailure) return error;
  const code = errorCode(error);
  const message = error instanceof Error ? error.message : '';
  if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_NOT_SUPPORTED') {
    return new ExchangeFailure('request_invalid', `The request can't be built: ${message}.`);
  }
  if (code === 'UND_ERR_HEADERS_OVERFLOW') {
    return new ExchangeFailure(
      'protocol_error',
      'The headers of the answer are too large (16 KiB is the most).',
    );
  }
  if (code === 'UND_ERR_SOCKET' && message.startsWith('bad ')) {
    const what = message === 'bad upgrade' ? 'a switch of protocols' : 'something that was not asked for';
    return new ExchangeFailure('protocol_error', `${peer.authority} answered with ${what}.`);
  }
  const shortOrLong = code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH';
  const malformed = error instanceof errors.HTTPParserError || shortOrLong;
  const cut = malformed && status !== null && (shortOrLong || message.includes('EOF'));
  if (cut || CLOSED.has(code)) {
    const when = status === null ? 'before it answered' : 'in the middle of its answer';
    return new ExchangeFailure('connection_closed', `${peer.authority} closed the connection ${when}.`);
  }
  if (malformed) {
    return new ExchangeFailure('protocol_error', `The answer of ${peer.authority} is not valid HTTP.`);
  }
  if (TLS_CODE.test(code)) {
    return new ExchangeFailure('tls_failed', `TLS with ${peer.authority} failed (${code}).`);
  }
  return new ExchangeFailure('internal_error', 'Posthorn failed on this request; its log says more.');
}

const CLOSED = new Set([
  'UND_ERR_SOCKET',
  'ECONNRESET',
  'EPIPE',
  'ECONNABORTED',
  'ETIMEDOUT',
  'EHOSTUNREACH',
]);

const UNREACHABLE: Readonly<Record<string, string>> = {
  ETIMEDOUT: 'it does not react',
  EHOSTUNREACH: 'no route leads to it',
  ENETUNREACH: 'no route leads to its network',
  EADDRNOTAVAIL: 'this server has no free port for it, or no address of that kind',
  EACCES: 'this server may not connect to it',
  EPERM: 'this server may not connect to it',
  EMFILE: 'this server has too many open files (see ulimit -n)',
  ENFILE: 'this server has too many open files',
  ENOBUFS: 'this server has no memory for more connections',
};

const TLS_CODE = /^(ERR_SSL_|ERR_TLS_|EPROTO$)/;

function certificateSentence(code: string, peer: Peer, certificateEnd: string | null): string | null {
  const of = `The certificate of ${peer.host}`;
  switch (code) {
    case 'CERT_HAS_EXPIRED':
      return certificateEnd === null
        ? `${of}, or one it hangs on, has expired.`
        : `${of} expired on ${day(certificateEnd)}.`;
    case 'CERT_NOT_YET_VALID':
      return `${of} is not valid yet.`;
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `${of} is for another host name.`;
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return `${of} is self-signed, so nothing vouches for it.`;
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_GET_ISSUER_CERT':
      return `${of} was issued by an authority that this server does not know.`;
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return `${of} was issued by an authority that this server does not know, or its intermediate certificate is not sent along.`;
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
      return `${peer.authority} does not speak TLS. Is it http instead of https?`;
    case 'ERR_SSL_UNSUPPORTED_PROTOCOL':
    case 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION':
      return `${peer.authority} offers no TLS version that is safe; 1.2 is the least.`;
    case 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL':
      return `${peer.authority} does not take HTTP/1.1, which is what Posthorn speaks; HTTP/2 alone is not enough.`;
    default:
      if (TLS_CODE.test(code) || /CERT|CRL/.test(code)) return `TLS with ${peer.authority} failed (${code}).`;
      return null;
  }
}

/** `May  3 12:00:00 2026 GMT` as `3 May 2026`. */
function day(validTo: string): string {
  const at = new Date(validTo);
  if (Number.isNaN(at.getTime())) return validTo;
  return at.toLocaleDateString('en-GB', { day: 'numeric', month: 'long', year: 'numeric', timeZone: 'UTC' });
}

/** With several addresses tried there are several errors; a refusal tells more than a missing route. */
function connectCode(error: unknown): string {
  if (error instanceof AggregateError) {
    const codes = error.errors.map(errorCode);
    return codes.find((code) => code === 'ECONNREFUSED') ?? codes.find((code) => code !== '') ?? '';
  }
  return errorCode(error);
}

function errorCode(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : '';
  return typeof code === 'string' ? code : '';
}
