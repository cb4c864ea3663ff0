import type { Lease, LeasedDelivery } from '../../model/lease.ts';

/** What waits to be sent, and who has the right to send it. */
export interface LeaseStore {
  /**
   * Leases pending deliveries that are due at `dueBy`, earliest first, with their messages: for each of `lanes` up to so
   * many deliveries and characters of payload, and up to `characters` over all of them. The first delivery of a call, and
   * of each lane that the call gets to, is taken whatever its size. A lane's waiting resends go first, in the order they
   * were asked for: they are due whatever the clock says, and their time is 0. What is due and expired by `dueBy` is cancelled
   * (`expired`), at most as many as the lane may have deliveries or 64, if that is more, and not claimed: its payload is not read
   * and counts for nothing. Resends never expire. Answers in the order of
   * `lanes`; `nextDueAt`: when the first of those left pending is due, null when none is left.
   */
  deliveryClaimDue(params: {
    lanes: readonly LaneClaim[];
    characters: number;
    dueBy: number;
    fence: number;
  }): Promise<{ claimed: LeasedDelivery[]; nextDueAt: number | null }[]>;
  /**
   * Gives leases back: pending, due when they were; whoever of a line gets the turn by it is due `now`. Returns how many of them
   * still held.
   */
  deliveryUnlease(params: { leases: readonly Lease[]; now: number }): Promise<number>;
  /** Per endpoint with pending deliveries or resends: when the first is due. Cost grows with endpoints, not with deliveries. */
  deliveryBacklog(): Promise<Backlog[]>;
  /**
   * Endpoints that take nothing and have deliveries to withdraw that no backlog shows: of deleted ones what is held, of disabled and
   * paused ones too what waits behind another. Cost grows with endpoints.
   */
  deliveryOrphans(): Promise<number[]>;
  /**
   * Takes back up to `limit` deliveries of an endpoint that takes none: those of a deleted one (pending, sending, held)
   * are cancelled and its resends removed, those of a disabled or paused one that are pending are held, whatever they wait for.
   * Another's stay. Returns how many.
   */
  deliveryWithdraw(params: { endpointKey: number; limit: number }): Promise<number>;
}

export interface LaneClaim {
  readonly endpointKey: number;
  readonly deliveries: number;
  readonly characters: number;
}

export interface Backlog {
  readonly endpointKey: number;
  readonly nextDueAt: number;
}
