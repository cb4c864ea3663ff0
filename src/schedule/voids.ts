import type { LeasedDelivery } from '../model/lease.ts';

interface Void {
  /** Fences below this one were given before. */
  readonly before: number;
  readonly resends: boolean;
}

/**
 * Leases of a lane that became void while the store's answer which brings them was perhaps still on its way: a claim, a
 * commit, a record. They are known by their message and by their fence, so that a later lease on the same delivery is good.
 */
export class Voids {
  readonly #voids = new Map<number, Void>();
  readonly #most: number;

  /** @param most As many as the lane may have deliveries in memory: no more can be on their way. */
  constructor(most: number) {
    this.#most = most;
  }

  add(messageKey: number, entry: Void): void {
    const known = this.#voids.get(messageKey);
    // Last, as the newest; what was void stays void.
    this.#voids.delete(messageKey);
    this.#voids.set(messageKey, { before: entry.before, resends: entry.resends || known?.resends === true });
    if (this.#voids.size <= this.#most) return;
    const [oldest] = this.#voids.keys();
    this.#voids.delete(oldest as number);
  }

  has({ messageKey, fence, resendKey }: LeasedDelivery): boolean {
    const entry = this.#voids.get(messageKey);
    return entry !== undefined && fence < entry.before && (resendKey === null || entry.resends);
  }
}
