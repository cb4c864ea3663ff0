import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { PIPELINED_REQUESTS } from '../limits.ts';
import type { Clock } from '../model/clock.ts';

/**
 * Takes the requests of each connection one at a time: the next only once the answer before it has left this process. Node.js
 * hands over all that a chunk holds at once and keeps the answers in memory: 36 KB of requests by a client that does not read
 * would block the server for 20 s and become hundreds of megabytes. A connection with more than `PIPELINED_REQUESTS` waiting
 * is broken off.
 */
export class OneAtATime {
  readonly #clock: Clock;
  readonly #lines = new WeakMap<Socket, Line>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The listener, called when it is the request's turn. */
  inTurn(answer: RequestListener): RequestListener {
    return (request, response) => {
      const { socket } = request;
      let line = this.#lines.get(socket);
      if (line === undefined) {
        line = new Line(this.#clock);
        this.#lines.set(socket, line);
      }
      if (!line.take(request, response, answer)) socket.destroy();
    };
  }

  /** Whether a request of the connection is being answered. */
  isAnswering(socket: Socket): boolean {
    return this.#lines.get(socket)?.isAnswering ?? false;
  }
}

/** One connection. It keeps nothing of a request that was answered: an idle one would hold the last body. */
class Line {
  isAnswering = false;
  readonly #clock: Clock;
  readonly #waiting: { request: IncomingMessage; response: ServerResponse; answer: RequestListener }[] = [];
  /** One function for all answers of the connection: most clients pay for no more than adding it. */
  readonly #answered = () => {
    this.isAnswering = false;
    // Others get their turn between two answers, as they do where a client waits for each.
    if (this.#waiting.length > 0) this.#clock.soon(() => this.#next());
  };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** False when too many wait already. */
  take(request: IncomingMessage, response: ServerResponse, answer: RequestListener): boolean {
    if (this.isAnswering || this.#waiting.length > 0) {
      if (this.#waiting.length >= PIPELINED_REQUESTS) return false;
      this.#waiting.push({ request, response, answer });
      return true;
    }
    this.#answer(request, response, answer);
    return true;
  }

  #answer(request: IncomingMessage, response: ServerResponse, answer: RequestListener): void {
    this.isAnswering = true;
    response.on('close', this.#answered);
    answer(request, response);
  }

  #next(): void {
    const next = this.#waiting.shift();
    // After an answer with `connection: close` nothing more can be written, so that nothing more is done.
    if (next?.request.socket.writable) this.#answer(next.request, next.response, next.answer);
    else this.#waiting.length = 0;
  }
}
