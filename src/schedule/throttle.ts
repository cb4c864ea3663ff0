import type { Clock } from '../model/clock.ts';
import type { Destination } from '../model/destination.ts';
import { Fifo } from '../model/fifo.ts';
import type { Alarms } from './alarms.ts';
import type { Lane, LaneThrottle, SharedThrottle } from './lane.ts';
import { Pace } from './pace.ts';

export interface ThrottlesOptions {
  clock: Clock;
  alarms: Alarms;
  /** Gives the lane another throttle: what it has in memory is counted by it. */
  set(lane: Lane, throttle: LaneThrottle | null): void;
  /** The lane may have a turn again. */
  wake(lane: Lane): void;
}

/**
 * Holds lanes to the rates of their endpoints and applications. A lane whose time has not come is out of the turns, and
 * comes back by an alarm. The lanes of one application stand in one line, and its one alarm lets out as many as may
 * begin: waking costs what is sent, however many lanes wait.
 */
export class Throttles {
  readonly #options: ThrottlesOptions;
  readonly #shared = new Map<number, SharedThrottle>();

  constructor(options: ThrottlesOptions) {
    this.#options = options;
  }

  /** Takes on the rates of the lane's endpoint as they are now. */
  adopt(lane: Lane, { target, throttleRate, applicationThrottleRate }: Destination): void {
    const { throttle } = lane;
    if (throttle === null && throttleRate === null && applicationThrottleRate === null) return;
    const now = this.#options.clock.monotonic();
    const shared =
      applicationThrottleRate === null
        ? null
        : this.#share(target.applicationKey, applicationThrottleRate, now);
    // What it stands in line for is the same: it keeps its place.
    if (throttle?.shared === shared && (throttle?.own?.rate ?? null) === throttleRate) return;
    const own = throttleRate === null ? null : (throttle?.own ?? new Pace(throttleRate));
    own?.change(throttleRate as number, now);
    if (shared !== null) shared.lanes++;
    this.#replace(
      lane,
      own === null && shared === null
        ? null
        : { own, shared, wakeAt: Number.POSITIVE_INFINITY, inLine: false, released: false },
    );
  }

  /** The lane is no longer there. */
  forget(lane: Lane): void {
    if (lane.throttle !== null) this.#replace(lane, null);
  }

  /** Begins one of the lane's deliveries, or keeps the lane waiting until one may begin. */
  admits(lane: Lane, throttle: LaneThrottle): boolean {
    const { own, shared } = throttle;
    const now = this.#options.clock.monotonic();
    const waitMs = own === null ? 0 : own.waitMs(now);
    if (waitMs > 0) {
      this.#delay(lane, throttle, now + waitMs, waitMs);
      return false;
    }
    if (shared !== null && !this.#passes(lane, throttle, shared, now)) return false;
    own?.take(now);
    shared?.pace.take(now);
    return true;
  }

  #passes(lane: Lane, throttle: LaneThrottle, shared: SharedThrottle, now: number): boolean {
    const isNext = throttle.released || shared.line.size === 0;
    throttle.released = false;
    if (isNext && shared.pace.waitMs(now) === 0) return true;
    throttle.inLine = true;
    lane.delayed = true;
    // An alarm is set for a line that others stand in.
    if (shared.line.size === 0) this.#serveLater(shared, now);
    shared.line.push(lane);
    return false;
  }

  #delay(lane: Lane, throttle: LaneThrottle, at: number, waitMs: number): void {
    lane.delayed = true;
    throttle.wakeAt = at;
    this.#options.alarms.set(waitMs, () => {
      if (lane.throttle !== throttle || throttle.wakeAt !== at) return;
      throttle.wakeAt = Number.POSITIVE_INFINITY;
      lane.delayed = false;
      this.#options.wake(lane);
    });
  }

  /** @param behind So many that were let out have not begun yet. */
  #serveLater(shared: SharedThrottle, now: number, behind = 0): void {
    const waitMs = shared.pace.waitMs(now, behind);
    const at = now + waitMs;
    if (at >= shared.servedAt) return;
    shared.servedAt = at;
    this.#options.alarms.set(waitMs, () => {
      if (shared.servedAt !== at) return;
      shared.servedAt = Number.POSITIVE_INFINITY;
      this.#serve(shared);
    });
  }

  /** Lets out as many as may begin. Who has nothing to send any more is passed over. */
  #serve(shared: SharedThrottle): void {
    const now = this.#options.clock.monotonic();
    const available = shared.pace.available(now);
    let left = available;
    while (left > 0) {
      const lane = shared.line.shift();
      if (lane === undefined) return;
      const { throttle } = lane;
      if (throttle?.shared !== shared || !throttle.inLine) continue;
      throttle.inLine = false;
      lane.delayed = false;
      if (!lane.canSend) continue;
      throttle.released = true;
      left--;
      this.#options.wake(lane);
    }
    if (shared.line.size > 0) this.#serveLater(shared, now, available);
  }

  #share(applicationKey: number, rate: number, now: number): SharedThrottle {
    let shared = this.#shared.get(applicationKey);
    if (shared === undefined) {
      const pace = new Pace(rate);
      shared = {
        applicationKey,
        pace,
        line: new Fifo(),
        lanes: 0,
        servedAt: Number.POSITIVE_INFINITY,
      };
      this.#shared.set(applicationKey, shared);
    }
    if (shared.pace.rate !== rate) {
      shared.pace.change(rate, now);
      if (shared.line.size > 0) this.#serveLater(shared, now);
    }
    return shared;
  }

  #replace(lane: Lane, throttle: LaneThrottle | null): void {
    const shared = lane.throttle?.shared ?? null;
    this.#options.set(lane, throttle);
    lane.delayed = false;
    if (shared !== null && --shared.lanes === 0) this.#shared.delete(shared.applicationKey);
  }
}
