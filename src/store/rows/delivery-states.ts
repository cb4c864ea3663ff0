import type { DeliveryState } from '../../model/delivery.ts';

/** In the order of their codes in the tables. */
const STATES: readonly DeliveryState[] = ['pending', 'sending', 'succeeded', 'failed', 'held', 'cancelled'];

export function stateCode(state: DeliveryState): number {
  return STATES.indexOf(state);
}

export function stateOf(code: number): DeliveryState {
  return STATES[code] as DeliveryState;
}
