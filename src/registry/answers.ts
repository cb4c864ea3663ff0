import { ApiError } from '../errors.ts';
import type { Clock, Random } from '../model/clock.ts';
import { type MasterKey, seal, unseal } from '../model/sealed.ts';
import type { Store } from '../store/store.ts';

/** What a call was answered with; `body` is the text as it went out, '' for none. */
export interface CallAnswer {
  readonly status: number;
  readonly body: string;
}

/** What a repeated call is known by: SHA-256 of who asked, its idempotency key and its URL; and of its body. */
export interface CallHashes {
  readonly keyHash: Buffer;
  readonly bodyHash: Buffer;
}

/** The answers to calls that came with an idempotency key, kept for those who call again. Publishing has its own way. */
export class Answers {
  readonly #options: AnswersOptions;

  constructor(options: AnswersOptions) {
    this.#options = options;
  }

  /** The answer to the same call before, or null. Throws `idempotency_mismatch`. */
  async find({ keyHash, bodyHash }: CallHashes): Promise<CallAnswer | null> {
    const kept = await this.#options.store.answerFind({ keyHash });
    if (kept === null) return null;
    if (!kept.bodyHash.equals(bodyHash)) throw new ApiError('idempotency_mismatch');
    return JSON.parse(unseal(this.#options.masterKey, place(keyHash), kept.sealed)) as CallAnswer;
  }

  /** Keeps an answer, encrypted: there can be a key or a secret in it. */
  async keep({ keyHash, bodyHash }: CallHashes, { status, body }: CallAnswer): Promise<void> {
    const { store, masterKey, clock, random } = this.#options;
    const sealed = seal(masterKey, place(keyHash), JSON.stringify({ status, body }), random);
    await store.answerInsert({ keyHash, bodyHash, sealed, now: clock.now() });
  }
}

export interface AnswersOptions {
  store: Pick<Store, 'answerFind' | 'answerInsert'>;
  masterKey: MasterKey;
  clock: Clock;
  random: Random;
}

function place(keyHash: Buffer): string {
  return `answer ${keyHash.toString('hex')}`;
}
