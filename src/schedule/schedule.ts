import { RETRY_IN_MEMORY_MS, SCHEDULE_LIMITS } from '../limits.ts';
import type { Clock } from '../model/clock.ts';
import type { Exchange, SendJob, SendResult, Target } from '../model/exchange.ts';
import { Fifo } from '../model/fifo.ts';
import type { LeasedDelivery, Settlement } from '../model/lease.ts';
import type { Store } from '../store/store.ts';
import { Alarms } from './alarms.ts';
import { Lane, type Standing } from './lane.ts';
import { Loader } from './loader.ts';
import { Places } from './places.ts';
import { Residency } from './residency.ts';

export interface ScheduleOptions {
  store: Pick<Store, 'deliveryClaimDue' | 'deliveryBacklog' | 'deliveryUnlease'>;
  clock: Clock;
  fences: { next(): number };
  requestTimeoutMs: number;
  limits?: typeof SCHEDULE_LIMITS;
  /** Where an endpoint's deliveries go: null when it was deleted. At once when it is known in memory. */
  target(endpointKey: number): Target | null | Promise<Target | null>;
  send(jobs: readonly SendJob[]): void;
  /** Gets each delivery that was sent, with what came back. */
  ended(delivery: LeasedDelivery, exchange: Exchange, url: string): void;
  /** The endpoint of these deliveries is gone: they want to be cancelled. */
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

/** After a failed read or write of the store, how long until the next. */
const AGAIN_MS = 1_000;
/** A lane's turn: so many at a time, then the next lane; one at a time while nothing good is known of the endpoint. */
const TURN = 4;
const IDLE_LANES = 10_000;
/** Deliveries given back to the store by one transaction. */
const UNLOADED_AT_ONCE = 512;

/**
 * Decides what goes next. Each endpoint has a lane; lanes with something ready take turns, so that a dead, slow or
 * busy endpoint delays no other. Memory is bounded: what finds no room waits in the store and is claimed lane by lane.
 *
 *     push ──► ready ──turn──► in flight ──► (record) ──► settled: gone
 *                ▲                               │
 *                ├── alarm ◄── waits in memory ◄─┤ due soon
 *                └── claim ◄── waits in store  ◄─┘ due later
 */
export class Schedule {
  readonly #options: ScheduleOptions;
  readonly #clock: Clock;
  readonly #limits: typeof SCHEDULE_LIMITS;
  readonly #alarms: Alarms;
  readonly #lanes = new Map<number, Lane>();
  readonly #idle = new Set<Lane>();
  readonly #turns = new Fifo<Lane>();
  readonly #underWay = new Map<number, UnderWay>();
  readonly #places: Places;
  readonly #residency: Residency;
  readonly #loader: Loader;
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
    this.#loader = new Loader({
      ...options,
      alarms: this.#alarms,
      residency: this.#residency,
      claim: this.#limits.claim,
      loaded: (lane, claimed) => this.#loaded(lane, claimed),
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

  admit(endpointKey: number, characters: number): boolean {
    if (this.#stopped) return false;
    const lane = this.#lane(endpointKey);
    // What waits in the store and is due goes first.
    const behind = lane.storeDueAt !== null && lane.storeDueAt <= this.#clock.now();
    if (behind || lane.closed || !this.#residency.admits(lane, characters)) return false;
    this.#residency.reserve(lane, 1, characters);
    return true;
  }

  unadmit(endpointKey: number, characters: number): void {
    const lane = this.#lane(endpointKey);
    this.#residency.free(lane, 1, characters);
    this.#loader.feed(lane);
    this.#rest(lane);
  }

  push(deliveries: readonly LeasedDelivery[]): void {
    for (const delivery of deliveries) this.#ready(this.#lane(delivery.endpointKey), delivery);
    this.#pumpSoon();
  }

  /** Deliveries of this endpoint wait in the store; the first is due at `dueAt`. */
  stored(endpointKey: number, dueAt: number): void {
    const lane = this.#lane(endpointKey);
    if (lane.closed) this.#options.orphaned(endpointKey);
    else this.#loader.stored(lane, dueAt);
  }

  /** Whether a retry due at `nextAttemptAt` shall wait in memory, under the lease it has. */
  keeps(delivery: LeasedDelivery, nextAttemptAt: number): boolean {
    if (this.#stopped || nextAttemptAt - this.#clock.now() > RETRY_IN_MEMORY_MS) return false;
    const lane = this.#lanes.get(delivery.endpointKey);
    return lane !== undefined && !lane.closed;
  }

  /** What the sender brought back. */
  results(results: readonly SendResult[]): void {
    for (const { ref, exchange } of results) {
      const job = this.#underWay.get(ref);
      if (job === undefined) continue;
      this.#underWay.delete(ref);
      job.lane.inFlight--;
      job.lane.learn(exchange);
      this.#places.free(job.standing);
      this.#residency.recount(job.lane);
      if (job.lane.standing === 'silent') this.#unload(job.lane);
      this.#takeTurn(job.lane);
      this.#options.ended(job.delivery, exchange, job.url);
    }
    if (this.#underWay.size === 0) this.#drained?.();
    this.#pumpSoon();
  }

  /** What was recorded: makes room, and takes retries on. */
  settled(settlements: readonly Settlement[]): void {
    for (const { delivery, nextAttemptAt, kept } of settlements) {
      const lane = this.#lane(delivery.endpointKey);
      if (nextAttemptAt !== null && kept) {
        this.#waitInMemory(lane, { ...delivery, attemptCount: delivery.attemptCount + 1, nextAttemptAt });
        continue;
      }
      this.#residency.free(lane, 1, delivery.payload.length);
      if (nextAttemptAt !== null) this.stored(delivery.endpointKey, nextAttemptAt);
      this.#loader.feed(lane);
      this.#rest(lane);
    }
    this.#loader.feedSome();
  }

  /** The endpoint was changed: the next request goes by the new values. */
  endpointChanged(endpointKey: number): void {
    const lane = this.#lanes.get(endpointKey);
    if (!lane) return;
    lane.target = null;
    lane.targetVersion++;
  }

  /** The endpoint is gone: nothing more is sent to it. Its deliveries are cancelled in the store by `upkeep`. */
  endpointDeleted(endpointKey: number): void {
    const lane = this.#lanes.get(endpointKey);
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

  #lane(endpointKey: number): Lane {
    let lane = this.#lanes.get(endpointKey);
    if (lane === undefined) {
      lane = new Lane(endpointKey);
      this.#lanes.set(endpointKey, lane);
    }
    this.#idle.delete(lane);
    return lane;
  }

  /** An idle lane is kept for what it has learnt of its endpoint; the longest idle goes when there are too many. */
  #rest(lane: Lane): void {
    if (!lane.idle || this.#lanes.get(lane.endpointKey) !== lane) return;
    this.#idle.delete(lane);
    if (lane.closed) this.#lanes.delete(lane.endpointKey);
    else this.#idle.add(lane);
    if (this.#idle.size <= IDLE_LANES) return;
    const [longest] = this.#idle as Iterable<Lane>;
    if (longest === undefined) return;
    this.#idle.delete(longest);
    this.#lanes.delete(longest.endpointKey);
  }

  #ready(lane: Lane, delivery: LeasedDelivery): void {
    if (lane.closed) {
      this.#residency.free(lane, 1, delivery.payload.length);
      this.#options.orphaned(lane.endpointKey);
      this.#rest(lane);
      return;
    }
    lane.ready.push(delivery);
    this.#takeTurn(lane);
  }

  #loaded(lane: Lane, claimed: readonly LeasedDelivery[]): void {
    for (const delivery of claimed) this.#ready(lane, delivery);
    if (lane.standing === 'silent') this.#unload(lane);
    this.#rest(lane);
    this.#pumpSoon();
  }

  /** A silent endpoint gives back to the store what is above its share: others need the room. */
  #unload(lane: Lane): void {
    if (lane.unloading || lane.closed || this.#stopped) return;
    const keep = Math.max(this.#residency.share(lane) - lane.inFlight, lane.ready.size - UNLOADED_AT_ONCE, 0);
    const leases = lane.ready.truncate(keep);
    if (leases.length === 0) return;
    lane.unloading = true;
    void this.#unlease(lane, leases);
  }

  async #unlease(lane: Lane, leases: readonly LeasedDelivery[]): Promise<void> {
    try {
      await this.#options.store.deliveryUnlease({ leases });
      lane.unloading = false;
      for (const { payload } of leases) this.#residency.free(lane, 1, payload.length);
      this.stored(lane.endpointKey, Math.min(...leases.map(({ nextAttemptAt }) => nextAttemptAt)));
      this.#loader.feedSome();
      if (lane.standing === 'silent') this.#unload(lane);
      this.#rest(lane);
    } catch (error) {
      this.#options.log.warn(
        { err: error, endpointKey: lane.endpointKey },
        'deliveries could not be given back; trying again',
      );
      this.#alarms.set(AGAIN_MS, () => void this.#unlease(lane, leases));
    }
  }

  #takeTurn(lane: Lane): void {
    if (lane.queued || !lane.canSend) return;
    lane.queued = true;
    this.#turns.push(lane);
  }

  #pumpSoon(): void {
    if (this.#pumping || this.#paused || this.#stopped || this.#turns.size === 0) return;
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
    const placeless: Lane[] = [];
    for (let lane = this.#turns.shift(); lane !== undefined; lane = this.#turns.shift()) {
      lane.queued = false;
      const target = lane.target ?? this.#lookUp(lane);
      if (target === null) continue;
      if (!this.#places.has(lane.standing)) {
        placeless.push(lane);
        if (!this.#places.has('answering')) break;
        continue;
      }
      const turns = lane.standing === 'answering' ? TURN : 1;
      for (let turn = 0; turn < turns && lane.canSend && this.#places.has(lane.standing); turn++) {
        jobs.push(this.#begin(lane, target));
      }
      this.#takeTurn(lane);
    }
    for (const lane of placeless) this.#takeTurn(lane);
    if (jobs.length > 0) this.#options.send(jobs);
  }

  #begin(lane: Lane, target: Target): SendJob {
    const delivery = lane.ready.shift() as LeasedDelivery;
    const ref = ++this.#lastRef;
    lane.inFlight++;
    const { standing } = lane;
    this.#places.take(standing);
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

  /** The lane's target when memory has it; otherwise null, and the lane gets its turn when it is there. */
  #lookUp(lane: Lane): Target | null {
    if (lane.lookingUp) return null;
    const found = this.#options.target(lane.endpointKey);
    if (!(found instanceof Promise)) {
      if (found === null) this.#close(lane);
      lane.target = found;
      return found;
    }
    lane.lookingUp = true;
    const version = lane.targetVersion;
    found.then(
      (target) => {
        lane.lookingUp = false;
        // Changed meanwhile: the lane's next turn looks again.
        if (version === lane.targetVersion) lane.target = target;
        if (target === null) this.#close(lane);
        this.#takeTurn(lane);
        this.#pumpSoon();
      },
      (error: unknown) => {
        this.#options.log.warn(
          { err: error, endpointKey: lane.endpointKey },
          'an endpoint could not be read; trying again',
        );
        this.#alarms.set(AGAIN_MS, () => {
          lane.lookingUp = false;
          this.#takeTurn(lane);
          this.#pumpSoon();
        });
      },
    );
    return null;
  }

  #close(lane: Lane): void {
    lane.closed = true;
    this.#loader.forget(lane);
    for (const delivery of lane.ready.drain()) this.#residency.free(lane, 1, delivery.payload.length);
    this.#options.orphaned(lane.endpointKey);
    this.#loader.feedSome();
    this.#rest(lane);
  }

  #waitInMemory(lane: Lane, delivery: LeasedDelivery): void {
    // When the wall clock was set back meanwhile, the retry does not wait for it.
    const delayMs = Math.min(delivery.nextAttemptAt - this.#clock.now(), RETRY_IN_MEMORY_MS);
    this.#alarms.set(delayMs, () => {
      this.#ready(lane, delivery);
      this.#pumpSoon();
    });
  }
}
