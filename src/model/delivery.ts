import type { Random } from './clock.ts';
import type { Exchange } from './exchange.ts';
import { succeeded } from './exchange.ts';
import { GONE, type RetryPolicy, retryAt } from './retry-schedule.ts';

/**
 * A delivery is a message on its way to one endpoint.
 *
 *     accepted ──┬─► held ◄── endpoint disabled or paused ── (pending)
 *                │    │ release, recover, replay
 *                ├─► pending ◄──────────────┬───────────────────────┐ recover, replay, retry
 *                │      │ claim             │ no 2xx, tries left    │
 *                └─► sending ───────────────┼─► failed (tries used up, final answer, 410)
 *                       │ 2xx               │
 *                       └─► succeeded       └─► cancelled (by a person, expired, skipped, discarded, endpoint deleted,
 *                                               payload expunged)
 *
 * A delivery that was cancelled or held while it was under way, and arrived all the same, is `succeeded`. A resend is one
 * attempt by a person beside the machine: when it arrives the delivery is `succeeded` from whichever state, and when it
 * does not, the state and the schedule stay as they are.
 *
 * One that is ordered (`orderKey` is not null) may be `pending` without a time: it waits behind an older one of its endpoint
 * and key, and gets its time when all older ones have succeeded or are cancelled. What is pending, sending, held or failed
 * stands before those behind it. Only one of a key is ever `sending`.
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
  /** When it goes out next, ms since the Unix epoch; null unless pending or sending, and while it waits behind another. */
  readonly nextAttemptAt: number | null;
  /** What it is ordered by within its endpoint: nothing (null), all of the endpoint (''), or the message's key. */
  readonly orderKey: string | null;
  /** Why it is held, failed or cancelled; null otherwise. */
  readonly reason: DeliveryReason | null;
}

/** Why a delivery is held, failed or cancelled, with what it means. */
export const deliveryReasons = {
  retries_exhausted: 'All tries of its schedule failed.',
  final_status: 'The endpoint answered with a status that ends the delivery at once.',
  endpoint_gone: 'The endpoint answered 410 Gone, and was disabled.',
  endpoint_disabled: 'The endpoint is disabled.',
  endpoint_paused: 'The endpoint is paused.',
  endpoint_deleted: 'The endpoint was deleted.',
  payload_expunged: 'The payload was expunged.',
  expired: 'Its message was too old to be worth sending.',
  cancelled: 'Somebody cancelled it.',
  skipped: 'Somebody skipped it, so that those behind it go on.',
  discarded: 'It was held, and somebody discarded what was held.',
} as const;

export type DeliveryReason = keyof typeof deliveryReasons;
/** Why an endpoint takes nothing at the moment. */
export type HeldReason = Extract<DeliveryReason, 'endpoint_disabled' | 'endpoint_paused'>;

/** What an attempt did to its delivery. */
export type Verdict =
  | { readonly state: 'succeeded' }
  | { readonly state: 'pending'; readonly nextAttemptAt: number }
  | {
      readonly state: 'failed';
      readonly reason: Extract<DeliveryReason, 'retries_exhausted' | 'final_status' | 'endpoint_gone'>;
    }
  | { readonly state: 'cancelled'; readonly reason: Extract<DeliveryReason, 'expired'> };

/**
 * The state after attempt number `attemptNumber` (from 1) ended as `exchange`. The first try and every retry go
 * through here. `now` is the time the answer was in, `expiresAt` the message's, in ms since the Unix epoch.
 */
export function afterAttempt(params: {
  exchange: Exchange;
  attemptNumber: number;
  policy: RetryPolicy;
  expiresAt: number | null;
  now: number;
  random: Random;
}): Verdict {
  const { exchange, policy, expiresAt } = params;
  if (succeeded(exchange)) return { state: 'succeeded' };
  if (exchange.status === GONE) return { state: 'failed', reason: 'endpoint_gone' };
  if (exchange.status !== null && policy.finalStatuses.includes(exchange.status))
    return { state: 'failed', reason: 'final_status' };
  const nextAttemptAt = retryAt({ ...params, schedule: policy.schedule });
  if (nextAttemptAt === null) return { state: 'failed', reason: 'retries_exhausted' };
  if (expiresAt !== null && nextAttemptAt >= expiresAt) return { state: 'cancelled', reason: 'expired' };
  return { state: 'pending', nextAttemptAt };
}

/** What a resend did: it is one attempt outside of the schedule, and there is no other after it. */
export function afterResend(exchange: Exchange): Verdict {
  return succeeded(exchange) ? { state: 'succeeded' } : { state: 'failed', reason: 'retries_exhausted' };
}
