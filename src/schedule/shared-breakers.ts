import { BREAKER_PROBE_MS } from '../limits.ts';
import type { Clock } from '../model/clock.ts';
import type { Shares } from '../model/shares.ts';
import type { Breakers } from './breakers.ts';
import type { Lane } from './lane.ts';
import type { Lanes } from './lanes.ts';

export interface SharedBreakersOptions {
  clock: Clock;
  shares: Shares;
  lanes: Lanes;
  breakers: Breakers;
  /** What is known of its endpoint has changed by what others found. */
  recount(lane: Lane): void;
  /** Whether one node sends for the lane, and which, is to be decided anew. */
  consider(lane: Lane): void;
  /** Tells the store, and by it the other nodes. */
  breakerChanged?(endpointKey: number, open: boolean): void;
}

/** What this node saw is in the store by then, and in what is read from it. */
const WRITTEN_MS = BREAKER_PROBE_MS.first / 2;

/**
 * What nodes tell each other, by the store, of endpoints that only fail. Whose breaker opens, tells it; the endpoint's owner opens
 * its own, waits and probes, and the others keep away. Who sees the endpoint work tells that, and all send again:
 *
 *     closed ──opens at any node──► open, for the owner to probe ──success, at any node──► closed
 *                                       ▲                │
 *                                       └── failure ─────┘
 *
 * What is read from the store may be older than what this node saw itself, which goes before for as long as that may be. Where the
 * store no longer has it though the owner's own breaker is open, somebody saw it work: the owner probes at once, and tells it
 * anew when that fails.
 */
export class SharedBreakers {
  readonly #options: SharedBreakersOptions;
  #broken: ReadonlySet<number> = new Set();
  /** What this node saw and did not read from the store since: when a breaker opened or closed, in monotonic time. */
  readonly #opened = new Map<number, number>();
  readonly #closed = new Map<number, number>();

  constructor(options: SharedBreakersOptions) {
    this.#options = options;
  }

  has(endpointKey: number): boolean {
    return this.#broken.has(endpointKey) && !this.#closed.has(endpointKey);
  }

  /** Of an endpoint that this node owns: when others found it broken, it is so here too. */
  open(lane: Lane): void {
    const { breakers, recount } = this.#options;
    if (lane.broken || !this.has(lane.endpointKey)) return;
    breakers.open(lane);
    recount(lane);
  }

  /** By what this node saw, the lane's breaker opened, or a probe failed, or it closed. */
  changed(lane: Lane, open: boolean): void {
    const { clock, shares, consider, breakerChanged } = this.#options;
    const { endpointKey } = lane;
    const [now, before] = open ? [this.#opened, this.#closed] : [this.#closed, this.#opened];
    before.delete(endpointKey);
    if (open || this.#broken.has(endpointKey)) now.set(endpointKey, clock.monotonic());
    breakerChanged?.(endpointKey, open);
    if (shares.count > 1) consider(lane);
  }

  /** Those that are open, as the store has it. */
  heard(endpointKeys: ReadonlySet<number>): void {
    const { clock, shares } = this.#options;
    const known = this.#broken;
    const now = clock.monotonic();
    this.#broken = endpointKeys;
    for (const [endpointKey, at] of this.#closed) {
      if (!endpointKeys.has(endpointKey) || now - at >= WRITTEN_MS) this.#closed.delete(endpointKey);
    }
    for (const endpointKey of endpointKeys) this.#opened.delete(endpointKey);
    if (shares.count === 1) return;
    for (const endpointKey of endpointKeys) this.#consider(endpointKey);
    for (const endpointKey of new Set([...known, ...this.#opened.keys()])) {
      const openedAt = this.#opened.get(endpointKey) ?? Number.NEGATIVE_INFINITY;
      if (!endpointKeys.has(endpointKey) && now - openedAt >= WRITTEN_MS) this.#works(endpointKey);
    }
  }

  forget(endpointKey: number): void {
    this.#opened.delete(endpointKey);
  }

  #consider(endpointKey: number): void {
    const lane = this.#options.lanes.find(endpointKey);
    if (lane !== undefined) this.#options.consider(lane);
  }

  /** Somebody saw that the endpoint works, or a person enabled it. */
  #works(endpointKey: number): void {
    const { lanes, breakers, clock, recount, consider } = this.#options;
    const lane = lanes.find(endpointKey);
    this.#opened.delete(endpointKey);
    if (lane === undefined) return;
    if (lane.broken && lane.elsewhere) {
      breakers.close(lane);
      recount(lane);
    } else if (lane.broken) {
      this.#opened.set(endpointKey, clock.monotonic());
      breakers.hurry(lane);
    }
    consider(lane);
  }
}
