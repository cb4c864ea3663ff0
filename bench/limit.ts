// The bare limit, in a process of its own: what undici alone sends to the same receiver. Signed bodies of the same size,
// no store, no API, no retries: the rate that a sender with nothing else to do could reach here.

import { createHmac, createSecretKey, randomBytes } from 'node:crypto';
import { type Dispatcher, Pool } from 'undici';
import { answerParent } from './child.ts';
import { monotonicMs } from './clock.ts';
import { payloadText } from './payload.ts';
import { steadily } from './steady.ts';

const CONNECTIONS = 64;

const key = createSecretKey(randomBytes(32));
let number = 0;

const handlers = {
  /** Sends `count` bodies as fast as it can. Returns when it began, on the monotonic clock. */
  flood: async ({ receiver, count, bytes = 0 }: { receiver: string; count: number; bytes?: number }) => {
    const pool = new Pool(receiver, { connections: CONNECTIONS, pipelining: 1 });
    let left = count;
    const startedAt = monotonicMs();
    await Promise.all(
      Array.from({ length: CONNECTIONS }, async () => {
        while (left-- > 0) await post(pool, monotonicMs(), bytes);
      }),
    );
    await pool.destroy();
    return { startedAt };
  },

  /** Sends at a steady rate. Returns the ms from each hand-over to its answer. */
  steady: async ({
    receiver,
    perSecond,
    seconds,
  }: {
    receiver: string;
    perSecond: number;
    seconds: number;
  }) => {
    const pool = new Pool(receiver, { connections: CONNECTIONS, pipelining: 1 });
    const lanes = Array.from({ length: CONNECTIONS }, () => pool);
    const latencies = await steadily({
      lanes,
      perSecond,
      seconds,
      send: (lane, sentAt) => post(lane, sentAt, 0),
    });
    await pool.destroy();
    return latencies;
  },
};

export type Limit = typeof handlers;

answerParent(handlers);

function post(pool: Pool, sentAt: number, bytes: number): Promise<void> {
  const id = `msg_${String(++number).padStart(27, '0')}`;
  const timestamp = Math.floor(Date.now() / 1000);
  const body = Buffer.from(payloadText(number, sentAt, bytes));
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64');
  const headers = ['content-type', 'application/json', 'user-agent', 'Posthorn-Bench', 'webhook-id', id];
  headers.push('webhook-timestamp', String(timestamp), 'webhook-signature', `v1,${signature}`);
  return new Promise((resolve, reject) => {
    pool.dispatch({ method: 'POST', path: '/hook', headers, body }, new Answered(resolve, reject));
  });
}

class Answered implements Dispatcher.DispatchHandler {
  readonly #resolve: () => void;
  readonly #reject: (error: Error) => void;
  #status = 0;

  constructor(resolve: () => void, reject: (error: Error) => void) {
    this.#resolve = resolve;
    this.#reject = reject;
  }

  onRequestStart(): void {}

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    this.#status = status;
  }

  onResponseData(): void {}

  onResponseEnd(): void {
    if (this.#status === 200) this.#resolve();
    else this.#reject(new Error(`The receiver answered ${this.#status}.`));
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#reject(error);
  }
}
