import type { Clock } from '../model/clock.ts';
import { type Exchange, succeeded } from '../model/exchange.ts';
import type { LeasedDelivery } from '../model/lease.ts';
import type { Alarms } from './alarms.ts';
import { Breaker } from './breaker.ts';
import type { Lane } from './lane.ts';

export interface BreakersOptions {
  clock: Clock;
  alarms: Alarms;
  /** What the lane may send has changed: everything again, its probe, a resend; in memory or else in the store. */
  wake(lane: Lane): void;
  /** It opened, or a probe has failed; or it closed. Not told of what comes from other nodes. */
  changed(lane: Lane, open: boolean): void;
}

/**
 * The breakers of the lanes. A lane gets one with its first failure and loses it with a success: an endpoint that does not
 * fail costs a look at null.
 */
export class Breakers {
  readonly #options: BreakersOptions;

  constructor(options: BreakersOptions) {
    this.#options = options;
  }

  /** Learns from an exchange whether the endpoint works. */
  learn(lane: Lane, delivery: LeasedDelivery, exchange: Exchange): void {
    const { clock, wake, changed } = this.#options;
    if (succeeded(exchange)) {
      if (lane.breaker === null) return;
      const wasOpen = lane.broken;
      lane.breaker = null;
      if (!wasOpen) return;
      changed(lane, false);
      wake(lane);
      return;
    }
    const breaker = lane.breaker ?? new Breaker(lane.endpointKey);
    lane.breaker = breaker;
    const waits = breaker.failed(delivery, clock.monotonic());
    if (waits) this.#ringLater(lane, breaker);
    if (!breaker.open) return;
    // What it could take before says nothing of what it can take when it is back.
    lane.limit = 1;
    if (waits) changed(lane, true);
    if (!breaker.probing) wake(lane);
  }

  /** The endpoint was changed, or somebody wants to see at once whether it works. */
  hurry(lane: Lane): void {
    if (lane.breaker === null) return;
    if (!lane.broken) {
      lane.breaker = null;
      return;
    }
    lane.breaker.hurry(this.#options.clock.monotonic());
    this.#options.wake(lane);
  }

  /** Another node found that the endpoint only fails. */
  open(lane: Lane): void {
    if (lane.broken) return;
    const breaker = lane.breaker ?? new Breaker(lane.endpointKey);
    lane.breaker = breaker;
    breaker.trip(this.#options.clock.monotonic());
    this.#ringLater(lane, breaker);
    lane.limit = 1;
  }

  /** Another node found that it works. */
  close(lane: Lane): void {
    lane.breaker = null;
  }

  #ringLater(lane: Lane, breaker: Breaker): void {
    const { clock, alarms, wake } = this.#options;
    const { probeAt } = breaker;
    alarms.set(probeAt - clock.monotonic(), () => {
      // Closed meanwhile, or another wait began.
      if (lane.breaker !== breaker || breaker.probeAt !== probeAt) return;
      breaker.rang();
      wake(lane);
    });
  }
}
