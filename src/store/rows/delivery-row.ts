import type { Delivery, DeliveryReason } from '../../model/delivery.ts';
import { stateOf } from './delivery-states.ts';

export interface DeliveryRow {
  message_key: number;
  endpoint_key: number;
  state: number;
  attempt_count: number;
  next_attempt_at: number | null;
  order_key: string | null;
  reason: DeliveryReason | null;
}

export function delivery(row: DeliveryRow): Delivery {
  return {
    messageKey: row.message_key,
    endpointKey: row.endpoint_key,
    state: stateOf(row.state),
    attemptCount: row.attempt_count,
    nextAttemptAt: row.next_attempt_at,
    orderKey: row.order_key,
    reason: row.reason,
  };
}

export interface MessageDeliveryRow extends DeliveryRow {
  message_id: string;
}

/** With its message's id. */
export function messageDelivery(
  row: MessageDeliveryRow | null | undefined,
): (Delivery & { readonly messageId: string }) | null {
  return row === null || row === undefined ? null : { ...delivery(row), messageId: row.message_id };
}
