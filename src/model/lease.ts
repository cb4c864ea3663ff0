/** The right to send a delivery: whoever holds the fence that the store's row has. */
export interface Lease {
  readonly messageKey: number;
  readonly endpointKey: number;
  readonly fence: number;
  /** The store's key of a resend: one attempt that a person asked for. Null: the delivery itself, by its schedule. */
  readonly resendKey: number | null;
}

/** When a resend is due: at any time, and before what waits for its own. */
export const RESEND_DUE_AT = 0;

/** A leased delivery with all that sending it takes: what the schedule keeps in memory. */
export interface LeasedDelivery extends Lease {
  readonly messageId: string;
  readonly payload: string;
  /** Attempts made so far. */
  readonly attemptCount: number;
  /** When it may go out, ms since the Unix epoch. `RESEND_DUE_AT` for a resend. */
  readonly nextAttemptAt: number;
  /** When it is not worth sending any more, ms since the Unix epoch; null: never. */
  readonly expiresAt: number | null;
  /** As in `Delivery`; null for a resend, too. What waits behind it gets its turn when it ends. */
  readonly orderKey: string | null;
  /** Operators were told that it fails: they want to hear when it arrives. */
  readonly announced: boolean;
}

/** A delivery's fate once its attempt is on record. */
export interface Settlement {
  readonly delivery: LeasedDelivery;
  /** When it is due again; null: it is done, or no longer ours. */
  readonly nextAttemptAt: number | null;
  /** The lease was kept: the retry waits in memory. */
  readonly kept: boolean;
  /** The endpoint has it, and the store says so. */
  readonly arrived: boolean;
}

const FENCES_PER_EPOCH = 2 ** 32;

/** The first fence of an epoch: every lease of an earlier process is below it. */
export function firstFence(epoch: number): number {
  return epoch * FENCES_PER_EPOCH;
}

/** Fences of one process, ascending. */
export function createFences(epoch: number): { next(): number } {
  let last = firstFence(epoch);
  return { next: () => ++last };
}
