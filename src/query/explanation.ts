import type { Delivery, DeliveryReason, DeliveryState } from '../model/delivery.ts';
import type { Endpoint, Mismatch } from '../model/endpoint.ts';
import type { Message } from '../model/message.ts';
import type { RetrySchedule } from '../model/retry-schedule.ts';
import type { ListedAttempt } from '../store/store.ts';

/** Why a message has no delivery to an endpoint. */
export type Rule = Mismatch | 'endpoint_newer' | 'changed_since';

/**
 * What an open delivery waits for: its message's `deliverAt`, the next try of its schedule, an older one of its order, the probe
 * of a breaker, a throttle, an end of what is under way at the endpoint, its turn, or an endpoint that takes something.
 */
export const WAITS = [
  'deliver_at',
  'retry',
  'order',
  'breaker',
  'throttle',
  'in_flight',
  'turn',
  'endpoint_disabled',
  'endpoint_paused',
] as const;
export type Wait = (typeof WAITS)[number];

/** What memory knows of an endpoint's lane. */
export interface LaneState {
  readonly inFlight: number;
  /** Requests that may be under way at present: fewer than the endpoint's `maxInFlight` until it has answered often enough. */
  readonly limit: number;
  /**
   * `failures`: in a row; null: another node sends for it, and knows more. `probeAt`: when the next delivery goes out to try it; null:
   * one does right now, or none waits.
   */
  readonly breaker: {
    readonly open: boolean;
    readonly failures: number | null;
    readonly probeAt: number | null;
  };
  /** Its throttle has it wait. */
  readonly throttled: boolean;
}

/** What a schema does not allow in a payload. */
export interface Problem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** Everything that is known of why a message was, or was not, delivered to an endpoint. Times are ms since the Unix epoch. */
export interface Explanation {
  readonly endpoint: Endpoint;
  readonly messageId: string;
  /** There is a delivery. */
  readonly matched: boolean;
  /** Why there is none; null: there is one. */
  readonly rule: Rule | null;
  readonly state: DeliveryState | null;
  readonly reason: DeliveryReason | null;
  readonly waitsFor: Wait | null;
  /** The id of the older message that an ordered one waits behind. */
  readonly behind: string | null;
  readonly attemptCount: number;
  readonly lastAttempt: ListedAttempt | null;
  readonly nextAttemptAt: number | null;
  /** The next one first, and those after it if each fails at once, without jitter. Empty where nobody knows when the next one is. */
  readonly plannedAttempts: readonly number[];
  /** What the schema of its event type says of the payload; null: nobody asks. */
  readonly schema: { readonly valid: boolean; readonly problems: readonly Problem[] } | null;
  /** All of it in whole sentences, and what to do. */
  readonly text: string;
}

/** What the sentences are made of. */
export interface Explained {
  readonly message: Message;
  readonly endpoint: Endpoint;
  readonly rule: Rule | null;
  readonly delivery: Delivery | null;
  readonly waitsFor: Wait | null;
  readonly behind: (Delivery & { readonly messageId: string }) | null;
  readonly lane: LaneState | null;
  readonly lastAttempt: ListedAttempt | null;
  /** The endpoint's, as it is now. */
  readonly schedule: RetrySchedule;
  /** The id of the task that lets go what is held for the endpoint. */
  readonly release: string | null;
  readonly schema: Explanation['schema'];
  readonly now: number;
}
