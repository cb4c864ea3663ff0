import type { Clock } from '../model/clock.ts';
import type { Destination } from '../model/destination.ts';
import type { Shares } from '../model/shares.ts';
import type { Store } from '../store/store.ts';
import type { Breakers } from './breakers.ts';
import type { Destinations } from './destinations.ts';
import type { Lane } from './lane.ts';
import type { Lanes } from './lanes.ts';
import type { Loader } from './loader.ts';
import { SharedBreakers } from './shared-breakers.ts';
import type { Unloader } from './unloader.ts';

/** Something waits in the store, from then on. */
export interface Stored {
  readonly endpointKey: number;
  readonly dueAt: number;
}

export interface SharingOptions {
  store: Pick<Store, 'deliveryBacklog'>;
  clock: Clock;
  shares: Shares;
  lanes: Lanes;
  loader: Loader;
  unloader: Unloader;
  breakers: Breakers;
  destinations: Destinations;
  /** The lane may have turns again, or more of them. */
  resume(lane: Lane): void;
  /** What is known of its endpoint has changed by what others found. */
  recount(lane: Lane): void;
  /** The endpoint takes nothing: what waits for it in the store wants to be withdrawn. */
  orphaned(endpointKey: number): void;
  /** These wait in the store for another node, which nobody has told. */
  handedOver?(endpoints: readonly Stored[]): void;
  /** Tells the store, and by it the other nodes. */
  breakerChanged?(endpointKey: number, open: boolean): void;
  log: { warn(fields: object, text: string): void };
}

/** Endpoints of which the store is asked at once who sends for them. */
const LOOK_UPS = 64;
/** What is another node's is taken for that so long without asking again. */
const FOREIGN_MS = 60_000;

/**
 * Shares the sending with other nodes. Most lanes are free: every node sends what it took or claimed, with its part of the
 * places. What must hold over all nodes (an order, a rate, few places, an open breaker) makes a lane sole: its owner sends for
 * it, and on all others it is elsewhere. Each node decides that by the same rules, without a word, whenever something changes:
 * the live nodes, the endpoint, its breaker.
 *
 *     free ──becomes sole──┬── this node owns it ───► here ◄────────────┐
 *      ▲                   │                           │                │
 *      │                   │                 another owns it now    this one owns it now
 *      │                   │                           ▼                │
 *      │                   └── another owns it ────► elsewhere ─────────┘
 *      └──── no longer sole, from wherever
 *
 * A lane that goes elsewhere gives back to the store all that is in memory, and its owner is told. What is under way ends here:
 * until then, and while nodes do not see the same others, two may send for it at once. A line keeps its order even so, since its
 * turn is leased in the store. A lane that comes here asks the store what waits.
 *
 * What strangers stored (a publish in SQL, the leases of a node that ended) is taken up by one node, the owner, for free lanes
 * too. With one node every lane is free and has all places.
 */
export class Sharing {
  readonly #options: SharingOptions;
  readonly #shares: Shares;
  readonly #broken: SharedBreakers;
  /** Lanes that were told of something before it was known who sends for them; of `#asked`, the look-up is under way. */
  readonly #unknown = new Set<Lane>();
  readonly #asked = new Set<Lane>();
  readonly #handedOver = new Map<number, number>();
  /** Endpoints without a lane here of which others stored something, and that are theirs to take up. */
  readonly #foreign = new Set<number>();
  #foreignSince = 0;
  /** Live nodes, when they last changed. */
  #count = 1;
  #looking = false;
  #lookAgain = false;
  #stopped = false;

  constructor(options: SharingOptions) {
    this.#options = options;
    this.#shares = options.shares;
    this.#broken = new SharedBreakers({ ...options, consider: (lane) => this.consider(lane) });
  }

  /** This node has joined, perhaps beside others. Rejects as the store does. */
  start(): Promise<void> {
    this.#count = this.#shares.count;
    return this.read();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Whether this node takes up what strangers stored for the lane, and sends for it when only one may. */
  owns({ endpointKey, destination }: Lane): boolean {
    if (this.#shares.count === 1) return true;
    return destination !== null && destination.applicationThrottleRate !== null
      ? this.#shares.owns('application', destination.target.applicationKey)
      : this.#shares.owns('endpoint', endpointKey);
  }

  /** Whether this node sends for an endpoint, as far as it knows. */
  sendsFor(endpointKey: number): boolean {
    const lane = this.#options.lanes.find(endpointKey);
    if (lane !== undefined && this.#isKnown(lane)) return !lane.elsewhere;
    return this.#shares.count === 1 || this.#shares.owns('endpoint', endpointKey);
  }

  /** Whether it is known who sends for the lane. Finds it out when it is not; at once where the endpoint is in memory. */
  knows(lane: Lane): boolean {
    if (this.#isKnown(lane)) return true;
    this.#options.destinations.of(lane);
    return this.#isKnown(lane);
  }

  /** This node stored something for the lane. @param told The store has told the other nodes. */
  stored(lane: Lane, dueAt: number, { told }: { told: boolean }): void {
    if (!this.#isKnown(lane)) this.#ask(lane, dueAt, true);
    else if (!lane.elsewhere || lane.withdrawn) this.#take(lane, dueAt);
    else {
      if (!told) this.#handOver(lane, dueAt);
      this.#options.lanes.rest(lane);
    }
  }

  /** Somebody else stored something for the endpoint. */
  heard(endpointKey: number, dueAt: number): void {
    const { lanes } = this.#options;
    if (this.#foreign.has(endpointKey) && lanes.find(endpointKey) === undefined) return;
    const lane = lanes.get(endpointKey);
    if (!this.#isKnown(lane)) this.#ask(lane, dueAt, false);
    else if (this.owns(lane)) this.#take(lane, dueAt);
    else lanes.rest(lane);
  }

  /** Learns from the store what waits there: a row per endpoint. Rejects as the store does. */
  async read(): Promise<void> {
    for (const { endpointKey, nextDueAt } of await this.#options.store.deliveryBacklog()) {
      const lane = this.#options.lanes.find(endpointKey);
      if (lane === undefined || !this.#isKnown(lane) || lane.withdrawn) this.heard(endpointKey, nextDueAt);
      // A claim tells what it leaves, and later than this.
      else if (!lane.claiming && !lane.elsewhere) this.#take(lane, nextDueAt);
    }
  }

  /** Signals may have been missed, or lanes have come here: reads what waits. Never rejects. */
  async look(): Promise<void> {
    this.#lookAgain = true;
    if (this.#looking) return;
    this.#looking = true;
    while (this.#lookAgain && !this.#stopped) {
      this.#lookAgain = false;
      await this.read().catch((error: unknown) =>
        this.#options.log.warn({ err: error }, 'what waits could not be read; the next look will'),
      );
    }
    this.#looking = false;
  }

  /** The live nodes are others than before. */
  changed(): void {
    const { count } = this.#shares;
    const wasAlone = this.#count === 1;
    this.#count = count;
    if (wasAlone && count === 1) return;
    this.#foreign.clear();
    for (const lane of this.#options.lanes.all()) {
      this.consider(lane, { others: true });
      this.#options.resume(lane);
    }
    void this.look();
  }

  /** Endpoints whose breakers are open, as the store has it. */
  heardBroken(endpointKeys: ReadonlySet<number>): void {
    this.#broken.heard(endpointKeys);
  }

  /** The lane's breaker opened, or a probe failed, or it closed, by what this node saw. */
  breakerChanged(lane: Lane, open: boolean): void {
    this.#broken.changed(lane, open);
  }

  forget({ endpointKey }: Lane): void {
    this.#broken.forget(endpointKey);
  }

  endpointChanged(endpointKey: number): void {
    this.#foreign.delete(endpointKey);
  }

  /**
   * Decides anew who sends for the lane, and with how many places.
   * @param others The live nodes changed: the store is read for all lanes that come here, by every node.
   */
  consider(lane: Lane, { others } = { others: false }): void {
    const { count } = this.#shares;
    const { destination, elsewhere: wasElsewhere, sole: wasSole } = lane;
    if (lane.withdrawn) return;
    if (destination === null) {
      this.#unsettle(lane);
      return;
    }
    const sole = count > 1 && this.#isSole(lane, destination);
    lane.sole = sole;
    lane.elsewhere = sole && !this.owns(lane);
    lane.maxInFlight = sole
      ? destination.maxInFlight
      : Math.max(1, Math.floor(destination.maxInFlight / count));
    if (lane.elsewhere) {
      if (!wasElsewhere) this.#leave(lane, others);
      return;
    }
    if (sole) this.#broken.open(lane);
    if (wasElsewhere || (sole && wasSole === false)) this.#come(lane, others);
  }

  /** The look-up of the lane's endpoint has ended. */
  found(lane: Lane): void {
    if (lane.lookingUp) return;
    if (this.#asked.delete(lane)) this.#askSome();
    const { told } = lane;
    if (told === null) return;
    lane.told = null;
    // What is for an endpoint that takes nothing was withdrawn when that was found.
    if (lane.withdrawn) return;
    if (told.own) this.stored(lane, told.dueAt, { told: false });
    else if (this.owns(lane)) this.#take(lane, told.dueAt);
    else this.#noteForeign(lane);
    this.#options.lanes.rest(lane);
  }

  #isKnown(lane: Lane): boolean {
    return this.#shares.count === 1 || lane.destination !== null || lane.withdrawn;
  }

  #isSole(lane: Lane, destination: Destination): boolean {
    const { ordering, throttleRate, applicationThrottleRate, maxInFlight } = destination;
    if (ordering !== 'none' || throttleRate !== null || applicationThrottleRate !== null) return true;
    return maxInFlight < 2 * this.#shares.count || lane.broken || this.#broken.has(lane.endpointKey);
  }

  /** The live nodes changed while the lane's endpoint is not known, or known no longer. */
  #unsettle(lane: Lane): void {
    if (this.#shares.count === 1) {
      lane.sole = false;
      lane.elsewhere = false;
    } else if (lane.storeDueAt !== null) {
      const { storeDueAt } = lane;
      this.#options.loader.forget(lane);
      this.#ask(lane, storeDueAt, true);
    }
  }

  #take(lane: Lane, dueAt: number): void {
    if (lane.withdrawn) {
      this.#options.orphaned(lane.endpointKey);
      this.#options.lanes.rest(lane);
    } else this.#options.loader.stored(lane, dueAt);
  }

  #ask(lane: Lane, dueAt: number, own: boolean): void {
    const { told } = lane;
    lane.told = told === null ? { dueAt, own } : { dueAt: Math.min(told.dueAt, dueAt), own: told.own || own };
    if (this.#asked.has(lane)) return;
    this.#unknown.add(lane);
    this.#askSome();
  }

  #askSome(): void {
    for (const lane of this.#unknown) {
      if (this.#asked.size >= LOOK_UPS) return;
      this.#unknown.delete(lane);
      this.#options.destinations.of(lane);
      if (lane.lookingUp) this.#asked.add(lane);
      else this.found(lane);
    }
  }

  #noteForeign({ endpointKey }: Lane): void {
    const now = this.#options.clock.monotonic();
    if (now - this.#foreignSince > FOREIGN_MS) {
      this.#foreign.clear();
      this.#foreignSince = now;
    }
    this.#foreign.add(endpointKey);
  }

  #leave(lane: Lane, others: boolean): void {
    const { loader, unloader } = this.#options;
    const { storeDueAt } = lane;
    loader.forget(lane);
    unloader.check(lane);
    if (storeDueAt !== null && !others) this.#handOver(lane, storeDueAt);
  }

  #come(lane: Lane, others: boolean): void {
    const { loader, clock, resume } = this.#options;
    // What others left in the store for it is not known here: a claim tells.
    if (!others) loader.stored(lane, clock.now());
    resume(lane);
  }

  /** Tells together what comes together. */
  #handOver({ endpointKey }: Lane, dueAt: number): void {
    const isFirst = this.#handedOver.size === 0;
    this.#handedOver.set(endpointKey, Math.min(this.#handedOver.get(endpointKey) ?? dueAt, dueAt));
    if (!isFirst) return;
    this.#options.clock.soon(() => {
      const endpoints = [...this.#handedOver].map(([endpointKey, dueAt]) => ({ endpointKey, dueAt }));
      this.#handedOver.clear();
      this.#options.handedOver?.(endpoints);
    });
  }
}
