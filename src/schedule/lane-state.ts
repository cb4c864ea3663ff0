import type { Clock } from '../model/clock.ts';
import type { Lane } from './lane.ts';

/** What memory knows of an endpoint. */
export interface LaneState {
  /** Requests under way, and how many there may be at present: more with each answer, up to the endpoint's `maxInFlight`. */
  readonly inFlight: number;
  readonly limit: number;
  /** Deliveries in memory, those under way too. */
  readonly resident: number;
  readonly breaker: {
    readonly open: boolean;
    /** In a row; null: another node sends for it, and has counted them. */
    readonly failures: number | null;
    /**
     * When the next delivery is tried, ms since the Unix epoch: that which is due first, but not before the breaker's own time.
     * Null while it is closed, while one is tried, and when none waits.
     */
    readonly probeAt: number | null;
  };
  /** Something is ready, and waits for a throttle. */
  readonly throttled: boolean;
  /** Another node sends for it, and knows more. */
  readonly elsewhere: boolean;
}

/** Of an endpoint that another node sends for, and whose breaker is open there: `known` is what this one has of it. */
export function brokenElsewhere(known: LaneState | null): LaneState {
  return {
    inFlight: known?.inFlight ?? 0,
    limit: 1,
    resident: known?.resident ?? 0,
    breaker: { open: true, failures: null, probeAt: null },
    throttled: false,
    elsewhere: true,
  };
}

export function laneState(lane: Lane, clock: Clock): LaneState {
  const { inFlight, resident, breaker, elsewhere } = lane;
  const nextDueAt = lane.nextDueAt();
  const waits = lane.broken && breaker?.probing === false && nextDueAt !== null;
  const waitMs = waits ? Math.max(0, breaker.probeAt - clock.monotonic()) : 0;
  return {
    // The sender may have been given more, which it has not begun.
    inFlight: Math.min(inFlight, lane.atOnce),
    limit: lane.atOnce,
    resident,
    breaker: {
      open: lane.broken,
      failures: breaker?.failures ?? 0,
      probeAt: waits ? Math.max(nextDueAt, Math.round(clock.now() + waitMs)) : null,
    },
    throttled: lane.delayed && lane.ready.size > 0,
    elsewhere,
  };
}
