import type { ServerResponse } from 'node:http';
import type { Clock } from '../../src/model/clock.ts';
import { type Received, startReceiver } from '../helpers/receiver.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect out of it.
type Json = any;

export interface Arrival extends Received {
  /** The message's: `webhook-id`. */
  readonly id: string;
  readonly payload: Json;
  /** By the clock of the scene: monotonic, and of the wall. */
  readonly monotonic: number;
  readonly at: number;
}

/** A receiver that a test tells how to answer. */
export class Target {
  readonly arrivals: Arrival[] = [];
  /** Requests that wait for their answer now, and the most that ever did at once. */
  open = 0;
  mostOpen = 0;
  #answer: (response: ServerResponse, arrival: Arrival) => void = (response) => void response.end('ok');
  #kept: { response: ServerResponse; arrival: Arrival }[] = [];
  #keeps = false;
  #receiver: Awaited<ReturnType<typeof startReceiver>> | null = null;

  static async start(clock: Clock): Promise<Target> {
    const target = new Target();
    target.#receiver = await startReceiver((response, received) => {
      const arrival = {
        ...received,
        id: String(received.headers['webhook-id']),
        payload: JSON.parse(received.body),
        monotonic: clock.monotonic(),
        at: clock.now(),
      };
      target.arrivals.push(arrival);
      target.mostOpen = Math.max(target.mostOpen, ++target.open);
      response.once('close', () => target.open--);
      if (target.#keeps) target.#kept.push({ response, arrival });
      else target.#answer(response, arrival);
    });
    return target;
  }

  get url(): string {
    return `${this.#receiver?.url}/hooks`;
  }

  /** The `n` of the payloads that came, in order. */
  get numbers(): number[] {
    return this.arrivals.map(({ payload }) => payload.n);
  }

  /** Resolves when that many requests have come. */
  has(count: number): Promise<void> {
    return this.#receiver?.has(count) ?? Promise.resolve();
  }

  /** From now on it answers so. */
  answers(status: number, headers: Record<string, string> = {}): void {
    this.#answer = (response) => void response.writeHead(status, headers).end();
  }

  /** From now on it answers by what came. */
  answersBy(statusOf: (arrival: Arrival) => number): void {
    this.#answer = (response, arrival) => void response.writeHead(statusOf(arrival)).end();
  }

  /** From now on it breaks the connection off. */
  breaksOff(): void {
    this.#answer = (response) => void response.destroy();
  }

  /** From now on it keeps requests without an answer. */
  keeps(): void {
    this.#keeps = true;
  }

  /** Answers the oldest request that it keeps. */
  answerOne(): void {
    const kept = this.#kept.shift();
    if (kept !== undefined) this.#answer(kept.response, kept.arrival);
  }

  /** Keeps none any more, and answers all that it kept. */
  letsGo(): void {
    this.#keeps = false;
    while (this.#kept.length > 0) this.answerOne();
  }

  async close(): Promise<void> {
    await this.#receiver?.close();
  }
}
