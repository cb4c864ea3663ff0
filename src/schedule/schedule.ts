import { RETRY_IN_MEMORY_MS, SCHEDULE_LIMITS } from '../limits.ts';
import type { Clock } from '../model/clock.ts';
import type { Destination, Exchange, SendJob, SendResult, Target } from '../model/exchange.ts';
import { Fifo } from '../model/fifo.ts';
import type { LeasedDelivery, Settlement } from '../model/lease.ts';
import type { Store } from '../store/store.ts';
import { Alarms } from './alarms.ts';
import { Destinations } from './destinations.ts';
import { Holdings, type Standing } from './holding.ts';
import type { Lane } from './lane.ts';
import { Lanes } from './lanes.ts';
import { Loader } from './loader.ts';
import { Places } from './places.ts';
import { Residency } from './residency.ts';
import { Throttles } from './throttle.ts';
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
  ended(delivery: LeasedDelivery, exchange: Exchange, url: string): void;
  /** The endpoint is deleted or disabled: what waits for it in the store wants to be withdrawn. */
  orphaned(endpointKey: number): void;
  log: { warn(fields: object, text: string): void };
}

interface UnderWay {
  readonly lane: Lane;
  readonly delivery: LeasedDelivery;
  /** The lane's, when the request began. */
  readonly standing: Standing;
  readonly url: string;
}

/** A lane's turn: so many at a time, then the next lane; one at a time while nothing good is known of the endpoint. */
const TURN = 4;

/**
 * Decides what goes next. Each endpoint has a lane; lanes with something ready take turns, so that a dead, slow or
 * busy endpoint delays no other. Memory is bounded: what finds no room waits in the store and is claimed lane by lane.
 *
 *     push ──► ready ──turn──► in flight ──► (record) ──► settled: gone
 *                ▲                               │
 *                ├── alarm ◄── waits in memory ◄─┤ due soon
 *                └── claim ◄── waits in store  ◄─┘ due later
 *
 * A lane is out of the turns while its throttle has it wait. A disabled endpoint's lane is paused: everything in memory goes
 * back to the store, where it is held, and what comes after it too, until the endpoint is changed again.
 */
export class Schedule {
  readonly #options: ScheduleOptions;
  readonly #clock: Clock;
  readonly #limits: typeof SCHEDULE_LIMITS;
  readonly #alarms: Alarms;
  readonly #lanes: Lanes;
  readonly #holdings = new Holdings();
  readonly #turns = new Fifo<Lane>();
  readonly #underWay = new Map<number, UnderWay>();
  readonly #places: Places;
  readonly #residency: Residency;
  readonly #loader: Loader;
  readonly #unloader: Unloader;
  readonly #destinations: Destinations;
  readonly #throttles: Throttles;
  #lastRef = 0;
  #pumping = false;
  #paused = false;
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
  }

  /** Learns what waits in the store. Reads a row per endpoint, not per delivery. */
  async start(): Promise<void> {
    for (const { endpointKey, nextDueAt } of await this.#options.store.deliveryBacklog())
      this.stored(endpointKey, nextDueAt);
  }

  get inFlight(): number {
    return this.#underWay.size;
  }

  get resident(): number {
    return this.#residency.deliveries;
  }

  admit(applicationKey: number, endpointKey: number, characters: number): boolean {
    if (this.#stopped) return false;
    const lane = this.#lanes.get(endpointKey);
    this.#belongs(lane, applicationKey);
    // What waits in the store and is due goes first.
    const behind = lane.storeDueAt !== null && lane.storeDueAt <= this.#clock.now();
    if (behind || lane.halted || !this.#residency.admits(lane, characters)) {
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
    this.#pumpSoon();
  }

  /** Deliveries of this endpoint wait in the store; the first is due at `dueAt`. */
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
    return lane !== undefined && !lane.halted;
  }

  /** What the sender brought back. */
  results(results: readonly SendResult[]): void {
    for (const { ref, exchange } of results) {
      const job = this.#underWay.get(ref);
      if (job === undefined) continue;
      const { lane } = job;
      this.#underWay.delete(ref);
      lane.inFlight--;
      lane.learn(exchange);
      this.#places.free(job.standing, lane.holding);
      // It may wait for a place among those that it was like before; a turn too many does no harm.
      if (this.#residency.recount(lane)) lane.queued = false;
      if (this.#residency.isFarAbove(lane)) this.#unloader.check(lane);
      this.#takeTurn(lane);
      this.#options.ended(job.delivery, exchange, job.url);
    }
    if (this.#underWay.size === 0) this.#drained?.();
    this.#pumpSoon();
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
      if (nextAttemptAt !== null) this.stored(delivery.endpointKey, nextAttemptAt);
      this.#loader.feed(lane);
      this.#lanes.rest(lane);
    }
    this.#loader.feedSome();
  }

  /** The leases on these are void: what is not under way is not sent any more, resends of them neither. */
  drop(deliveries: readonly { readonly messageKey: number; readonly endpointKey: number }[]): void {
    for (const [endpointKey, dropped] of Map.groupBy(deliveries, (each) => each.endpointKey)) {
      const lane = this.#lanes.find(endpointKey);
      if (lane === undefined) continue;
      this.#void(lane, dropped, true);
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
    // What may wait for it in the store is not known here: a claim tells.
    if (unsure) this.#loader.stored(lane, this.#clock.now());
  }

  /** The endpoint is gone: nothing more is sent to it. Its deliveries are cancelled in the store by `upkeep`. */
  endpointDeleted(endpointKey: number): void {
    const lane = this.#lanes.find(endpointKey);
    if (lane) this.#close(lane);
  }

  /** Sending waits, while what was sent cannot be recorded. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#pumpSoon();
  }

  /** Sends nothing more; resolves when nothing is under way. */
  stop(): Promise<void> {
    this.#stopped = true;
    this.#alarms.stop();
    this.#loader.stop();
    this.#unloader.stop();
    if (this.#underWay.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drained = resolve;
    });
  }

  /** Stops, and hears no more of what is under way. */
  abandon(): void {
    void this.stop();
    this.#underWay.clear();
  }

  #ready(lane: Lane, delivery: LeasedDelivery): void {
    if (lane.closed || lane.voids?.has(delivery)) {
      this.#residency.free(lane, 1, delivery.payload.length);
      if (lane.closed) this.#options.orphaned(lane.endpointKey);
      this.#lanes.rest(lane);
      return;
    }
    lane.ready.push(delivery);
    if (lane.paused) this.#unloader.check(lane);
    else this.#takeTurn(lane);
  }

  #loaded(lane: Lane, claimed: readonly LeasedDelivery[]): void {
    for (const delivery of claimed) this.#ready(lane, delivery);
    if (lane.standing === 'silent') this.#unloader.check(lane);
    this.#lanes.rest(lane);
    this.#pumpSoon();
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

  #takeTurn(lane: Lane): void {
    if (lane.queued || !lane.canSend) return;
    lane.queued = true;
    this.#turns.push(lane);
  }

  #resume(lane: Lane): void {
    this.#takeTurn(lane);
    this.#lanes.rest(lane);
    this.#pumpSoon();
  }

  #pumpSoon(): void {
    if (this.#pumping || this.#paused || this.#stopped) return;
    if (this.#turns.size === 0 && !this.#places.awaited) return;
    this.#pumping = true;
    this.#clock.soon(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  /** Gives lanes their turns until all are empty or full, or there are no places left for them. */
  #pump(): void {
    if (this.#paused || this.#stopped) return;
    const jobs: SendJob[] = [];
    const released = this.#places.released();
    for (const lane of released) this.#turns.push(lane);
    for (let lane = this.#turns.shift(); lane !== undefined; lane = this.#turns.shift()) {
      lane.queued = false;
      // Since it was queued, its deliveries may have become void.
      const destination = lane.canSend ? (lane.destination ?? this.#destinations.of(lane)) : null;
      if (destination === null) continue;
      if (!this.#places.has(lane.standing, lane.holding)) {
        lane.queued = true;
        this.#places.await(lane);
        if (this.#places.full) break;
        continue;
      }
      if (lane.throttle !== null && !this.#throttles.admits(lane, lane.throttle)) continue;
      const turns = lane.standing === 'answering' && lane.throttle === null ? TURN : 1;
      for (
        let turn = 0;
        turn < turns && lane.canSend && this.#places.has(lane.standing, lane.holding);
        turn++
      ) {
        jobs.push(this.#begin(lane, destination.target));
      }
      this.#takeTurn(lane);
    }
    if (jobs.length > 0) this.#options.send(jobs);
    // Those that were let out have nothing to send any more: nobody else would let out those behind them.
    else if (released.length > 0) this.#pumpSoon();
  }

  #begin(lane: Lane, target: Target): SendJob {
    const delivery = lane.ready.shift() as LeasedDelivery;
    const ref = ++this.#lastRef;
    lane.inFlight++;
    const { standing } = lane;
    this.#places.take(standing, lane.holding);
    this.#underWay.set(ref, { lane, delivery, standing, url: target.href });
    return {
      ref,
      target,
      messageId: delivery.messageId,
      payload: delivery.payload,
      timeoutMs: this.#options.requestTimeoutMs,
      test: false,
    };
  }

  #found(lane: Lane, destination: Destination | null): void {
    if (destination === null) this.#close(lane);
    else if (destination.disabled) this.#pause(lane);
    else {
      lane.destination = destination;
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
    lane.waiting.set(delivery.messageKey, delivery);
    if (lane.paused) this.#unloader.check(lane);
    // When the wall clock was set back meanwhile, the retry does not wait for it.
    const delayMs = Math.min(delivery.nextAttemptAt - this.#clock.now(), RETRY_IN_MEMORY_MS);
    this.#alarms.set(delayMs, () => {
      // Given back to the store, or void.
      if (lane.waiting.get(delivery.messageKey) !== delivery) return;
      lane.waiting.delete(delivery.messageKey);
      this.#ready(lane, delivery);
      this.#pumpSoon();
    });
  }
}
