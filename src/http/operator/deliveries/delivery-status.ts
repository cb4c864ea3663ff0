import type { DeliveryState } from '../../../model/delivery.ts';

export const SUCCESS = { status: 0, statusText: 'success' } as const;
export const FAIL = { status: 2, statusText: 'fail' } as const;
const CANCELED = { status: 4, statusText: 'canceled' } as const;

/** The protocol knows fewer states than Posthorn: a held delivery waits, a cancelled one will not arrive. */
const STATUS = {
  succeeded: SUCCESS,
  pending: { status: 1, statusText: 'pending' },
  held: { status: 1, statusText: 'pending' },
  failed: FAIL,
  cancelled: FAIL,
  sending: { status: 3, statusText: 'sending' },
} as const satisfies Record<DeliveryState, object>;

const STATES = Object.keys(STATUS) as DeliveryState[];

/** A state in the words of the protocol; `expanded`: the caller knows `canceled`. */
export function statusOf(state: DeliveryState, expanded: boolean) {
  return expanded && state === 'cancelled' ? CANCELED : STATUS[state];
}

/** The states that have this status. Asked for by its number, `canceled` is found by every caller. */
export function statesOf(status: number, expanded: boolean): DeliveryState[] {
  return STATES.filter(
    (state) => statusOf(state, expanded).status === status || statusOf(state, true).status === status,
  );
}
