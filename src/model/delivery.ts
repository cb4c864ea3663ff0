import type { Random } from './clock.ts';
import type { Exchange } from './exchange.ts';
import { succeeded } from './exchange.ts';
import { type RetrySchedule, retryAt } from './retry-schedule.ts';

/**
 * A delivery is a message on its way to one endpoint.
 *
 *     accepted ──┬─► held ◄── endpoint disabled ── (pending)
 *                │    │ recover
 *                ├─► pending ◄──────────────┬───────────────────────┐ recover
 *                │      │ claim             │ no 2xx, tries left    │
 *                └─► sending ───────────────┼─► failed (tries used up)
 *                       │ 2xx               │
 *                       └─► succeeded       └─► cancelled (endpoint deleted, payload expunged)
 *
 * A delivery that was cancelled or held while it was under way, and arrived all the same, is `succeeded`. A resend is one
 * attempt by a person beside the machine: when it arrives the delivery is `succeeded` from whichever state, and when it
 * does not, the state and the schedule stay as they are.
 *
 * `sending` means leased: one node has it in memory and is the only one that may send it. A lease ends with its
 * node; the delivery is `pending` again and goes out once more (at least once, under the same `webhook-id`).
 */
export type DeliveryState = 'pending' | 'sending' | 'succeeded' | 'failed' | 'held' | 'cancelled';

export interface Delivery {
  readonly messageKey: number;
  readonly endpointKey: number;
  readonly state: DeliveryState;
  /** Attempts made so far. */
  readonly attemptCount: number;
  /** When it goes out next, ms since the Unix epoch; null unless pending or sending. */
  readonly nextAttemptAt: number | null;
  /** Why it is held, failed or cancelled; null otherwise. */
  readonly reason: DeliveryReason | null;
}

export type DeliveryReason =
  | 'retries_exhausted'
  | 'endpoint_disabled'
  | 'endpoint_deleted'
  | 'payload_expunged';

/** What an attempt did to its delivery. */
export type Verdict =
  | { readonly state: 'succeeded' }
  | { readonly state: 'pending'; readonly nextAttemptAt: number }
  | { readonly state: 'failed'; readonly reason: DeliveryReason };

/**
 * The state after attempt number `attemptNumber` (from 1) ended as `exchange`. The first try and every retry go
 * through here. `now` is the time the answer was in, ms since the Unix epoch.
 */
export function afterAttempt(params: {
  exchange: Exchange;
  attemptNumber: number;
  schedule: RetrySchedule;
  now: number;
  random: Random;
}): Verdict {
  if (succeeded(params.exchange)) return { state: 'succeeded' };
  const nextAttemptAt = retryAt(params);
  if (nextAttemptAt === null) return { state: 'failed', reason: 'retries_exhausted' };
  return { state: 'pending', nextAttemptAt };
}

/** What a resend did: it is one attempt outside of the schedule, and there is no other after it. */
export function afterResend(exchange: Exchange): Verdict {
  return succeeded(exchange) ? { state: 'succeeded' } : { state: 'failed', reason: 'retries_exhausted' };
}
