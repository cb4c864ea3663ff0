import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { monotonicMs, pause } from './clock.ts';
import { numberOf } from './payload.ts';
import type { SeededRandom } from './random.ts';

/** One request that arrived. Times are ms of the monotonic clock. */
export interface Hit {
  readonly hook: string;
  readonly messageId: string;
  /** The publish number in the payload. */
  readonly number: number;
  readonly arrivedAt: number;
  /** Whether the signature is right for this hook's secret. */
  readonly verified: boolean;
  /** `open` until it is over. `accepted`: 200 was written; `refused`: 500; `cut`: the connection was dropped, by either side. */
  outcome: 'open' | 'accepted' | 'refused' | 'cut';
  endedAt: number | null;
}

export type Behaviour = (random: SeededRandom) => { delayMs: number; answer: 'accept' | 'refuse' | 'cut' };

const behaviours: Record<string, Behaviour> = {
  prompt: () => ({ delayMs: 0, answer: 'accept' }),
  slow: (random) => ({ delayMs: random.between(2, 40), answer: 'accept' }),
  flaky: (random) => {
    const chance = random.fraction();
    if (chance < 0.01) return { delayMs: 0, answer: 'cut' };
    return { delayMs: 0, answer: chance < 0.05 ? 'refuse' : 'accept' };
  },
};

export const HOOKS = Object.keys(behaviours);

/** Web hooks that remember all they receive: prompt, slow, and failing now and then, unless told otherwise. */
export class Hooks {
  readonly hits: Hit[] = [];
  readonly #server: Server;
  readonly #random: SeededRandom;
  readonly #behaviours: Readonly<Record<string, Behaviour>>;
  readonly #verifiers = new Map<string, Webhook>();

  constructor(random: SeededRandom, more: Readonly<Record<string, Behaviour>> = {}) {
    this.#random = random;
    this.#behaviours = { ...behaviours, ...more };
    this.#server = createServer((request, response) => void this.#take(request, response));
    // An idle connection closed by this side would look to the sender like a failure of its own.
    this.#server.keepAliveTimeout = 0;
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The secret that a hook's deliveries must be signed with. */
  expectSecret(hook: string, secret: string): void {
    this.#verifiers.set(hook, new Webhook(secret));
  }

  /** Waits until nothing arrives for `idleMs`. Ms until the last one arrived; null when some still did after `withinMs`. */
  async rest({ idleMs, withinMs }: { idleMs: number; withinMs: number }): Promise<number | null> {
    const startedAt = monotonicMs();
    while (monotonicMs() - startedAt < withinMs) {
      const lastAt = this.hits.at(-1)?.arrivedAt ?? 0;
      const quietMs = monotonicMs() - Math.max(lastAt, startedAt);
      if (quietMs >= idleMs) return Math.max(0, lastAt - startedAt);
      await pause(idleMs - quietMs);
    }
    return null;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    try {
      for await (const part of request) parts.push(part as Buffer);
    } catch {
      // The sender was killed while it wrote: nothing arrived.
      return;
    }
    const body = Buffer.concat(parts);
    const hook = request.url?.slice(1) ?? '';
    const hit: Hit = {
      hook,
      messageId: String(request.headers['webhook-id']),
      number: numberOf(body),
      arrivedAt: monotonicMs(),
      verified: this.#verify(hook, body, request.headers as Record<string, string>),
      outcome: 'open',
      endedAt: null,
    };
    this.hits.push(hit);
    const behave = this.#behaviours[hook] as Behaviour;
    const { delayMs, answer } = behave(this.#random);
    if (delayMs === 0) end(hit, response, answer);
    else setTimeout(() => end(hit, response, answer), delayMs);
  }

  #verify(hook: string, body: Buffer, headers: Record<string, string>): boolean {
    try {
      this.#verifiers.get(hook)?.verify(body, headers);
      return this.#verifiers.has(hook);
    } catch {
      return false;
    }
  }
}

function end(hit: Hit, response: ServerResponse, answer: ReturnType<Behaviour>['answer']): void {
  const gone = response.destroyed || response.socket === null;
  hit.endedAt = monotonicMs();
  if (gone || answer === 'cut') {
    hit.outcome = 'cut';
    response.destroy();
    return;
  }
  hit.outcome = answer === 'accept' ? 'accepted' : 'refused';
  response.writeHead(answer === 'accept' ? 200 : 500, { 'content-type': 'text/plain' });
  response.end(answer === 'accept' ? 'thank you' : 'not now');
}
