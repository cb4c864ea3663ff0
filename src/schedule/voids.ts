import type { Lease } from '../model/lease.ts';

/**
 * Leases of a lane that became void while the store's answer which brings them was perhaps still on its way: a claim, a
 * commit, a record. Each is known by all that makes it one: a later lease on the same delivery is good, and so is one on a resend
 * of it, though the same claim took it.
 */
export class Voids {
  readonly #names = new Set<string>();
  readonly #most: number;

  /** @param most As many as the lane may have deliveries in memory: no more can be on their way. */
  constructor(most: number) {
    this.#most = most;
  }

  add(lease: Lease): void {
    this.#names.add(nameOf(lease));
    if (this.#names.size <= this.#most) return;
    const [oldest] = this.#names;
    this.#names.delete(oldest as string);
  }

  has(lease: Lease): boolean {
    return this.#names.has(nameOf(lease));
  }
}

function nameOf({ messageKey, fence, resendKey }: Lease): string {
  return `${messageKey} ${fence} ${resendKey}`;
}
