import { request } from 'undici';
import { monotonicMs, pause } from './clock.ts';
import { payloadText } from './payload.ts';
import type { SeededRandom } from './random.ts';
import { BATCH_PATH, batchBody, SINGLE_PATH, singleBody } from './server-api.ts';
import { OPERATOR_KEY } from './server-process.ts';

/** What the publishers know: the side of the story that must never turn out to be wrong. */
export class Ledger {
  /** Message id of every 202, with the publish number in its payload. */
  readonly acknowledged = new Map<string, number>();
  /** Publish numbers that went out under an idempotency key, again and again until they were acknowledged. */
  readonly keyed = new Set<number>();
  /** Answers other than 202, by status. */
  readonly refused = new Map<number, number>();
  #last = 0;

  next(): number {
    return ++this.#last;
  }

  get offered(): number {
    return this.#last;
  }
}

/** How one publisher goes about it. */
export interface Manner {
  /** Messages of one call. */
  readonly most: number;
  /** Ms between calls. */
  readonly pauseMs: { readonly least: number; readonly most: number };
  /** With a key it repeats a call whose answer it did not get, as the key makes that safe; without, it goes on to the next. */
  readonly keyed: boolean;
}

const AFTER_FAILURE_MS = 20;
const ANSWER_WITHIN_MS = 20_000;
/** A publisher with a key now and then gives up so soon that the answer is still on its way, and repeats the call. */
const IMPATIENCE = { chance: 0.1, leastMs: 1, mostMs: 8 };

/** Publishes until told to stop, whether the server is there or not. */
export class Publisher {
  readonly #server: string;
  readonly #ledger: Ledger;
  readonly #manner: Manner;
  readonly #random: SeededRandom;
  #stopped = false;

  constructor(params: { server: string; ledger: Ledger; manner: Manner; random: SeededRandom }) {
    this.#server = params.server;
    this.#ledger = params.ledger;
    this.#manner = params.manner;
    this.#random = params.random;
  }

  /** Resolves after `stop`, when its last call is answered. */
  async run(): Promise<void> {
    const { most, pauseMs, keyed } = this.#manner;
    while (!this.#stopped) {
      const size = Math.floor(this.#random.between(1, most + 1));
      const numbers = Array.from({ length: size }, () => this.#ledger.next());
      if (keyed) for (const number of numbers) this.#ledger.keyed.add(number);
      await this.#publish(numbers);
      await pause(this.#random.between(pauseMs.least, pauseMs.most));
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  async #publish(numbers: readonly number[]): Promise<void> {
    const payloads = numbers.map((number) => payloadText(number, monotonicMs()));
    const batch = this.#manner.most > 1;
    const body = batch ? batchBody(payloads) : singleBody(payloads[0] as string);
    const key = this.#manner.keyed ? `publish-${numbers[0]}` : null;
    const { chance, leastMs, mostMs } = IMPATIENCE;
    let patienceMs = ANSWER_WITHIN_MS;
    if (key !== null && this.#random.fraction() < chance) patienceMs = this.#random.between(leastMs, mostMs);
    for (;;) {
      const ids = await this.#call({ path: batch ? BATCH_PATH : SINGLE_PATH, body, key, patienceMs });
      patienceMs = ANSWER_WITHIN_MS;
      if (ids !== null) {
        if (ids.length !== numbers.length)
          throw new Error(`${numbers.length} messages got ${ids.length} ids.`);
        ids.forEach((id, index) => {
          this.#ledger.acknowledged.set(id, numbers[index] as number);
        });
        return;
      }
      await pause(AFTER_FAILURE_MS);
      if (key === null) return;
    }
  }

  /** The message ids of a 202, in the order of the messages; null when the answer was another, or none came. */
  async #call(params: {
    path: string;
    body: string;
    key: string | null;
    patienceMs: number;
  }): Promise<string[] | null> {
    const { path, body, key, patienceMs } = params;
    let status: number;
    let text: string;
    try {
      const answer = await request(this.#server + path, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${OPERATOR_KEY}`,
          'content-type': 'application/json',
          ...(key !== null && { 'idempotency-key': key }),
        },
        body,
        signal: AbortSignal.timeout(Math.ceil(patienceMs)),
      });
      status = answer.statusCode;
      text = await answer.body.text();
    } catch {
      // The server was killed, is not back yet, or was too slow for us.
      return null;
    }
    if (status !== 202) {
      this.#ledger.refused.set(status, (this.#ledger.refused.get(status) ?? 0) + 1);
      if (status < 429) throw new Error(`A publish was answered ${status}: ${text}`);
      return null;
    }
    const value = JSON.parse(text) as { id: string } | { data: { id: string }[] };
    return 'data' in value ? value.data.map(({ id }) => id) : [value.id];
  }
}
