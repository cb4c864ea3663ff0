import type { Tally } from '../../model/tally.ts';

export interface TimedTally extends Tally {
  /** ms since the Unix epoch. */
  readonly beganAt: number;
}

/**
 * What was counted, by minutes and by hours: in the transaction in which messages were accepted, and attempts recorded. Times are those
 * of these calls (`now`). Each is counted for its endpoint, its application and for all; what is counted stays when the rows go.
 *
 *     messageAccept, deliveryRecord ──► minutes ──tallyRoll──► hours ──tallyPurge──► gone
 */
export interface TallyStore {
  /**
   * By time, from `from` on and before `to`; times in which nothing was counted are left out. By minutes: those not yet rolled up. By
   * hours: all of it, also what is not rolled up yet.
   */
  tallyList(params: {
    of: TallyOwner;
    bucket: 'minute' | 'hour';
    from: number;
    to: number;
  }): Promise<TimedTally[]>;
  /** Makes hours of minutes that began before `before`, which is the beginning of an hour. Returns how many rows went, at most `limit`. */
  tallyRoll(params: { before: number; limit: number }): Promise<number>;
  /** Forgets hours that began before `before`. Returns how many rows went, at most `limit`. */
  tallyPurge(params: { before: number; limit: number }): Promise<number>;
}

/** An endpoint, an application, or all (no keys). */
export interface TallyOwner {
  readonly applicationKey?: number;
  readonly endpointKey?: number;
}
