import type { HeldReason } from './delivery.ts';
import type { Ordering } from './endpoint.ts';
import type { Target } from './exchange.ts';
import type { RetryPolicy } from './retry-schedule.ts';

/** What the schedule needs to know of an endpoint. */
export interface Destination {
  readonly target: Target;
  /** Nothing is sent: what is pending becomes held, for this reason. Null: it takes what comes. */
  readonly heldReason: HeldReason | null;
  /** Deliveries a second, of the endpoint and of all endpoints of its application; null: no limit. */
  readonly throttleRate: number | null;
  readonly applicationThrottleRate: number | null;
  /** Requests under way at once, at most. */
  readonly maxInFlight: number;
  readonly ordering: Ordering;
  readonly retryPolicy: RetryPolicy;
}
