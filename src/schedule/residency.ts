import type { SCHEDULE_LIMITS } from '../limits.ts';
import type { Lane, LaneThrottle } from './lane.ts';

/** Parts of all memory: for silent endpoints; for the others' deliveries as they are published, and with those from the store. */
const FOR_SILENT = 0.25;
/** For endpoints with a throttle, taken from what the standing of each may have. */
const FOR_THROTTLED = 0.25;
const FOR_PUBLISHED = 0.6;
const FOR_LIVELY = 0.75;
/** A lane's part of the characters. */
const LANE_CHARACTERS = 1 / 16;
/** A throttled lane, and all lanes that share a throttle, have in memory what goes out within this time, but at least so many. */
const THROTTLED_SECONDS = 10;
const THROTTLED_LEAST = 16;
const SHARED_LEAST = 256;

export interface Room {
  readonly deliveries: number;
  readonly characters: number;
}

/**
 * Which deliveries may be in memory. Nobody can fill it for the others:
 *
 * - a lane has a share that grows with what its endpoint has taken so far, and shrinks to next to nothing while the
 *   endpoint is silent;
 * - silent endpoints have a quarter of the memory among them, the others the rest;
 * - what a throttle keeps waiting is bounded by its rate, and all that throttles keep waiting by a quarter;
 * - of the rest, what is published leaves a fifth to what waits in the store, so that it always moves on.
 */
export class Residency {
  readonly #limits: typeof SCHEDULE_LIMITS;
  readonly #silent = { deliveries: 0, characters: 0 };
  readonly #lively = { deliveries: 0, characters: 0 };
  /** Those of throttled lanes; they are counted above as well. */
  readonly #throttled = { deliveries: 0, characters: 0 };

  constructor(limits: typeof SCHEDULE_LIMITS) {
    this.#limits = limits;
  }

  get deliveries(): number {
    return this.#silent.deliveries + this.#lively.deliveries;
  }

  /** Deliveries that a lane may have in memory. */
  share(lane: Lane): number {
    if (lane.standing === 'silent') return 2 * lane.limit;
    const share = lane.proven
      ? this.#limits.residentPerEndpoint
      : Math.min(16 * lane.limit, this.#limits.residentPerEndpoint);
    if (lane.throttle === null) return share;
    return Math.min(share, Math.max(THROTTLED_LEAST, THROTTLED_SECONDS * rateOf(lane.throttle)));
  }

  /** Deliveries that a lane keeps when it gives back what is too much: it may have got them before its throttle was known. */
  keep(lane: Lane): number {
    const share = this.share(lane);
    if (lane.throttle === null) return share;
    const { deliveries, characters } = this.#throttledRoom(ALL, lane.throttle);
    return characters < 0 ? 1 : Math.max(1, share + Math.min(0, deliveries));
  }

  /** Whether a delivery that was just published may come in. */
  admits(lane: Lane, characters: number): boolean {
    const room = this.#room(lane, FOR_PUBLISHED);
    return room.deliveries >= 1 && (room.characters >= characters || this.#isFirst(lane, room));
  }

  /** What may be read from the store for a lane; no deliveries: none now. */
  roomToClaim(lane: Lane): Room {
    const room = this.#room(lane, FOR_LIVELY);
    const deliveries = Math.min(room.deliveries, this.#limits.claim);
    if (deliveries < 1) return NONE;
    if (room.characters > 0) return { deliveries, characters: room.characters };
    return this.#isFirst(lane, room) ? { deliveries: 1, characters: 1 } : NONE;
  }

  reserve(lane: Lane, deliveries: number, characters: number): void {
    lane.resident += deliveries;
    lane.characters += characters;
    this.#count(lane, deliveries, characters);
  }

  free(lane: Lane, deliveries: number, characters: number): void {
    this.reserve(lane, -deliveries, -characters);
  }

  /** The lane's standing may have changed: what it has in memory is counted with its like. */
  recount(lane: Lane): void {
    if (lane.standing === lane.countedAs) return;
    this.#count(lane, -lane.resident, -lane.characters);
    lane.countedAs = lane.standing;
    this.#count(lane, lane.resident, lane.characters);
  }

  /** Gives the lane another throttle, and counts by it what the lane has in memory. */
  setThrottle(lane: Lane, throttle: LaneThrottle | null): void {
    this.#count(lane, -lane.resident, -lane.characters);
    lane.throttle = throttle;
    this.#count(lane, lane.resident, lane.characters);
  }

  #count(lane: Lane, deliveries: number, characters: number): void {
    const total = lane.countedAs === 'silent' ? this.#silent : this.#lively;
    total.deliveries += deliveries;
    total.characters += characters;
    if (lane.throttle === null) return;
    this.#throttled.deliveries += deliveries;
    this.#throttled.characters += characters;
    if (lane.throttle.shared !== null) lane.throttle.shared.resident += deliveries;
  }

  #room(lane: Lane, part: number): Room {
    const silent = lane.countedAs === 'silent';
    const total = silent ? this.#silent : this.#lively;
    const usable = silent ? FOR_SILENT : part;
    const { resident, residentCharacters } = this.#limits;
    const room = {
      deliveries: Math.min(
        this.share(lane) - lane.resident,
        Math.floor(resident * usable) - total.deliveries,
      ),
      characters: Math.min(
        Math.floor(residentCharacters * LANE_CHARACTERS) - lane.characters,
        Math.floor(residentCharacters * usable) - total.characters,
      ),
    };
    return lane.throttle === null ? room : this.#throttledRoom(room, lane.throttle);
  }

  #throttledRoom({ deliveries, characters }: Room, { shared }: LaneThrottle): Room {
    const { resident, residentCharacters } = this.#limits;
    const ofShared =
      shared === null
        ? Number.POSITIVE_INFINITY
        : Math.max(SHARED_LEAST, THROTTLED_SECONDS * shared.pace.rate) - shared.resident;
    return {
      deliveries: Math.min(
        deliveries,
        ofShared,
        Math.floor(resident * FOR_THROTTLED) - this.#throttled.deliveries,
      ),
      characters: Math.min(
        characters,
        Math.floor(residentCharacters * FOR_THROTTLED) - this.#throttled.characters,
      ),
    };
  }

  /** A payload above a lane's whole part still goes, alone. */
  #isFirst(lane: Lane, room: Room): boolean {
    const total = this.#silent.characters + this.#lively.characters;
    return lane.resident === 0 && room.deliveries >= 1 && total < this.#limits.residentCharacters;
  }
}

const NONE: Room = { deliveries: 0, characters: 0 };
const ALL: Room = { deliveries: Number.POSITIVE_INFINITY, characters: Number.POSITIVE_INFINITY };

/** Deliveries a second that a throttle lets through. */
function rateOf({ own, shared }: LaneThrottle): number {
  return Math.min(own?.rate ?? Number.POSITIVE_INFINITY, shared?.pace.rate ?? Number.POSITIVE_INFINITY);
}
