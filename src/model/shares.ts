/** How this process shares the sending with the others of its store: the nodes, which are equal. */
export interface Shares {
  /** Live nodes; 1: it is alone. */
  readonly count: number;
  /** Whether this node is the one that sends for what only one may: `key` of an endpoint, or of an application with a throttle. */
  owns(kind: OwnedKind, key: number): boolean;
  /** Whether its leases hold, so that something new may be sent now. Cheap: asked before requests. */
  holds(): boolean;
}

export type OwnedKind = 'endpoint' | 'application';

/** A node without others, whose leases nobody can end. */
export const ALONE: Shares = { count: 1, owns: () => true, holds: () => true };
