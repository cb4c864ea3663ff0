import type { LeasedDelivery } from '../model/lease.ts';

/**
 * The lines of a lane of which one is under way, and what is parked behind it. The store lets the next of a line go when one
 * is done: by its record, but also when it is cancelled or expires during its request, or when a resend of it arrives. Then the
 * next one comes here while that request is still open, and waits for its end. A resend stands in no line.
 */
export class Lines {
  readonly #busy = new Set<string>();
  /** Also what was given back or became void since: whoever takes it out looks whether it still waits. */
  #parked: LeasedDelivery[] = [];

  /** Whether one of the delivery's line is under way. */
  isBusy({ orderKey }: LeasedDelivery): boolean {
    return orderKey !== null && this.#busy.has(orderKey);
  }

  begin(orderKey: string): void {
    this.#busy.add(orderKey);
  }

  park(delivery: LeasedDelivery): void {
    this.#parked.push(delivery);
  }

  isParked(delivery: LeasedDelivery): boolean {
    return this.#parked.includes(delivery);
  }

  /** A request ended. Returns what was parked behind it. */
  end(orderKey: string): LeasedDelivery[] {
    this.#busy.delete(orderKey);
    if (this.#parked.length === 0) return [];
    const freed = this.#parked.filter((delivery) => delivery.orderKey === orderKey);
    this.#parked = this.#parked.filter((delivery) => delivery.orderKey !== orderKey);
    return freed;
  }
}
