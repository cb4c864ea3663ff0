import type { Clock } from '../model/clock.ts';
import type { Destination } from '../model/destination.ts';
import type { SendJob } from '../model/exchange.ts';
import { Fifo } from '../model/fifo.ts';
import type { LeasedDelivery } from '../model/lease.ts';
import type { Destinations } from './destinations.ts';
import type { Standing } from './holding.ts';
import type { Lane } from './lane.ts';
import { Lines } from './lines.ts';
import type { Places } from './places.ts';
import type { Throttles } from './throttle.ts';

export interface TurnsOptions {
  clock: Clock;
  places: Places;
  destinations: Destinations;
  throttles: Throttles;
  requestTimeoutMs: number;
  /** Whether leases hold, so that requests may begin. */
  holds(): boolean;
  send(jobs: readonly SendJob[]): void;
  /** These were too old when their turn came, and were taken out of their lanes. */
  expired(deliveries: readonly LeasedDelivery[]): void;
  /** It was taken out of what is ready, for its line is busy. */
  parked(lane: Lane, delivery: LeasedDelivery): void;
}

/** A request that was begun. */
export interface UnderWay {
  readonly lane: Lane;
  readonly delivery: LeasedDelivery;
  /** The lane's, when the request began. */
  readonly standing: Standing;
  readonly destination: Destination;
}

/** A lane's turn: so many at a time, then the next lane; one at a time while nothing good is known of the endpoint. */
const TURN = 4;

/** Lanes with something ready take turns, so that a dead, slow or busy endpoint delays no other. */
export class Turns {
  readonly #options: TurnsOptions;
  readonly #lanes = new Fifo<Lane>();
  readonly #underWay = new Map<number, UnderWay>();
  #lastRef = 0;
  #pumping = false;
  #paused = false;
  #stopped = false;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** Requests under way. */
  get underWay(): number {
    return this.#underWay.size;
  }

  /** Whether a request of this delivery, or with `resends` a resend of it, is under way. Looks at all requests. */
  sends(endpointKey: number, messageKey: number, { resends }: { resends: boolean }): boolean {
    for (const { delivery } of this.#underWay.values()) {
      const { resendKey } = delivery;
      if (delivery.messageKey !== messageKey || delivery.endpointKey !== endpointKey) continue;
      if (resends || resendKey === null) return true;
    }
    return false;
  }

  /** Gives the lane its turn when those before it had theirs. */
  take(lane: Lane): void {
    if (lane.queued || !lane.canSend) return;
    lane.queued = true;
    this.#lanes.push(lane);
  }

  /** Once the events at hand are dealt with, sends what may be sent. */
  pumpSoon(): void {
    if (this.#pumping || this.#paused || this.#stopped) return;
    if (this.#lanes.size === 0 && !this.#options.places.awaited) return;
    this.#pumping = true;
    this.#options.clock.soon(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  /** The request is no longer under way. Undefined when it is not known. */
  end(ref: number): UnderWay | undefined {
    const request = this.#underWay.get(ref);
    if (request === undefined) return undefined;
    this.#underWay.delete(ref);
    request.lane.inFlight--;
    return request;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.pumpSoon();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Hears no more of what is under way. */
  abandon(): void {
    this.#underWay.clear();
  }

  /** Gives lanes their turns until all are empty or full, or there are no places left for them. */
  #pump(): void {
    if (this.#paused || this.#stopped || !this.#options.holds()) return;
    const { places, destinations, throttles, send, expired } = this.#options;
    const jobs: SendJob[] = [];
    const tooOld: LeasedDelivery[] = [];
    const released = places.released();
    for (const lane of released) this.#lanes.push(lane);
    for (let lane = this.#lanes.shift(); lane !== undefined; lane = this.#lanes.shift()) {
      lane.queued = false;
      // Since it was queued, its deliveries may have become void.
      const destination = lane.canSend ? (lane.destination ?? destinations.of(lane)) : null;
      if (destination === null) continue;
      if (!places.has(lane.standing, lane.holding)) {
        lane.queued = true;
        places.await(lane);
        if (places.full) break;
        continue;
      }
      if (lane.throttle !== null && !throttles.admits(lane, lane.throttle)) continue;
      this.#turn(lane, destination, jobs, tooOld);
      this.take(lane);
    }
    if (jobs.length > 0) send(jobs);
    // Those that were let out have nothing to send any more: nobody else would let out those behind them.
    else if (released.length > 0) this.pumpSoon();
    if (tooOld.length > 0) expired(tooOld);
  }

  #turn(lane: Lane, destination: Destination, jobs: SendJob[], tooOld: LeasedDelivery[]): void {
    const { places } = this.#options;
    const turns = lane.standing === 'answering' && lane.throttle === null ? TURN : 1;
    for (let turn = 0; turn < turns && lane.canSend && places.has(lane.standing, lane.holding); turn++) {
      const delivery = this.#next(lane, tooOld);
      if (delivery === undefined) return;
      jobs.push(this.#begin(lane, delivery, destination));
    }
  }

  /** The lane's next delivery that is worth sending, and may be sent beside what is under way. */
  #next(lane: Lane, tooOld: LeasedDelivery[]): LeasedDelivery | undefined {
    const { ready, lines } = lane;
    for (let delivery = ready.shift(); delivery !== undefined; delivery = ready.shift()) {
      if (this.#isTooOld(delivery)) tooOld.push(delivery);
      else if (lines?.isBusy(delivery)) this.#options.parked(lane, delivery);
      else return delivery;
    }
    return undefined;
  }

  #isTooOld({ expiresAt, resendKey }: LeasedDelivery): boolean {
    return expiresAt !== null && resendKey === null && expiresAt <= this.#options.clock.now();
  }

  #begin(lane: Lane, delivery: LeasedDelivery, destination: Destination): SendJob {
    const ref = ++this.#lastRef;
    lane.inFlight++;
    lane.breaker?.sent(delivery);
    if (delivery.orderKey !== null) {
      lane.lines ??= new Lines();
      lane.lines.begin(delivery.orderKey);
    }
    const { standing } = lane;
    this.#options.places.take(standing, lane.holding);
    this.#underWay.set(ref, { lane, delivery, standing, destination });
    return {
      ref,
      target: destination.target,
      messageId: delivery.messageId,
      payload: delivery.payload,
      timeoutMs: this.#options.requestTimeoutMs,
      test: false,
      queue: lane,
    };
  }
}
