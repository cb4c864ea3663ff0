import type { Publish, PublishResult } from './messages.ts';

/** What calls were answered, for those that come again under the same idempotency key. */
export interface AnswerStore {
  /** The answer to an earlier call under this idempotency key (`messageAccept` has its own). */
  answerFind(params: { keyHash: Buffer }): Promise<KeptAnswer | null>;
  /** Keeps an answer. One that is there already stays. */
  answerInsert(params: KeptAnswer & { keyHash: Buffer; now: number }): Promise<void>;
  /** What a publish under this idempotency key gets that comes again; null: none came. */
  idempotencyFind(
    params: NonNullable<Publish['idempotency']>,
  ): Promise<Extract<PublishResult, { kind: 'replayed' | 'idempotency_mismatch' }> | null>;
  /** Deletes idempotency keys and answers made before `before`, at most `limit` of each. Returns how many at the most of one. */
  idempotencyPurge(params: { before: number; limit: number }): Promise<number>;
}

export interface KeptAnswer {
  /** SHA-256 of the body that was answered. */
  readonly bodyHash: Buffer;
  /** Encrypted: an answer can hold a key. */
  readonly sealed: Buffer;
}
