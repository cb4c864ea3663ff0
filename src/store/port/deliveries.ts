import type { AttemptAnnouncementType } from '../../model/announcement.ts';
import type { Attempt } from '../../model/attempt.ts';
import type { Delivery, DeliveryReason, DeliveryState, Verdict } from '../../model/delivery.ts';
import type { Endpoint } from '../../model/endpoint.ts';
import type { Lease } from '../../model/lease.ts';
import type { EndpointFailingChange } from './endpoints.ts';

/** Messages on their way to endpoints: what becomes of them. */
export interface DeliveryStore {
  /**
   * Writes attempts and what they did to their deliveries; of one that comes again, nothing that is on record is written and
   * nothing announced a second time. Says for each whether its fence still held. Where it did not,
   * the attempt is written and the delivery's state stays, but for one case: a delivery that was cancelled or held while
   * it was under way, and arrived, has succeeded.
   * A resend's row goes. When it arrived, its delivery has succeeded whatever it was, and a lease on that is void, which the answer
   * names (not that of a call that comes again); when not, the delivery stays as it is.
   * When an ordered delivery ends so that it no longer stands before others, the next one of its key gets its time: `now`, or its
   * message's `deliverAt`.
   */
  deliveryRecord(params: {
    results: readonly AttemptResult[];
    now: number;
    failing?: readonly EndpointFailingChange[];
  }): Promise<Recorded>;
  /**
   * Cancels deliveries that are pending, sending or held, and their resends (which do not expire). With `failedToo`, failed ones as well.
   * Leaves others as they are. Returns which were cancelled, and what that leads to.
   */
  deliveryCancel(params: {
    deliveries: readonly { readonly messageKey: number; readonly endpointKey: number }[];
    reason: Extract<DeliveryReason, 'cancelled' | 'skipped' | 'expired'>;
    failedToo?: boolean;
    now: number;
  }): Promise<Stopped & { cancelled: { messageKey: number; endpointKey: number }[] }>;
  /**
   * Makes a delivery due at once: one that is pending, or waits in memory for its retry, goes on where it is in its schedule; one
   * that failed or is held begins it again. `under_way`: it is sent right now; `behind`: it is ordered, and an older one, the first
   * of its line, stands before it; `ended`: it succeeded or was cancelled; `expunged`: there is no payload; null: there is no such
   * delivery. In all of these it stays as it is.
   */
  deliveryHurry(params: { messageKey: number; endpointKey: number; now: number }): Promise<Hurried | null>;
  /**
   * Cancels what is pending or held of messages that expired up to `now` and were not looked at before, at most `limit` messages.
   * What is under way stays: whoever sends it ends it. A message that has some is looked at again a minute later, as it may come
   * back. The call ends with the message with which `scan` deliveries were looked at, or within it: those that are cancelled
   * count several times.
   * `messages` says how many are done, and `more` that another call may find more.
   */
  deliveryExpire(params: {
    now: number;
    limit: number;
    scan: number;
  }): Promise<Stopped & { messages: number; more: boolean }>;
  /** The older delivery that an ordered one waits behind, with its message's id; null: none. */
  deliveryBefore(params: {
    messageKey: number;
    endpointKey: number;
  }): Promise<(Delivery & { readonly messageId: string }) | null>;
  /** The first that stands in a line (pending, sending, failed or held), with its message's id; null: none does. */
  deliveryFirst(params: {
    endpointKey: number;
    orderKey: string;
  }): Promise<(Delivery & { readonly messageId: string }) | null>;
  /** A message's deliveries by endpoint, oldest endpoint first: those after, or the last before, an endpoint's key. */
  deliveryList(params: {
    applicationKey: number;
    messageKey: number;
    limit: number;
    before: number | null;
    after: number | null;
  }): Promise<EndpointDelivery[]>;
  /** The deliveries of these messages to one endpoint, as far as they exist, in no order. */
  deliveryFind(params: { endpointKey: number; messageKeys: readonly number[] }): Promise<Delivery[]>;
  /**
   * Asks for a resend: one attempt beside the schedule. One that waits already serves for both; one that is leased does not,
   * as it may end before whatever the second was asked for. `limit` bounds those of the endpoint, leased ones too.
   * `expunged`: the message has no payload any more.
   */
  resendInsert(params: {
    messageKey: number;
    endpointKey: number;
    now: number;
    limit: number;
  }): Promise<'waits' | 'limit' | 'expunged'>;
  /**
   * Deliveries by state, from an index: what is open now, over all endpoints or of one. Of each state up to `limit`. With `now`,
   * retries that wait in memory count as pending, and not as sending.
   */
  deliveryCountOpen(params: {
    endpointKey?: number;
    limit?: number;
    now?: number;
  }): Promise<Record<Extract<DeliveryState, 'pending' | 'sending' | 'held'>, number>>;
  /**
   * What is left to do for an endpoint, an application or all, from indexes of just that. Of each state up to `limit`. What it costs is
   * that, and a look at each endpoint that has something due, or of the application.
   */
  deliveryBacklogCount(params: {
    of: { readonly applicationKey?: number; readonly endpointKey?: number };
    limit: number;
    now: number;
  }): Promise<BacklogCount>;
}

/** As they are stored: what waits in memory is `sending`. */
export interface BacklogCount {
  readonly pending: number;
  readonly sending: number;
  readonly held: number;
  readonly failed: number;
  /** When the oldest of what is due by `now`, and has not ended, was due; null: nothing is. */
  readonly oldestDueAt: number | null;
}

export interface AttemptResult {
  readonly applicationKey: number;
  /** With what its delivery is ordered by. */
  readonly lease: Lease & { readonly orderKey: string | null };
  readonly attempt: Attempt;
  readonly verdict: Verdict;
  /**
   * Operators are told, when the lease still holds. `message.attempt.recovered` only when they were told before that it fails
   * (`LeasedDelivery.announced`, which is set by the two others).
   */
  readonly announce: AttemptAnnouncementType | null;
  /** It may be on record: the commit before this one ended so that nobody knows. */
  readonly again?: boolean;
  /** With a `pending` verdict: the lease is kept, the retry waits in memory; the row says `sending`. */
  readonly keepLease: boolean;
}

export interface Recorded {
  /** Of each result, whether its fence still held. */
  readonly held: readonly boolean[];
  /** As in `Stopped`. */
  readonly dropped: readonly Lease[];
}

/** A delivery with the endpoint it goes to, which may have been deleted since. */
export interface EndpointDelivery extends Delivery {
  readonly endpoint: Endpoint;
  readonly endpointDeleted: boolean;
}

/** What a change stopped or set free, for memory to follow. */
export interface Stopped {
  /**
   * Leases that are void, on deliveries and on resends: memory drops what it has under them. Just these: the same delivery may be
   * leased anew before memory hears of it.
   */
  readonly dropped: readonly Lease[];
  /** Endpoints for which something waits in the store now, and from when on. */
  readonly stored: readonly { readonly endpointKey: number; readonly dueAt: number }[];
}

/** What became of a delivery that somebody did not want to wait for. */
export type Hurried =
  | (Stopped & { readonly state: 'due' })
  | { readonly state: 'under_way' | 'ended' | 'expunged' }
  | {
      readonly state: 'behind';
      readonly before: { readonly messageId: string; readonly state: DeliveryState };
    };
