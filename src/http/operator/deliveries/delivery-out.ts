import type { Static } from 'typebox';
import type { Delivery } from '../../../model/delivery.ts';
import { timeText } from '../message-out.ts';
import type { DeliveryOut } from '../schemas/status.ts';
import { statusOf } from './delivery-status.ts';

/** `expanded`: the caller knows the status `canceled`. */
export function deliveryOut(
  delivery: Pick<Delivery, 'state' | 'reason' | 'attemptCount' | 'nextAttemptAt'>,
  expanded: boolean,
): Static<typeof DeliveryOut> {
  const { state, reason, attemptCount, nextAttemptAt } = delivery;
  const nextAttempt = nextAttemptAt === null ? null : timeText(nextAttemptAt);
  return { ...statusOf(state, expanded), nextAttempt, state, reason, attemptCount };
}
