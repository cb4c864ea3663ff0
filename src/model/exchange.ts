/** One HTTP request to an endpoint and what came back: the answer, or the error that stood in its way. */
export interface Exchange {
  /** When the request began, ms since the Unix epoch. */
  readonly startedAt: number;
  /** From the first byte asked for to the last byte read, in whole milliseconds. */
  readonly durationMs: number;
  /** The status code, or null when no answer came. */
  readonly status: number | null;
  /** The start of the answer's body, at most `RESPONSE_STORED_BYTES`, undecodable bytes replaced. */
  readonly body: string;
  /** What was asked with and what was answered with, as far as it got. */
  readonly requestHeaders: HeaderLines;
  readonly responseHeaders: HeaderLines;
  /** The answer's `Retry-After`, as received. */
  readonly retryAfter: string | null;
  /** Why there is no (whole) answer; null when the answer is complete. */
  readonly error: ExchangeError | null;
}

/**
 * Headers for the record: `name\nvalue\nname\nvalue`, or empty; neither can have a line break in it. Values of headers that
 * may carry credentials are replaced, and what is over `HEADERS_STORED_CHARACTERS` is left out. One text, because it is only carried
 * from thread to thread and into the store.
 */
export type HeaderLines = string;

export interface ExchangeError {
  readonly code: ExchangeErrorCode;
  /** A sentence for people: what happened and, where known, what to do. No secrets, no stack. */
  readonly message: string;
}

/** Stable codes: stored, shown, and listed in docs/errors.md. */
export const exchangeErrors = {
  address_refused:
    'The address is private, loopback or otherwise not public, and POSTHORN_ALLOW_NETWORKS does not allow it.',
  dns_failed: 'The name does not resolve, or DNS did not answer.',
  connection_refused: 'Nobody listens on that port.',
  connection_failed: 'The host cannot be reached, or the connection broke while it was made.',
  connection_closed: 'The connection was closed or reset before the answer was in.',
  tls_failed: 'The certificate or the handshake is not good.',
  timed_out: 'The time for the whole exchange was over, from connect to the last byte of the answer.',
  protocol_error: 'What came back is not valid HTTP.',
  request_invalid: 'The request could not be built: a URL or header that HTTP does not allow.',
  internal_error: 'A fault of ours; the log has more. The attempt counts and is tried again.',
} as const;

export type ExchangeErrorCode = keyof typeof exchangeErrors;

/**
 * A 2xx status line is success, also when the body after it breaks off: the receiver took the message, and
 * sending it again could only double it.
 */
export function succeeded(exchange: Exchange): boolean {
  return exchange.status !== null && exchange.status >= 200 && exchange.status < 300;
}

/** An exchange that ended before anything of it was made. */
export function unsentExchange(startedAt: number, { code, message }: ExchangeError): Exchange {
  return {
    startedAt,
    durationMs: 0,
    status: null,
    body: '',
    requestHeaders: '',
    responseHeaders: '',
    retryAfter: null,
    error: { code, message },
  };
}

/** Where and how to send: what an exchange needs to know of an endpoint. */
export interface Target {
  readonly applicationKey: number;
  readonly href: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The current one first; during a rotation more than one. Each signs until it ends. */
  readonly secrets: readonly SigningSecret[];
}

export interface SigningSecret {
  /** `whsec_…` (HMAC-SHA256) or `whsk_…` (ed25519). */
  readonly text: string;
  /** Signs no more from then on, ms since the Unix epoch; null: the current one. */
  readonly until: number | null;
}

/** One request to make. */
export interface SendJob {
  /** Chosen by the caller; comes back with the exchange. */
  readonly ref: number;
  readonly target: Target;
  /** The message's id: `webhook-id`. */
  readonly messageId: string;
  /** JSON text, sent as its UTF-8 bytes. */
  readonly payload: string;
  /** From connect to the last byte of the answer. */
  readonly timeoutMs: number;
  /** Marks a test by the `posthorn-test` header. */
  readonly test: boolean;
  /** Among whose requests it waits for its turn, though not for long. Null: it is begun at once. */
  readonly queue: SendQueue | null;
}

/** The requests to one endpoint. */
export interface SendQueue {
  readonly endpointKey: number;
  /** How many may be under way at once. */
  readonly atOnce: number;
}

export interface SendResult {
  readonly ref: number;
  /** Null: the request was not begun, as the sender may begin none any more (`Sender.holdUntil`), or its turn did not come in time. */
  readonly exchange: Exchange | null;
}

/** When a right to send ends: as soon as one of the clocks has come so far. */
export interface HoldUntil {
  /** Monotonic ms. */
  readonly monotonic: number;
  /** Ms since the Unix epoch by this machine's own clock: this one alone goes on while the machine sleeps. */
  readonly wall: number;
}

/** Makes requests: on this thread or another (`deliver/`), or in the simulator. */
export interface Sender {
  /** Takes jobs at once; every job ends in exactly one result. Never throws. */
  send(jobs: readonly SendJob[]): void;
  /**
   * From then on begins no request that is no test, until this is called again. Before the first call it may for ever. It holds
   * for jobs that were taken before, too: a process that was stopped for long must not go on with what others may have sent since.
   */
  holdUntil(until: HoldUntil): void;
  /** Breaks off what is under way and frees sockets and threads. */
  close(): Promise<void>;
}

/** Gets results in batches, each job's once. */
export type SendResultHandler = (results: readonly SendResult[]) => void;
