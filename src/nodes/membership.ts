import { POSTGRES_QUERY_MS, RELEASE_STEP } from '../limits.ts';
import type { Clock, Timer } from '../model/clock.ts';
import type { HoldUntil } from '../model/exchange.ts';
import { type Fences, firstFence, LEASE_EXPIRES } from '../model/lease.ts';
import { ownClock, SharedClock } from '../model/shared-clock.ts';
import type { OwnedKind, Shares } from '../model/shares.ts';
import type { EndedNode, NodeView, Stopped, Store } from '../store/store.ts';
import { owner } from './ownership.ts';
import { StoreTime } from './store-time.ts';
import { UnequalLeases } from './unequal-leases.ts';

export interface MembershipOptions {
  store: Pick<Store, 'shared' | 'nodeJoin' | 'nodeBeat' | 'nodeLeave' | 'nodeForget' | 'deliveryRelease'>;
  /** A `SharedClock` learns the store's time; the lease goes by the own wall clock all the same. */
  clock: Clock;
  fences: Pick<Fences, 'begin'>;
  /** For people: which process it is. */
  name: string;
  /** Others have taken over what this node had at the latest so long after its last beat. */
  leaseMs: number;
  /** The lease holds up to then: whoever else begins requests must know it before this node does. Zero: it does not. */
  renewed(until: HoldUntil): void;
  /** Other nodes are live than before, this one perhaps not in the same place among them. */
  changed(): void;
  /** Whether the own lease holds is to be asked anew. */
  leaseChanged(): void;
  /** Another node ended this one, which has joined again: leases under these fences are void, and so is what memory has of them. */
  forfeited(fences: FenceRange): void;
  /** What an ended node had leased waits in the store. */
  released(stored: Stopped['stored']): void;
  /** All of that was released: what else that node was about may be half done. */
  ended(): void;
  log: { info(fields: object, text: string): void; warn(fields: object, text: string): void };
}

/** From `from` on and below `before`. */
export interface FenceRange {
  readonly from: number;
  readonly before: number;
}

/** A node beats so often in the time of its lease. */
const BEATS = 8;
/**
 * Part of the lease after a beat: until then this node sends, counted from before the beat. Between that and when others may end it
 * (`LEASE_EXPIRES`), what was sent last comes back and is recorded.
 */
const HOLDS = 2 / 3;
/** A timer may fire so long before its time. */
const EARLY_MS = 2;
/** What a process asked of the store comes about within this time, or never: `POSTGRES_STATEMENT_MS`, and the way there. */
const COMMITS_WITHIN_MS = POSTGRES_QUERY_MS;
const OVER: HoldUntil = { monotonic: 0, wall: 0 };
/** A process that ends waits so long for the store to take note. */
const LEAVE_MS = 2_000;

interface Left {
  readonly node: EndedNode;
  /** Since when this node has known, monotonic. */
  readonly since: number;
  /** What was found was released. What that node had still under way in the store may have come later. */
  released: boolean;
}

/**
 * This process as one of the nodes of its store. It beats, which holds its lease; the live nodes are those whose beats the store
 * has seen, and the one with the lowest epoch leads: it does what one node has to do, the release of ended nodes' leases among it.
 *
 *                    ┌──── beat ────┐
 *     join ──► holds ┴──────────────┴── no beat for 2/3 of the lease ──► lapsed (nothing is sent) ──beat──► holds
 *                                                                           │
 *                      joins under a later epoch, memory is void ◄── lost ◄─┘ after 5/6 another node may end it
 *
 * A store that is not shared has one node for as long as its process runs: that holds and leads, and never beats.
 */
export class Membership implements Shares {
  readonly #options: MembershipOptions;
  /** Its wall time does not move when the store's is learned. */
  readonly #own: Clock;
  readonly #storeTime: StoreTime | null;
  readonly #unequal: UnequalLeases;
  #epoch = 0;
  #live: readonly number[] = [];
  /** The monotonic clock does not go on while a machine sleeps; the wall clock does, but is set now and then. */
  #until: HoldUntil = OVER;
  #timer: Timer | null = null;
  #lapse: Timer | null = null;
  #beating: Promise<void> | null = null;
  #again = false;
  #lapsed = false;
  #failure: unknown = null;
  #stopped = false;
  readonly #left = new Map<number, Left>();
  #releasing = false;

  constructor(options: MembershipOptions) {
    const { clock, log, leaseMs } = options;
    this.#options = options;
    this.#unequal = new UnequalLeases({ leaseMs, log });
    this.#own = ownClock(clock);
    this.#storeTime = clock instanceof SharedClock ? new StoreTime(clock, log) : null;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Epochs of the live nodes, ascending. Another list when others are live. */
  get live(): readonly number[] {
    return this.#live;
  }

  get count(): number {
    return Math.max(this.#live.length, 1);
  }

  /** Whether this node does what one node has to do. */
  get leads(): boolean {
    return this.#epoch !== 0 && this.#live[0] === this.#epoch;
  }

  /** Whether this node is the one that sends for an endpoint, or for an application, that only one may send for. */
  owns(kind: OwnedKind, key: number): boolean {
    return this.#live.length <= 1 || owner(kind, key, this.#live) === this.#epoch;
  }

  /** Whether what this node has leased is its own: asked before each request. */
  holds(): boolean {
    const { store, clock } = this.#options;
    if (!store.shared) return true;
    return clock.monotonic() < this.#until.monotonic && this.#own.now() < this.#until.wall;
  }

  /** Becomes a node. Rejects as the store does. */
  async join(): Promise<void> {
    await this.#enter();
    if (!this.#options.store.shared) await this.#release();
    else this.#beatLater();
  }

  /** Nodes may have come or gone: looks now instead of with the next beat. */
  look(): void {
    if (!this.#options.store.shared || this.#stopped) return;
    this.#again = true;
    if (this.#beating === null) this.#beatNow();
  }

  /** Ends it: what it still has leased goes out from other nodes, or from the next process. Never rejects. */
  async leave(): Promise<void> {
    const { store, clock, log } = this.#options;
    if (this.#stopped || this.#epoch === 0) return;
    this.#stopped = true;
    this.#timer?.cancel();
    this.#lapse?.cancel();
    if (!store.shared) return;
    this.#holdUntil(OVER);
    const left = Promise.resolve(this.#beating)
      .then(() => store.nodeLeave({ epoch: this.#epoch }))
      .catch((error: unknown) =>
        log.warn({ err: error }, 'the database could not be told that this node ends: its lease runs out'),
      );
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = clock.timer(LEAVE_MS, resolve);
    });
    await Promise.race([left, late]);
    timer?.cancel();
  }

  /** Joins under an epoch of its own, until the store has it among the live. */
  async #enter(): Promise<void> {
    const { store, clock, fences, name, leaseMs, forfeited } = this.#options;
    for (let view: NodeView | 'lost' = 'lost'; view === 'lost'; ) {
      const before = this.#epoch;
      const { epoch } = await store.nodeJoin({ name, leaseMs: Math.round(leaseMs * LEASE_EXPIRES) });
      fences.begin(epoch);
      this.#epoch = epoch;
      if (before !== 0) forfeited({ from: firstFence(before), before: firstFence(before + 1) });
      const began = clock.monotonic();
      const wallBegan = this.#own.now();
      view = await store.nodeBeat({ epoch, leaseMs: Math.round(leaseMs * LEASE_EXPIRES) });
      if (view !== 'lost') this.#renewed(view, began, wallBegan);
    }
  }

  #beatLater(delayMs = this.#options.leaseMs / BEATS): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.timer(delayMs, () => this.#beatNow());
  }

  #beatNow(): void {
    this.#timer?.cancel();
    this.#beating = this.#beat().finally(() => {
      this.#beating = null;
    });
  }

  /** One beat, and the time until the next. Never rejects. */
  async #beat(): Promise<void> {
    const { clock, leaseMs } = this.#options;
    const began = clock.monotonic();
    this.#again = false;
    let failed = false;
    try {
      await this.#renew(began);
      this.#failure = null;
    } catch (error) {
      this.#failure = error;
      failed = true;
    }
    const everyMs = leaseMs / BEATS;
    const restMs = Math.max(everyMs - (clock.monotonic() - began), 0);
    // A beat that took too long to hold anything is made up for at once; a store that refuses at once is not pestered.
    this.#beatLater(!failed && (this.#again || !this.holds()) ? 0 : restMs);
  }

  async #renew(began: number): Promise<void> {
    const { store, leaseMs, log } = this.#options;
    const wallBegan = this.#own.now();
    const view = await store.nodeBeat({ epoch: this.#epoch, leaseMs: Math.round(leaseMs * LEASE_EXPIRES) });
    if (this.#stopped) return;
    if (view !== 'lost' && view.live.includes(this.#epoch)) {
      this.#renewed(view, began, wallBegan);
      return;
    }
    this.#holdUntil(OVER);
    log.warn({ epoch: this.#epoch }, 'other nodes took this one for dead: it begins anew');
    await this.#enter();
  }

  #renewed(view: NodeView, began: number, wallBegan: number): void {
    const { clock, leaseMs, changed, leaseChanged, log } = this.#options;
    if (this.#stopped) return;
    this.#storeTime?.learn({ now: view.now, began, ended: clock.monotonic() });
    // Whoever joins knows that it does.
    const isFirst = this.#live.length === 0;
    const held = this.holds();
    this.#lapse?.cancel();
    if (this.#options.store.shared) {
      this.#holdUntil({ monotonic: began + leaseMs * HOLDS, wall: wallBegan + leaseMs * HOLDS });
      const leftMs = this.#until.monotonic - clock.monotonic();
      if (leftMs > 0) this.#lapse = clock.timer(leftMs, () => this.#lapsedNow());
    }
    if (this.#lapsed && this.holds()) {
      this.#lapsed = false;
      log.info({ epoch: this.#epoch }, 'the lease holds again: sending goes on');
    }
    if (!isSame(this.#live, view.live)) {
      this.#live = view.live;
      if (!isFirst) changed();
    }
    if (!isFirst && held !== this.holds()) leaseChanged();
    this.#unequal.look(view.leases.map((each) => ({ ...each, leaseMs: each.leaseMs / LEASE_EXPIRES })));
    this.#see(view.ended);
  }

  #holdUntil(until: HoldUntil): void {
    this.#options.renewed(until);
    this.#until = until;
  }

  #lapsedNow(): void {
    const { clock, log } = this.#options;
    if (this.holds()) {
      const { monotonic, wall } = this.#until;
      const leftMs = Math.min(monotonic - clock.monotonic(), wall - this.#own.now());
      this.#lapse = clock.timer(leftMs + EARLY_MS, () => this.#lapsedNow());
      return;
    }
    if (!this.#lapsed) {
      // As a reason, not as an error of the store: that is told once by whoever meets it first, and this always.
      const reason = this.#failure instanceof Error ? this.#failure.message : 'it has not answered since';
      log.warn({ reason }, 'no lease: nothing is sent until the database answers');
    }
    this.#lapsed = true;
    this.#options.leaseChanged();
  }

  #see(ended: readonly EndedNode[]): void {
    const now = this.#options.clock.monotonic();
    for (const epoch of this.#left.keys()) {
      if (!ended.some((node) => node.epoch === epoch)) this.#left.delete(epoch);
    }
    for (const node of ended) {
      if (!this.#left.has(node.epoch)) this.#left.set(node.epoch, { node, since: now, released: false });
    }
    if (this.#options.store.shared && this.leads) {
      void this.#release().catch((error: unknown) =>
        this.#options.log.warn({ err: error }, 'leases of an ended node could not be released; trying again'),
      );
    }
  }

  /**
   * Releases what ended nodes had leased: at once, and once more when the time of a lease has gone by, or that of a statement, for
   * what they had under way in the store as they ended. Then they are forgotten. Goes on with the next beat where it rejects.
   */
  async #release(): Promise<void> {
    const { store, clock, leaseMs, ended, log } = this.#options;
    if (this.#releasing) return;
    this.#releasing = true;
    try {
      for (const left of [...this.#left.values()]) {
        const late = !store.shared || clock.monotonic() - left.since >= Math.max(leaseMs, COMMITS_WITHIN_MS);
        if (left.released && !late) continue;
        const { epoch, name, silentMs } = left.node;
        const began = clock.monotonic();
        const released = await this.#releaseOf(left.node);
        const ms = Math.round(clock.monotonic() - began);
        if (silentMs !== null && !left.released) {
          log.warn(
            { epoch, name, released, silentMs: Math.round(silentMs), ms },
            'a node was not heard of any more: others took over, and the deliveries that it had under way go out again',
          );
        } else if (released > 0) {
          log.info(
            { epoch, name, released, ms },
            'deliveries that an ended process had under way go out again',
          );
        }
        if (late) {
          await store.nodeForget({ epoch });
          this.#left.delete(epoch);
        }
        if (!left.released) ended();
        left.released = true;
      }
    } finally {
      this.#releasing = false;
    }
  }

  async #releaseOf({ from, before }: FenceRange): Promise<number> {
    const { store, clock, released } = this.#options;
    let count = 0;
    for (let more = true; more && !this.#stopped; ) {
      const step = await store.deliveryRelease({ from, before, now: clock.now(), limit: RELEASE_STEP });
      count += step.released;
      more = step.more;
      // A process alone has not begun yet.
      if (store.shared && step.stored.length > 0) released(step.stored);
    }
    return count;
  }
}

function isSame(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((epoch, index) => epoch === other[index]);
}
