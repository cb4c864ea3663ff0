import type { NodeLease } from '../store/store.ts';

export interface UnequalLeasesOptions {
  /** Of this node. */
  leaseMs: number;
  log: { info(fields: object, text: string): void; warn(fields: object, text: string): void };
}

/** Leases that differ by a smaller part are the same: the store tells them by two readings of its clock. */
const SAME = 0.05;

/**
 * Whether the live nodes have the same lease. It is each node's own setting; where they differ, the one with the longest looks least
 * often, and takes over late what another with a shorter one had.
 */
export class UnequalLeases {
  readonly #options: UnequalLeasesOptions;
  /** Epochs of those that were told of. */
  #told = '';

  constructor(options: UnequalLeasesOptions) {
    this.#options = options;
  }

  look(leases: readonly NodeLease[]): void {
    const { leaseMs, log } = this.#options;
    const others = leases.filter((other) => Math.abs(other.leaseMs - leaseMs) > leaseMs * SAME);
    const epochs = others.map(({ epoch }) => epoch).join(' ');
    if (epochs === this.#told) return;
    this.#told = epochs;
    if (others.length === 0) {
      log.info({ leaseMs }, 'all nodes have the same POSTHORN_NODE_LEASE again');
      return;
    }
    log.warn(
      { leaseMs, others: others.map((other) => ({ name: other.name, leaseMs: Math.round(other.leaseMs) })) },
      'other nodes have another POSTHORN_NODE_LEASE than this one: set the same on all, or what a node had that dies is taken over later than its own says',
    );
  }
}
