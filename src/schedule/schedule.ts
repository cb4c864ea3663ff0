import { RETRY_IN_MEMORY_MS, SCHEDULE_LIMITS } from '../limits.ts';
import type { Clock } from '../model/clock.ts';
import type { Destination } from '../model/destination.ts';
import type { Exchange, SendJob, SendResult } from '../model/exchange.ts';
import type { Fences, Lease, LeasedDelivery, Settlement } from '../model/lease.ts';
import type { RetryPolicy } from '../model/retry-schedule.ts';
import { ALONE, type Shares } from '../model/shares.ts';
import type { Store } from '../store/store.ts';
import { Alarms } from './alarms.ts';
import { Breakers } from './breakers.ts';
import { Destinations } from './destinations.ts';
import { Holdings } from './holding.ts';
import type { Lane } from './lane.ts';
import { type LaneState, laneState } from './lane-state.ts';
import { Lanes } from './lanes.ts';
import { Loader } from './loader.ts';
import { Memory } from './memory.ts';
import { Places } from './places.ts';
import { Residency } from './residency.ts';
import { Sharing, type Stored } from './sharing.ts';
import { Throttles } from './throttle.ts';
import { Turns, type UnderWay } from './turns.ts';
import { Unloader } from './unloader.ts';

export interface ScheduleOptions {
  store: Pick<Store, 'deliveryClaimDue' | 'deliveryBacklog' | 'deliveryUnlease'>;
  clock: Clock;
  fences: Pick<Fences, 'next' | 'isOwn'>;
  requestTimeoutMs: number;
  limits?: typeof SCHEDULE_LIMITS;
  /** How this node shares the sending with others; left out: it is alone. */
  shares?: Shares;
  /** Where an endpoint's deliveries go, and how: null when it was deleted. At once when it is known in memory. */
  destination(endpointKey: number): Destination | null | Promise<Destination | null>;
  send(jobs: readonly SendJob[]): void;
  /** Gets each delivery that was sent, with what came back. */
  ended(delivery: LeasedDelivery, exchange: Exchange, sentBy: SentBy): void;
  /** These expired before they were sent, and are in memory no longer: they want to be cancelled in the store. */
  expired(deliveries: readonly LeasedDelivery[]): void;
  /** The endpoint is deleted, disabled or paused: what waits for it in the store wants to be withdrawn. */
  orphaned(endpointKey: number): void;
  /** The endpoint's breaker opened, or another probe failed; or it closed. Other nodes want to know. */
  breakerChanged?(endpointKey: number, open: boolean): void;
  /** These wait in the store for another node, whom the store has not told. */
  handedOver?(endpoints: readonly Stored[]): void;
  /** Deliveries may be leased under this fence, and nobody has them. */
  doubtful?(fence: number): void;
  log: { warn(fields: object, text: string): void };
}

/** Of the endpoint, as it was when the request began. */
export interface SentBy {
  readonly url: string;
  readonly applicationKey: number;
  readonly retryPolicy: RetryPolicy;
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
 * comes after it too, until the endpoint is changed again. Of what many nodes may not send at once, one is the sender, and the
 * lane is empty on the others (`Sharing`). While the node's leases do not hold, nothing is claimed and no request begins.
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
  readonly #memory: Memory;
  readonly #loader: Loader;
  readonly #unloader: Unloader;
  readonly #destinations: Destinations;
  readonly #throttles: Throttles;
  readonly #breakers: Breakers;
  readonly #sharing: Sharing;
  readonly #holds: () => boolean;
  #stopped = false;
  #drained: (() => void) | null = null;

  constructor(options: ScheduleOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#limits = options.limits ?? SCHEDULE_LIMITS;
    this.#alarms = new Alarms(options.clock);
    this.#places = new Places(this.#limits.inFlight);
    this.#residency = new Residency(this.#limits);
    this.#lanes = new Lanes(this.#holdings.unknown, this.#limits.ahead, (lane) => {
      this.#throttles.forget(lane);
      this.#sharing.forget(lane);
      this.#holdings.leave(lane.holding);
    });
    const { shares = ALONE } = options;
    const holds = () => shares.holds();
    this.#holds = holds;
    const parts = { ...options, shares, holds, alarms: this.#alarms, residency: this.#residency };
    this.#loader = new Loader({
      ...parts,
      claim: this.#limits.claim,
      loaded: (lane, claimed) => this.#loaded(lane, claimed),
    });
    this.#unloader = new Unloader({ ...parts, unloaded: (lane, dueAt) => this.#unloaded(lane, dueAt) });
    this.#destinations = new Destinations({
      ...parts,
      found: (lane, destination) => this.#found(lane, destination),
      ready: (lane) => this.#lookedUp(lane),
    });
    this.#memory = new Memory({
      ...parts,
      residentPerEndpoint: this.#limits.residentPerEndpoint,
      check: (lane) => this.#unloader.check(lane),
      ready: (lane) => this.#turns.take(lane),
      woken: () => this.#turns.pumpSoon(),
      refused: (lane) => this.#refused(lane),
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
      changed: (lane, open) => this.#sharing.breakerChanged(lane, open),
    });
    this.#sharing = new Sharing({
      ...parts,
      lanes: this.#lanes,
      loader: this.#loader,
      unloader: this.#unloader,
      breakers: this.#breakers,
      destinations: this.#destinations,
      resume: (lane) => this.#resume(lane),
      recount: (lane) => this.#recount(lane),
    });
    this.#turns = new Turns({
      ...parts,
      places: this.#places,
      destinations: this.#destinations,
      throttles: this.#throttles,
      expired: (deliveries) => this.#expired(deliveries),
      parked: (lane, delivery) => {
        lane.lines?.park(delivery);
        this.#memory.wait(lane, delivery);
      },
    });
  }

  /** Learns what waits in the store. Reads a row per endpoint, not per delivery. */
  start(): Promise<void> {
    return this.#sharing.start();
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
    return lane === undefined ? null : laneState(lane, this.#clock);
  }

  admit(applicationKey: number, endpointKey: number, characters: number): boolean {
    // What a node leases that was ended is found by nobody once that node is forgotten.
    if (this.#stopped || !this.#holds()) return false;
    const lane = this.#lanes.get(endpointKey);
    this.#belongs(lane, applicationKey);
    // What waits in the store and is due goes first.
    const behind = lane.storeDueAt !== null && lane.storeDueAt <= this.#clock.now();
    const stopped = !this.#sharing.knows(lane) || lane.halted || lane.breaker?.lets(false) === false;
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
    for (const delivery of deliveries) this.#memory.ready(this.#lanes.get(delivery.endpointKey), delivery);
    this.#turns.pumpSoon();
  }

  /**
   * This node stored deliveries of this endpoint; the first is due at `dueAt`, which is `RESEND_DUE_AT` when it is a resend. The store
   * has told the other nodes.
   */
  stored(endpointKey: number, dueAt: number): void {
    this.#sharing.stored(this.#lanes.get(endpointKey), dueAt, { told: true });
  }

  /** Somebody else stored deliveries of these endpoints: one node takes them up. */
  heard(endpoints: readonly Stored[]): void {
    for (const { endpointKey, dueAt } of endpoints) this.#sharing.heard(endpointKey, dueAt);
  }

  /** Signals of other nodes may have been missed: looks what waits in the store. Never rejects. */
  look(): Promise<void> {
    return this.#sharing.look();
  }

  /** Other nodes are live than before. */
  sharesChanged(): void {
    this.#sharing.changed();
  }

  /** The store's list of endpoints whose breakers are open. It was read after the last change that was told of it. */
  heardBroken(endpointKeys: ReadonlySet<number>): void {
    this.#sharing.heardBroken(endpointKeys);
  }

  /** Leases hold again, or hold no more. */
  leaseChanged(): void {
    this.#loader.resume();
    this.#turns.pumpSoon();
  }

  /** Leases under fences below this one are void: forgets all of them but for what is under way, and looks what waits in the store. */
  forfeit(before: number): void {
    this.#memory.forfeit(before);
    for (const lane of this.#lanes.all()) {
      this.#loader.forget(lane);
      this.#memory.forget(lane);
      this.#lanes.rest(lane);
    }
    void this.look();
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
      if (exchange === null) {
        this.#unsent(request);
        continue;
      }
      const { lane, delivery } = request;
      const { target, retryPolicy } = request.destination;
      lane.learn(exchange);
      this.#breakers.learn(lane, delivery, exchange);
      this.#places.free(request.standing, lane.holding);
      this.#recount(lane);
      this.#memory.goOn(lane, delivery);
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
      if (nextAttemptAt !== null && kept) {
        this.#memory.waitUntilDue(lane, {
          ...delivery,
          attemptCount: delivery.attemptCount + 1,
          nextAttemptAt,
        });
        continue;
      }
      this.#residency.free(lane, 1, delivery.payload.length);
      // Also one that will be tried again: an older one may have come into its line meanwhile, and goes first.
      if (mayFollow(delivery, arrived)) this.#sharing.stored(lane, this.#clock.now(), UNTOLD);
      else if (nextAttemptAt !== null) this.#sharing.stored(lane, nextAttemptAt, UNTOLD);
      this.#loader.feed(lane);
      this.#lanes.rest(lane);
    }
    this.#loader.feedSome();
  }

  /** These are void: what is not under way under them is not sent any more. */
  drop(leases: readonly Lease[]): void {
    for (const [endpointKey, dropped] of Map.groupBy(leases, (each) => each.endpointKey)) {
      const lane = this.#lanes.find(endpointKey);
      if (lane === undefined) continue;
      this.#memory.void(lane, dropped);
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
    if (unsure) this.#sharing.heard(endpointKey, this.#clock.now());
  }

  /**
   * Somebody wants to see something sent to the endpoint now: an open breaker's next probe goes out at once. False: another node
   * sends for it.
   */
  hurry(endpointKey: number): boolean {
    const lane = this.#lanes.find(endpointKey);
    if (lane) this.#breakers.hurry(lane);
    return this.#sharing.sendsFor(endpointKey);
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
    this.#sharing.stop();
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

  #loaded(lane: Lane, claimed: readonly LeasedDelivery[]): void {
    for (const delivery of claimed) this.#memory.ready(lane, delivery);
    if (lane.standing === 'silent') this.#unloader.check(lane);
    this.#lanes.rest(lane);
    this.#turns.pumpSoon();
  }

  #unloaded(lane: Lane, dueAt: number): void {
    this.#sharing.stored(lane, dueAt, UNTOLD);
    this.#loader.feedSome();
    this.#lanes.rest(lane);
  }

  /** Its request was not begun, since leases do not hold or the endpoint had no room for it: it waits for another turn. */
  #unsent({ lane, delivery, standing }: UnderWay): void {
    this.#places.free(standing, lane.holding);
    lane.fellBehind();
    lane.breaker?.unsent(delivery, this.#clock.monotonic());
    this.#memory.ready(lane, delivery);
    this.#memory.goOn(lane, delivery);
  }

  #refused(lane: Lane): void {
    if (lane.closed) this.#options.orphaned(lane.endpointKey);
    this.#lanes.rest(lane);
  }

  #lookedUp(lane: Lane): void {
    this.#sharing.found(lane);
    this.#resume(lane);
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
      this.#belongs(lane, destination.target.applicationKey);
      this.#throttles.adopt(lane, destination);
      if (lane.throttle !== null) this.#unloader.check(lane);
      this.#sharing.consider(lane);
    }
  }

  /** What is known of the endpoint has changed: what the lane has in memory counts as another's. */
  #recount(lane: Lane): void {
    // It may wait for a place among those that it was like before; a turn too many does no harm.
    if (this.#residency.recount(lane)) lane.queued = false;
    if (this.#residency.isFarAbove(lane)) this.#unloader.check(lane);
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
    this.#memory.forget(lane);
    this.#options.orphaned(lane.endpointKey);
    this.#loader.feedSome();
    this.#lanes.rest(lane);
  }
}

/** No signal of the store tells the other nodes of it. */
const UNTOLD = { told: false };

/** Its end may have let go another of its line, in the order of the endpoint or of a key. Of a resend nobody knows. */
function mayFollow({ orderKey, resendKey }: LeasedDelivery, arrived: boolean): boolean {
  return orderKey !== null || (arrived && resendKey !== null);
}
