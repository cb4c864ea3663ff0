import type { Delivery, DeliveryState } from '../model/delivery.ts';

/** One whose retry waits in memory under its lease is shown as what it is to a reader: pending. */
export function shown<Row extends Delivery>(delivery: Row, now: number): Row {
  const waits = delivery.state === 'sending' && (delivery.nextAttemptAt ?? 0) > now;
  return waits ? { ...delivery, state: 'pending' } : delivery;
}

/** The states in the store that can be shown as one of these. */
export function storedStates(states: readonly DeliveryState[]): readonly DeliveryState[] {
  return states.includes('pending') ? [...states, 'sending'] : states;
}
