import type { Dispatcher } from 'undici';
import { RESPONSE_READ_BYTES } from '../limits.ts';
import type { Clock, Timer } from '../model/clock.ts';
import type { Exchange, HeaderLines, SendJob } from '../model/exchange.ts';
import { answerLines } from '../model/header-lines.ts';
import { AnswerBody } from './answer-body.ts';
import type { ConnectionPool, Slot } from './connection-pool.ts';
import { durationText, ExchangeFailure, requestFailure } from './exchange-failure.ts';
import { disguiseContinue } from './interim-answers.ts';
import type { Route } from './route.ts';

/**
 * Bytes of one answer with all that is around it. What undici tells of is not all that it reads: the extension of a chunk
 * may go on for ever, and so may 1xx answers, at the cost of a whole core until the deadline.
 */
const RAW_ANSWER_BYTES = 4 * RESPONSE_READ_BYTES;

/** A receiver may send much here; what is over this is no wait anybody could have meant. */
const RETRY_AFTER_CHARACTERS = 200;

/** What is sent, built at the start of the attempt. */
export type BuildRequest = (job: SendJob, route: Route, startedAt: number) => BuiltRequest;

export interface BuiltRequest {
  readonly dispatch: Dispatcher.DispatchOptions;
  /** For the record. */
  readonly headers: HeaderLines;
}

export interface RunHost {
  readonly clock: Clock;
  readonly build: BuildRequest;
  /** Whether a request may still begin (`Sender.holdUntil`). */
  holds(): boolean;
  /** Called once, when the run has ended. */
  ended(run: ExchangeRun): void;
  /** Reports a bug; the exchange itself only says that there was one. */
  bug(error: unknown): void;
}

/**
 * One request under way.
 *
 *     waiting --start--> connecting --onRequestStart--> sent --onResponseStart--> answering --+--> ended
 *        |                   |                            |                                   |
 *        +-------------------+------- deadline, failure --+-----------------------------------+
 *        +-- may not begin --+--> ended, without an exchange
 *
 * Whatever comes after the end is passed over, so that there is exactly one result.
 */
export class ExchangeRun implements Dispatcher.DispatchHandler {
  readonly job: SendJob;
  readonly route: Route;
  readonly pool: ConnectionPool;
  /** Null before the end, and after it when nothing of the request was sent because it may not. */
  exchange: Exchange | null = null;
  slot: Slot | null = null;
  /** Whether the connection can carry another exchange. */
  reusable = false;
  timedOut = false;
  #ended = false;
  readonly #host: RunHost;
  readonly #body = new AnswerBody();
  #controller: Dispatcher.DispatchController | null = null;
  #deadline: Timer | null = null;
  #startedAt = 0;
  #begunAt = 0;
  #rawBytes = 0;
  #status: number | null = null;
  #retryAfter: string | null = null;
  #requestHeaders: HeaderLines = '';
  #responseHeaders: HeaderLines = '';

  constructor(job: SendJob, route: Route, pool: ConnectionPool, host: RunHost) {
    this.job = job;
    this.route = route;
    this.pool = pool;
    this.#host = host;
  }

  /** Sends on a connection. The time limit starts here, and so does the signature's timestamp. */
  start(slot: Slot): void {
    const { clock, build } = this.#host;
    this.slot = slot;
    if (!this.#mayBegin()) {
      this.reusable = true;
      this.#finish();
      return;
    }
    this.#begin();
    try {
      this.#deadline = clock.timer(this.job.timeoutMs, () => this.#expire());
      const { dispatch, headers } = build(this.job, this.route, this.#startedAt);
      this.#requestHeaders = headers;
      slot.client.dispatch(dispatch, this);
    } catch (error) {
      this.#host.bug(error);
      this.end(new ExchangeFailure('internal_error', 'Posthorn failed on this request; its log says more.'));
    }
  }

  /** Ends a run that never got to send. */
  fail(failure: ExchangeFailure): void {
    if (this.#begunAt === 0) this.#begin();
    this.end(failure);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (!this.#ended && !this.#mayBegin()) this.#finish();
    if (this.#ended) {
      controller.abort(new ExchangeFailure('timed_out', 'Too late.'));
      return;
    }
    this.#controller = controller;
    if (this.slot !== null) this.slot.listener = this;
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (this.#ended || (status >= 100 && status < 200)) return;
    if (status < 100) {
      const message = `${this.route.peer.authority} answered with the status ${status}, which is none in HTTP.`;
      this.#breakOff(new ExchangeFailure('protocol_error', message));
      return;
    }
    this.#status = status;
    this.#responseHeaders = answerLines(headers);
    const retryAfter = headers['retry-after'];
    if (retryAfter !== undefined) this.#retryAfter = String(retryAfter).slice(0, RETRY_AFTER_CHARACTERS);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#ended && !this.#body.add(chunk)) this.#breakOff(null);
  }

  onResponseEnd(): void {
    if (this.#ended) return;
    this.reusable = true;
    this.end(null);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#ended) return;
    const failure = requestFailure(error, this.route.peer, this.#status);
    if (failure.code === 'internal_error') this.#host.bug(error);
    this.end(failure);
  }

  end(failure: ExchangeFailure | null): void {
    if (this.#ended) return;
    this.exchange = {
      startedAt: this.#startedAt,
      durationMs: Math.max(0, Math.round(this.#host.clock.monotonic() - this.#begunAt)),
      status: this.#status,
      body: this.#body.text(),
      requestHeaders: this.#requestHeaders,
      responseHeaders: this.#responseHeaders,
      retryAfter: this.#retryAfter,
      error: failure === null ? null : { code: failure.code, message: failure.message },
    };
    this.#finish();
  }

  /** Others may send this delivery by now. */
  #mayBegin(): boolean {
    return this.job.test || this.#host.holds();
  }

  #finish(): void {
    this.#ended = true;
    this.#deadline?.cancel();
    if (this.slot !== null) this.slot.listener = null;
    this.#host.ended(this);
  }

  #begin(): void {
    this.#startedAt = this.#host.clock.now();
    this.#begunAt = this.#host.clock.monotonic();
  }

  hears(chunk: Buffer): boolean {
    this.#rawBytes += chunk.length;
    if (this.#rawBytes > RAW_ANSWER_BYTES) {
      const message = `${this.route.peer.authority} sent ${RAW_ANSWER_BYTES / 1024} KiB, and no answer in them.`;
      this.#breakOff(this.#status === null ? new ExchangeFailure('protocol_error', message) : null);
      return false;
    }
    if (this.#status === null) disguiseContinue(chunk);
    return true;
  }

  #expire(): void {
    this.timedOut = true;
    this.#breakOff(new ExchangeFailure('timed_out', this.#expirySentence()));
  }

  #expirySentence(): string {
    const within = `within ${durationText(this.job.timeoutMs)}`;
    if (this.#controller === null) return this.#unconnectedSentence(within);
    if (this.#status === null) return `No answer ${within}. Answer first, then do the work.`;
    return `The answer began, but did not end ${within}.`;
  }

  #unconnectedSentence(within: string): string {
    const { authority, secure } = this.route.peer;
    const socket = this.slot?.socket ?? null;
    const dialled = socket !== null && !socket.connecting && !socket.destroyed;
    if (secure && dialled) return `${authority} was connected, but TLS was not set up ${within}.`;
    return `No connection to ${authority} ${within}.`;
  }

  /** Ends the exchange, and the connection with it, as more may still come on that. */
  #breakOff(failure: ExchangeFailure | null): void {
    this.end(failure);
    this.#controller?.abort(
      failure ?? new ExchangeFailure('connection_closed', 'Enough of the answer was read.'),
    );
  }
}
