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

/** Part of the time of a node's lease: so long after its last beat others may end it, by the store's clock. */
export const LEASE_EXPIRES = 5 / 6;

const FENCES_PER_EPOCH = 2 ** 32;

/** The first fence of an epoch: every lease of an earlier process is below it. */
export function firstFence(epoch: number): number {
  return epoch * FENCES_PER_EPOCH;
}

/** Fences of one process, ascending. It has none before it joined the nodes of its store. */
export interface Fences {
  /** From here on, leases are taken under this epoch: a later one each time. */
  begin(epoch: number): void;
  next(): number;
  /** Whether a lease under this fence is of this process as it is now: it was not ended since. */
  isOwn(fence: number): boolean;
}

export function createFences(): Fences {
  let first = 0;
  let last = 0;
  return {
    begin(epoch) {
      first = firstFence(epoch);
      if (first <= last) throw new Error(`Epoch ${epoch} is not later than the one before.`);
      last = first;
    },
    next() {
      if (last === 0) throw new Error('A process has no fences before it joined.');
      return ++last;
    },
    isOwn: (fence) => first > 0 && fence >= first && fence <= last,
  };
}
