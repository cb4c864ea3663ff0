import type { Clock } from '../model/clock.ts';
import type { Destination } from '../model/destination.ts';
import type { Alarms } from './alarms.ts';
import type { Lane } from './lane.ts';

export interface DestinationsOptions {
  clock: Clock;
  alarms: Alarms;
  /** Null when the endpoint was deleted. At once when it is known in memory. */
  destination(endpointKey: number): Destination | null | Promise<Destination | null>;
  /** Takes on what was found. */
  found(lane: Lane, destination: Destination | null): void;
  /** A look-up ended that the lane waited for. */
  ready(lane: Lane): void;
  log: { warn(fields: object, text: string): void };
}

/** After a failed read of the store, how long until the next. */
const AGAIN_MS = 1_000;
/** Changed endpoints looked up before others get their turn: a change of an application changes all of its endpoints. */
const CHANGED_AT_ONCE = 64;

/** Looks up where lanes send to. What was changed is looked up again by itself: a disabled endpoint must not wait for a delivery. */
export class Destinations {
  readonly #options: DestinationsOptions;
  readonly #changed = new Set<Lane>();

  constructor(options: DestinationsOptions) {
    this.#options = options;
  }

  /** The lane's destination when memory has it. Otherwise null; `ready` is called when it was found. */
  of(lane: Lane): Destination | null {
    if (lane.destination !== null) return lane.destination;
    if (lane.lookingUp || lane.withdrawn) return null;
    const found = this.#options.destination(lane.endpointKey);
    if (found instanceof Promise) {
      this.#wait(lane, found);
      return null;
    }
    this.#options.found(lane, found);
    return lane.halted ? null : found;
  }

  changed(lane: Lane): void {
    lane.destination = null;
    lane.version++;
    this.#changed.add(lane);
    if (this.#changed.size === 1) this.#options.clock.soon(() => this.#review());
  }

  #review(): void {
    let left = CHANGED_AT_ONCE;
    for (const lane of this.#changed) {
      if (left-- === 0) break;
      this.#changed.delete(lane);
      if (!lane.lookingUp) {
        this.of(lane);
        this.#options.ready(lane);
      }
    }
    if (this.#changed.size > 0) this.#options.clock.soon(() => this.#review());
  }

  #wait(lane: Lane, found: Promise<Destination | null>): void {
    const { alarms, log } = this.#options;
    const { version } = lane;
    lane.lookingUp = true;
    found.then(
      (destination) => {
        lane.lookingUp = false;
        // Changed meanwhile: it is looked up again. What was deleted does not come back.
        if (destination === null || version === lane.version) this.#options.found(lane, destination);
        else this.of(lane);
        this.#options.ready(lane);
      },
      (error: unknown) => {
        log.warn(
          { err: error, endpointKey: lane.endpointKey },
          'an endpoint could not be read; trying again',
        );
        alarms.set(AGAIN_MS, () => {
          lane.lookingUp = false;
          this.of(lane);
          this.#options.ready(lane);
        });
      },
    );
  }
}
