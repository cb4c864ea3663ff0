import type { Holding } from './holding.ts';
import { Lane } from './lane.ts';

const IDLE_LANES = 10_000;

/** All lanes. An idle one is kept for what it has learnt of its endpoint; the longest idle goes when there are too many. */
export class Lanes {
  readonly #lanes = new Map<number, Lane>();
  readonly #idle = new Set<Lane>();
  readonly #unknown: Holding;
  readonly #ahead: number;
  readonly #forgotten: (lane: Lane) => void;

  /**
   * @param unknown What a new lane belongs to.
   * @param ahead Deliveries of one lane that the sender may be given before it can begin them.
   */
  constructor(unknown: Holding, ahead: number, forgotten: (lane: Lane) => void) {
    this.#unknown = unknown;
    this.#ahead = ahead;
    this.#forgotten = forgotten;
  }

  find(endpointKey: number): Lane | undefined {
    return this.#lanes.get(endpointKey);
  }

  /** The endpoint's lane, made when there is none. It is not forgotten before it rests. */
  get(endpointKey: number): Lane {
    let lane = this.#lanes.get(endpointKey);
    if (lane === undefined) {
      lane = new Lane(endpointKey, this.#unknown, this.#ahead);
      this.#lanes.set(endpointKey, lane);
    }
    this.#idle.delete(lane);
    return lane;
  }

  /** As they are now: one may be forgotten meanwhile. */
  all(): Lane[] {
    return [...this.#lanes.values()];
  }

  /** Looks whether the lane has nothing to do any more. */
  rest(lane: Lane): void {
    // Nothing is on its way to it: there is nothing that could come and be void.
    if (lane.resident === 0) lane.voids = null;
    if (!lane.idle || this.#lanes.get(lane.endpointKey) !== lane) return;
    this.#idle.delete(lane);
    if (lane.closed) this.#forget(lane);
    else this.#idle.add(lane);
    if (this.#idle.size <= IDLE_LANES) return;
    const [longest] = this.#idle as Iterable<Lane>;
    if (longest !== undefined) this.#forget(longest);
  }

  #forget(lane: Lane): void {
    this.#idle.delete(lane);
    this.#lanes.delete(lane.endpointKey);
    this.#forgotten(lane);
  }
}
