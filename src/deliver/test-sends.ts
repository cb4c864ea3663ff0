import { ApiError } from '../errors.ts';
import { TESTS, TESTS_PER_APPLICATION } from '../limits.ts';
import type { Exchange, Sender, SendResult, Target } from '../model/exchange.ts';

/**
 * Tests of a URL, asked for by a person who waits: sent like a delivery (guard, limits, signature), marked by a header,
 * not stored, and with limits of their own so that tests and deliveries don't stand in each other's way.
 */
export class TestSends {
  readonly #sender: Sender;
  readonly #timeoutMs: number;
  readonly #waiting = new Map<number, (exchange: Exchange) => void>();
  readonly #perApplication = new Map<number, number>();
  #lastRef = 0;

  /** `makeSender` gets the function that takes the results. */
  constructor(
    makeSender: (onResults: (results: readonly SendResult[]) => void) => Sender,
    timeoutMs: number,
  ) {
    this.#sender = makeSender((results) => {
      for (const { ref, exchange } of results) {
        // A test is always begun.
        if (exchange !== null) this.#waiting.get(ref)?.(exchange);
        this.#waiting.delete(ref);
      }
    });
    this.#timeoutMs = timeoutMs;
  }

  /** Sends once and waits for the end. Throws `too_many_requests` when too many tests are under way. */
  async test(params: {
    applicationKey: number;
    target: Target;
    messageId: string;
    payload: string;
  }): Promise<Exchange> {
    const running = this.#perApplication.get(params.applicationKey) ?? 0;
    if (running >= TESTS_PER_APPLICATION || this.#waiting.size >= TESTS) {
      throw new ApiError('too_many_requests', 'Too many tests are under way. Wait until one has ended.', {
        retryAfterSeconds: 5,
      });
    }
    this.#perApplication.set(params.applicationKey, running + 1);
    const ref = ++this.#lastRef;
    const { target, messageId, payload } = params;
    try {
      return await new Promise<Exchange>((resolve) => {
        this.#waiting.set(ref, resolve);
        const timeoutMs = this.#timeoutMs;
        this.#sender.send([{ ref, target, messageId, payload, timeoutMs, test: true, queue: null }]);
      });
    } finally {
      const left = (this.#perApplication.get(params.applicationKey) ?? 1) - 1;
      if (left === 0) this.#perApplication.delete(params.applicationKey);
      else this.#perApplication.set(params.applicationKey, left);
    }
  }

  close(): Promise<void> {
    return this.#sender.close();
  }
}
