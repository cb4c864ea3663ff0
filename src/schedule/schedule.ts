import { RETRY_IN_MEMORY_MS, SCHEDULE_LIMITS } from '../limits.ts';
import type { Clock } from '../model/clock.ts';
import type { Destination } from '../model/destination.ts';
import type { Exchange, SendJob, SendResult } from '../model/exchange.ts';
import type { LeasedDelivery, Settlement } from '../model/lease.ts';
import type { RetryPolicy } from '../model/retry-schedule.ts';
import type { Store } from '../store/store.ts';
import { Alarms } from './alarms.ts';
import { Breakers } from './breakers.ts';
import { Destinations } from './destinations.ts';
import { Holdings } from './holding.ts';
import type { Lane } from './lane.ts';
import { Lanes } from './lanes.ts';
import { Loader } from './loader.ts';
import { Places } from './places.ts';
import { Residency } from './residency.ts';
import { Throttles } from './throttle.ts';
import { Turns } from './turns.ts';
import { Unloader } from './unloader.ts';
import { Voids } from './voids.ts';

export interface ScheduleOptions {
  store: Pick<Store, 'deliveryClaimDue' | 'deliveryBacklog' | 'deliveryUnlease'>;
  clock: Clock;
  fences: { next(): number };
  requestTimeoutMs: number;
  limits?: typeof SCHEDULE_LIMITS;
  /** Where an endpoint's deliveries go, and how: null when it was deleted. At once when it is known in memory. */
  destination(endpointKey: number): Destination | null | Promise<Destination | null>;
  send(jobs: readonly SendJob[]): void;
  /** Gets each delivery that was sent, with what came back. */
  ended(delivery: LeasedDelivery, exchange: Exchange, sentBy: SentBy): void;
  /** These expired before they were sent, and are in memory no longer: they want to be cancelled in the store. */
  expired(deliveries: readonly LeasedDelivery[]): void;
  /** The endpoint is deleted, disabled or paused: what waits for it in the store wants to be withdrawn. */
  orphaned(endpointKey: number): void;
  log: { warn(fields: object, text: string): void };
}

/** Of the endpoint, as it was when the request began. */
export interface SentBy {
  readonly url: string;
  readonly applicationKey: number;
  readonly retryPolicy: RetryPolicy;
}

/** What memory knows of an endpoint. */
export interface LaneState {
  /** Requests under way, and how many there may be at present: more with each answer, up to the endpoint's `maxInFlight`. */
  readonly inFlight: number;
  readonly limit: number;
  /** Deliveries in memory, those under way too. */
  readonly resident: number;
  readonly breaker: {
    readonly open: boolean;
    /** In a row. */
    readonly failures: number;
    /**
     * When the next delivery is tried, ms since the Unix epoch: that which is due first, but not before the breaker's own time.
     * Null while it is closed, while one is tried, and when none waits.
     */
    readonly probeAt: number | null;
  };
  /** Something is ready, and waits for a throttle. */
  readonly throttled: boolean;
}

/**
 * Decides what goes next. Each endpoint has a lane; lanes with something ready take turns. Memory is bounded: what finds no
 * room waits in the store and is claimed lane by lane.
 *
 *              its line is busy
 *                  parked ◄─┐
 *     its request   │       │
 *     has ended     ▼       │
 *     push ──► ready ──turn─┴► in flight ──► (record) ──► settled: gone
 *                ▲                               │
 *                ├── alarm ◄── waits in memory ◄─┤ due soon
 *                └── claim ◄── waits in store  ◄─┘ due later
 *
 * A lane is out of the turns while its throttle has it wait, and while its breaker is open but for probes and resends. A
 * disabled or paused endpoint's lane is paused: everything in memory goes back to the store, where it is held, and what
 * comes after it too, until the endpoint is changed again.
 */
export class Schedule {
  readonly #options: ScheduleOptions;
  readonly #clock: Clock;
  readonly #limits: typeof SCHEDULE_LIMITS;
  readonly #alarms: Alarms;
  readonly #lanes: Lanes;
  readonly #holdings = new Holdings();
  readonly #turns: Turns;
  readonly #places: Places;
  readonly #residency: Residency;
  readonly #loader: Loader;
  readonly #unloader: Unloader;
  readonly #destinations: Destinations;
  readonly #throttles: Throttles;
  readonly #breakers: Breakers;
  #stopped = false;
  #drained: (() => void) | null = null;

  constructor(options: ScheduleOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#limits = options.limits ?? SCHEDULE_LIMITS;
    this.#alarms = new Alarms(options.clock);
    this.#places = new Places(this.#limits.inFlight);
    this.#residency = new Residency(this.#limits);
    this.#lanes = new Lanes(this.#holdings.unknown, (lane) => {
      this.#throttles.forget(lane);
      this.#holdings.leave(lane.holding);
    });
    const parts = { ...options, alarms: this.#alarms, residency: this.#residency };
    this.#loader = new Loader({
      ...parts,
      claim: this.#limits.claim,
      loaded: (lane, claimed) => this.#loaded(lane, claimed),
    });
    this.#unloader = new Unloader({ ...parts, unloaded: (lane, dueAt) => this.#unloaded(lane, dueAt) });
    this.#destinations = new Destinations({
      ...parts,
      found: (lane, destination) => this.#found(lane, destination),
      ready: (lane) => this.#resume(lane),
    });
    this.#throttles = new Throttles({
      ...parts,
      set: (lane, throttle) => this.#residency.setThrottle(lane, throttle),
      wake: (lane) => this.#resume(lane),
    });
    this.#breakers = new Breakers({
      ...parts,
      wake: (lane) => {
        this.#loader.wake(lane);
        this.#resume(lane);
      },
    });
    this.#turns = new Turns({
      ...parts,
      places: this.#places,
      destinations: this.#destinations,
      throttles: this.#throttles,
      expired: (deliveries) => this.#expired(deliveries),
      parked: (lane, delivery) => {
        lane.lines?.park(delivery);
        this.#wait(lane, delivery);
      },
    });
  }

  /** Learns what waits in the store. Reads a row per endpoint, not per delivery. */
  async start(): Promise<void> {
    for (const { endpointKey, nextDueAt } of await this.#options.store.deliveryBacklog())
      this.stored(endpointKey, nextDueAt);
  }

  get inFlight(): number {
    return this.#turns.underWay;
  }

  get resident(): number {
    return this.#residency.deliveries;
  }

  /** Whether a request of this delivery, or with `resends` a resend of it, is under way. */
  sends(endpointKey: number, messageKey: number, of: { resends: boolean }): boolean {
    return this.#turns.sends(endpointKey, messageKey, of);
  }

  /** Null when memory knows nothing of it: nothing was sent to it for long, or nothing waits for it. */
  state(endpointKey: number): LaneState | null {
    const lane = this.#lanes.find(endpointKey);
    if (lane === undefined) return null;
    const { inFlight, resident, breaker } = lane;
    const nextDueAt = lane.nextDueAt();
    const waits = lane.broken && breaker?.probing === false && nextDueAt !== null;
    const waitMs = waits ? Math.max(0, breaker.probeAt - this.#clock.monotonic()) : 0;
    return {
      inFlight,
      limit: Math.min(lane.limit, lane.maxInFlight),
      resident,
      breaker: {
        open: lane.broken,
        failures: breaker?.failures ?? 0,
        probeAt: waits ? Math.max(nextDueAt, Math.round(this.#clock.now() + waitMs)) : null,
      },
      throttled: lane.delayed && lane.ready.size > 0,
    };
  }

  admit(applicationKey: number, endpointKey: number, characters: number): boolean {
    if (this.#stopped) return false;
    const lane = this.#lanes.get(endpointKey);
    this.#belongs(lane, applicationKey);
    // What waits in the store and is due goes first.
    const behind = lane.storeDueAt !== null && lane.storeDueAt <= this.#clock.now();
    const stopped = lane.halted || lane.breaker?.lets(false) === false;
    if (behind || stopped || !this.#residency.admits(lane, characters)) {
      this.#lanes.rest(lane);
      return false;
    }
    this.#residency.reserve(lane, 1, characters);
    return true;
  }

  unadmit(endpointKey: number, characters: number): void {
    const lane = this.#lanes.get(endpointKey);
    this.#residency.free(lane, 1, characters);
    this.#loader.feed(lane);
    this.#lanes.rest(lane);
  }

  push(deliveries: readonly LeasedDelivery[]): void {
    for (const delivery of deliveries) this.#ready(this.#lanes.get(delivery.endpointKey), delivery);
    this.#turns.pumpSoon();
  }

  /** Deliveries of this endpoint wait in the store; the first is due at `dueAt`, which is `RESEND_DUE_AT` when it is a resend. */
  stored(endpointKey: number, dueAt: number): void {
    const lane = this.#lanes.get(endpointKey);
    if (!lane.halted) this.#loader.stored(lane, dueAt);
    else {
      this.#options.orphaned(endpointKey);
      this.#lanes.rest(lane);
    }
  }

  /** Whether a retry due at `nextAttemptAt` shall wait in memory, under the lease it has. */
  keeps(delivery: LeasedDelivery, nextAttemptAt: number): boolean {
    if (this.#stopped || nextAttemptAt - this.#clock.now() > RETRY_IN_MEMORY_MS) return false;
    const lane = this.#lanes.find(delivery.endpointKey);
    return lane !== undefined && !lane.halted && !lane.broken;
  }

  /** What the sender brought back. */
  results(results: readonly SendResult[]): void {
    for (const { ref, exchange } of results) {
      const request = this.#turns.end(ref);
      if (request === undefined) continue;
      const { lane, delivery } = request;
      const { target, retryPolicy } = request.destination;
      lane.learn(exchange);
      this.#breakers.learn(lane, delivery, exchange);
      this.#places.free(request.standing, lane.holding);
      // It may wait for a place among those that it was like before; a turn too many does no harm.
      if (this.#residency.recount(lane)) lane.queued = false;
      if (this.#residency.isFarAbove(lane)) this.#unloader.check(lane);
      this.#goOn(lane, delivery);
      this.#turns.take(lane);
      const { href: url, applicationKey } = target;
      this.#options.ended(delivery, exchange, { url, applicationKey, retryPolicy });
    }
    if (this.#turns.underWay === 0) this.#drained?.();
    this.#turns.pumpSoon();
  }

  /** What was recorded: makes room, and takes retries on. */
  settled(settlements: readonly Settlement[]): void {
    for (const { delivery, nextAttemptAt, kept, arrived } of settlements) {
      const lane = this.#lanes.get(delivery.endpointKey);
      // The schedule's own lease on it is void: it has arrived by this.
      if (arrived && delivery.resendKey !== null) this.#void(lane, [delivery], false);
      if (nextAttemptAt !== null && kept) {
        this.#waitInMemory(lane, { ...delivery, attemptCount: delivery.attemptCount + 1, nextAttemptAt });
        continue;
      }
      this.#residency.free(lane, 1, delivery.payload.length);
      // Also one that will be tried again: an older one may have come into its line meanwhile, and goes first.
      if (mayFollow(delivery, arrived)) this.stored(delivery.endpointKey, this.#clock.now());
      else if (nextAttemptAt !== null) this.stored(delivery.endpointKey, nextAttemptAt);
      this.#loader.feed(lane);
      this.#lanes.rest(lane);
    }
    this.#loader.feedSome();
  }

  /** The leases on these are void: what is not under way is not sent any more, and with `resends` no resend of it either. */
  drop(
    deliveries: readonly { readonly messageKey: number; readonly endpointKey: number }[],
    { resends }: { resends: boolean },
  ): void {
    for (const [endpointKey, dropped] of Map.groupBy(deliveries, (each) => each.endpointKey)) {
      const lane = this.#lanes.find(endpointKey);
      if (lane === undefined) continue;
      this.#void(lane, dropped, resends);
      this.#loader.feed(lane);
      this.#lanes.rest(lane);
    }
    this.#loader.feedSome();
  }

  /** The endpoint was changed: the next request goes by the new values. */
  endpointChanged(endpointKey: number): void {
    const known = this.#lanes.find(endpointKey);
    if (known?.closed) return;
    const lane = this.#lanes.get(endpointKey);
    const unsure = known === undefined || lane.paused;
    lane.paused = false;
    this.#destinations.changed(lane);
    this.#breakers.hurry(lane);
    // What may wait for it in the store is not known here: a claim tells.
    if (unsure) this.#loader.stored(lane, this.#clock.now());
  }

  /** Somebody wants to see something sent to the endpoint now: an open breaker's next probe goes out at once. */
  hurry(endpointKey: number): void {
    const lane = this.#lanes.find(endpointKey);
    if (lane) this.#breakers.hurry(lane);
  }

  /** The endpoint is gone: nothing more is sent to it. Its deliveries are cancelled in the store by `upkeep`. */
  endpointDeleted(endpointKey: number): void {
    const lane = this.#lanes.find(endpointKey);
    if (lane) this.#close(lane);
  }

  /** Sending waits, while what was sent cannot be recorded. */
  pause(): void {
    this.#turns.pause();
  }

  resume(): void {
    this.#turns.resume();
  }

  /** Sends nothing more; resolves when nothing is under way. */
  stop(): Promise<void> {
    this.#stopped = true;
    this.#alarms.stop();
    this.#turns.stop();
    this.#loader.stop();
    this.#unloader.stop();
    if (this.#turns.underWay === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drained = resolve;
    });
  }

  /** Stops, and hears no more of what is under way. */
  abandon(): void {
    void this.stop();
    this.#turns.abandon();
  }

  #ready(lane: Lane, delivery: LeasedDelivery): void {
    if (lane.closed || lane.voids?.has(delivery)) {
      this.#residency.free(lane, 1, delivery.payload.length);
      if (lane.closed) this.#options.orphaned(lane.endpointKey);
      this.#lanes.rest(lane);
      return;
    }
    // What a person waits for goes first.
    if (delivery.resendKey === null) lane.ready.push(delivery);
    else lane.ready.insertBefore(delivery, ({ resendKey }) => resendKey === null);
    if (lane.paused || lane.broken) this.#unloader.check(lane);
    this.#turns.take(lane);
  }

  #loaded(lane: Lane, claimed: readonly LeasedDelivery[]): void {
    for (const delivery of claimed) this.#ready(lane, delivery);
    if (lane.standing === 'silent') this.#unloader.check(lane);
    this.#lanes.rest(lane);
    this.#turns.pumpSoon();
  }

  #unloaded(lane: Lane, dueAt: number): void {
    this.stored(lane.endpointKey, dueAt);
    this.#loader.feedSome();
    this.#lanes.rest(lane);
  }

  /** Voids the leases that the lane has on these messages, and those whose deliveries are still on their way to it. */
  #void(lane: Lane, messages: readonly { readonly messageKey: number }[], resends: boolean): void {
    if (lane.resident === 0) return;
    const voids = lane.voids ?? new Voids(this.#limits.residentPerEndpoint);
    lane.voids = voids;
    const before = this.#options.fences.next();
    for (const { messageKey } of messages) voids.add(messageKey, { before, resends });
    const dropped = lane.ready.remove((delivery) => voids.has(delivery));
    for (const { messageKey } of messages) {
      const retry = lane.waiting.get(messageKey);
      if (retry === undefined || !voids.has(retry)) continue;
      lane.waiting.delete(messageKey);
      dropped.push(retry);
    }
    for (const { payload } of dropped) this.#residency.free(lane, 1, payload.length);
  }

  /** Of two leases on a delivery, the older one is void. */
  #wait(lane: Lane, delivery: LeasedDelivery): void {
    const other = lane.waiting.get(delivery.messageKey);
    const [kept, dropped] = other && other.fence > delivery.fence ? [other, delivery] : [delivery, other];
    if (dropped !== undefined) this.#residency.free(lane, 1, dropped.payload.length);
    lane.waiting.set(kept.messageKey, kept);
    if (lane.paused || lane.broken) this.#unloader.check(lane);
  }

  /** A request has ended: what was parked behind it is ready again. */
  #goOn(lane: Lane, { orderKey }: LeasedDelivery): void {
    if (orderKey === null || lane.lines === null) return;
    for (const delivery of lane.lines.end(orderKey)) {
      // Given back to the store, or void.
      if (lane.waiting.get(delivery.messageKey) !== delivery) continue;
      lane.waiting.delete(delivery.messageKey);
      this.#ready(lane, delivery);
    }
  }

  #resume(lane: Lane): void {
    this.#turns.take(lane);
    this.#lanes.rest(lane);
    this.#turns.pumpSoon();
  }

  #expired(deliveries: readonly LeasedDelivery[]): void {
    for (const { endpointKey, payload } of deliveries) {
      const lane = this.#lanes.get(endpointKey);
      this.#residency.free(lane, 1, payload.length);
      this.#loader.feed(lane);
      this.#lanes.rest(lane);
    }
    this.#options.expired(deliveries);
  }

  #found(lane: Lane, destination: Destination | null): void {
    if (destination === null) this.#close(lane);
    else if (destination.heldReason !== null) this.#pause(lane);
    else {
      lane.destination = destination;
      lane.maxInFlight = destination.maxInFlight;
      this.#belongs(lane, destination.target.applicationKey);
      this.#throttles.adopt(lane, destination);
      if (lane.throttle !== null) this.#unloader.check(lane);
    }
  }

  /** The lane's application is known, by a publish or by the endpoint. */
  #belongs(lane: Lane, applicationKey: number): void {
    if (lane.holding.applicationKey === null)
      this.#residency.setHolding(lane, this.#holdings.join(applicationKey));
  }

  /** What is under way ends as it may; a retry of it goes the way of the others. */
  #pause(lane: Lane): void {
    if (lane.paused || lane.closed) return;
    lane.paused = true;
    this.#loader.forget(lane);
    this.#unloader.check(lane);
    this.#options.orphaned(lane.endpointKey);
  }

  #close(lane: Lane): void {
    if (lane.closed) return;
    lane.closed = true;
    this.#loader.forget(lane);
    for (const delivery of [...lane.ready.drain(), ...lane.waiting.values()])
      this.#residency.free(lane, 1, delivery.payload.length);
    lane.waiting.clear();
    this.#options.orphaned(lane.endpointKey);
    this.#loader.feedSome();
    this.#lanes.rest(lane);
  }

  #waitInMemory(lane: Lane, delivery: LeasedDelivery): void {
    if (lane.closed || lane.voids?.has(delivery)) {
      this.#ready(lane, delivery);
      return;
    }
    this.#wait(lane, delivery);
    // When the wall clock was set back meanwhile, the retry does not wait for it.
    const delayMs = Math.min(delivery.nextAttemptAt - this.#clock.now(), RETRY_IN_MEMORY_MS);
    this.#alarms.set(delayMs, () => {
      // Given back to the store, or void.
      if (lane.waiting.get(delivery.messageKey) !== delivery) return;
      lane.waiting.delete(delivery.messageKey);
      this.#ready(lane, delivery);
      this.#turns.pumpSoon();
    });
  }
}

/** Its end may have let go another of its line, in the order of the endpoint or of a key. Of a resend nobody knows. */
function mayFollow({ orderKey, resendKey }: LeasedDelivery, arrived: boolean): boolean {
  return orderKey !== null || (arrived && resendKey !== null);
}
