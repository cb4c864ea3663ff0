import type { Exchange } from './exchange.ts';

export type AttemptTrigger = 'scheduled' | 'manual';

/** One HTTP request of a delivery, on record. */
export interface Attempt {
  /** `atmpt_…` */
  readonly id: string;
  readonly messageKey: number;
  readonly endpointKey: number;
  /** 1 for the first try of the schedule, which a recovery begins again; 0: a resend, which is outside of it. */
  readonly number: number;
  readonly trigger: AttemptTrigger;
  /** What was dialled: the endpoint's URL may have changed since. */
  readonly url: string;
  readonly exchange: Exchange;
}
