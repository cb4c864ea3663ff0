import type { Lease } from '../../model/lease.ts';
import type { Stopped } from './deliveries.ts';

/**
 * The processes that use a store, and what they tell each other. Each is a node: it joins under an epoch, which its fences
 * begin with, and holds what it leased for as long as it beats.
 *
 *     nodeJoin ──► live ──┬─► ended (it left, or its time was over) ──► forgotten (its leases are released)
 *                   ▲     │
 *                   └─────┘ nodeBeat
 */
export interface NodeStore {
  /** Whether several processes may use this store at once. */
  readonly shared: boolean;
  /** Commits of publishes that may be under way at once. */
  readonly parallelCommits: number;

  /** Registers this process under a new epoch, above all earlier ones. Its leases hold for `leaseMs` after each beat, by the store's clock. */
  nodeJoin(params: { name: string; leaseMs: number }): Promise<{ epoch: number }>;
  /** Renews this node, and ends nodes whose time is over. `lost`: another node ended this one; it must join again, and its leases are void. */
  nodeBeat(params: { epoch: number; leaseMs: number }): Promise<NodeView | 'lost'>;
  /** Ends it at once: what it has leased can be released. */
  nodeLeave(params: { epoch: number }): Promise<void>;
  /** Forgets an ended node, whose leases are all released. */
  nodeForget(params: { epoch: number }): Promise<void>;
  /** All that are not forgotten, by epoch. */
  nodeList(): Promise<NodeInfo[]>;

  /**
   * Makes pending what is leased under fences from `from` and below `before`, resends too, at most `limit` of them; lines as in
   * `deliveryUnlease`. `more`: another call may find more. `stored`: as in `Stopped`.
   */
  deliveryRelease(params: {
    from: number;
    before: number;
    now: number;
    limit: number;
  }): Promise<{ released: number; more: boolean; stored: Stopped['stored'] }>;

  /**
   * Tells this process what other processes did, until the store closes. What was missed comes as `look`. A store that is not
   * shared never tells anything.
   */
  listen(told: (signals: readonly Signal[]) => void): void;
  /** Tells the other processes. */
  signalSend(params: { signals: readonly Signal[] }): Promise<void>;
  /** Runs `work` while no other such call runs, of this process or of another. */
  exclusively<T>(work: () => Promise<T>): Promise<T>;
  /**
   * What the store has to do from time to time, on one node: make partitions ahead, purge signals, and forget messages older than
   * `keepMs` (null: none) with all that hangs on them, but for those of which something is open (pending, sending, held, failed while
   * it stands before others of its line, or to be sent once more). Where they go one by one, a call deletes about `rows` rows, and
   * `more` says that another one finds something; where a partition goes at a time, with the last message that is too old, and when
   * nothing of all of them was open for a while.
   */
  storeTend(params: { now: number; keepMs: number | null; rows: number }): Promise<{ more: boolean }>;
}

export interface NodeView {
  /** Epochs of live nodes, ascending, own included. */
  readonly live: readonly number[];
  /** Of the live nodes; none in a store that is not shared. */
  readonly leases: readonly NodeLease[];
  /** Ended nodes whose leases may not all be released yet. */
  readonly ended: readonly EndedNode[];
  /** The store's wall time in the middle of the call, ms since the Unix epoch; null: its clock is this process's own. */
  readonly now: number | null;
}

export interface EndedNode {
  readonly epoch: number;
  /** Its fences are from `from` on and below `before`. */
  readonly from: number;
  readonly before: number;
  /** As it joined; null: the store does not keep it. */
  readonly name: string | null;
  /** So long ago it was heard of for the last time, and then others ended it; null: it left by itself, or the store does not tell. */
  readonly silentMs: number | null;
}

export interface NodeLease {
  readonly epoch: number;
  readonly name: string;
  /** As it gave it with its last beat, within milliseconds. */
  readonly leaseMs: number;
}

export interface NodeInfo {
  readonly epoch: number;
  readonly name: string;
  /** By the store's clock, ms since the Unix epoch. */
  readonly startedAt: number;
  readonly beatAt: number;
  readonly ended: boolean;
}

/** What one process tells the others. */
export type Signal =
  /** It, or one of its endpoints, was changed or deleted. */
  | { readonly kind: 'application'; readonly applicationKey: number }
  | { readonly kind: 'event_types' }
  | { readonly kind: 'keys' }
  /** Something waits in the store. */
  | {
      readonly kind: 'stored';
      readonly endpoints: readonly { readonly endpointKey: number; readonly dueAt: number }[];
    }
  /** Leases that are void. */
  | {
      readonly kind: 'dropped';
      readonly leases: readonly Lease[];
    }
  | { readonly kind: 'task' }
  | { readonly kind: 'announced' }
  | { readonly kind: 'failing' }
  /** A person waits: an open breaker's probe goes out at once. */
  | { readonly kind: 'hurry'; readonly endpointKey: number }
  /** Signals may have been missed: look at everything. */
  | { readonly kind: 'look' };
