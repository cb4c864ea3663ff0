import type { SCHEDULE_LIMITS } from '../limits.ts';
import type { Amount, Holding } from './holding.ts';
import type { Lane, LaneThrottle } from './lane.ts';

/** Parts of all memory: for silent endpoints; for the others' deliveries as they are published, and with those from the store. */
const FOR_SILENT = 0.25;
/** For endpoints with a throttle, taken from what the standing of each may have. */
const FOR_THROTTLED = 0.25;
const FOR_PUBLISHED = 0.6;
const FOR_LIVELY = 0.75;
/** An application with fewer has its publishes come in as if from the store. */
const FEW = 64;
/** A lane's part of the characters. */
const LANE_CHARACTERS = 1 / 16;
/** A lane, and all lanes that share a throttle, have in memory what goes out within this time, but at least so many. */
const SECONDS = 10;
const LEAST = 16;
const SHARED_LEAST = 256;
/** A lane whose endpoint became slower gives back what it may not have when it has so many times its share. */
const FAR_ABOVE = 4;

export interface Room {
  readonly deliveries: number;
  readonly characters: number;
}

/**
 * Which deliveries may be in memory. Nobody can fill it for the others:
 *
 * - a lane has a share that grows with what its endpoint has taken so far, and shrinks to next to nothing while the
 *   endpoint is silent; while its breaker is open, it has nothing but what may be sent as the probe;
 * - silent endpoints have a quarter of the memory among them, the others the rest;
 * - no lane has more than its endpoint takes in ten seconds, by its throttle and by how long it takes to answer, or 16;
 * - what throttles keep waiting is bounded by a quarter;
 * - of the rest, what is published leaves a fifth to what waits in the store, so that it always moves on;
 * - of each of these parts, an application has at most as much as it leaves free: half when it is alone, a third beside
 *   another that takes what it can get. However many lanes it has, who has little always finds room.
 */
export class Residency {
  readonly #limits: typeof SCHEDULE_LIMITS;
  readonly #silent: Amount = { deliveries: 0, characters: 0 };
  readonly #lively: Amount = { deliveries: 0, characters: 0 };
  /** Those of throttled lanes; they are counted above as well. */
  readonly #throttled: Amount = { deliveries: 0, characters: 0 };

  constructor(limits: typeof SCHEDULE_LIMITS) {
    this.#limits = limits;
  }

  get deliveries(): number {
    return this.#silent.deliveries + this.#lively.deliveries;
  }

  /** Deliveries that a lane may have in memory. */
  share(lane: Lane): number {
    // What may be its probe, beside what was sent before its breaker opened.
    if (lane.broken) return lane.inFlight + 1;
    if (lane.standing === 'silent') return 2 * lane.limit;
    const { residentPerEndpoint } = this.#limits;
    const share = lane.proven ? residentPerEndpoint : Math.min(16 * lane.limit, residentPerEndpoint);
    return Math.min(share, drained(lane));
  }

  /** The endpoint became silent, or so slow that what the lane has would wait long: it gives back what is above its share. */
  isFarAbove(lane: Lane): boolean {
    return lane.standing === 'silent' || lane.resident > FAR_ABOVE * drained(lane);
  }

  /** Deliveries that a lane keeps when it gives back what is too much: it may have got them before its throttle was known. */
  keep(lane: Lane): number {
    if (lane.broken) return lane.inFlight + (lane.hasProbe ? 1 : 0);
    const share = this.share(lane);
    if (lane.throttle === null) return this.isFarAbove(lane) ? share : Number.POSITIVE_INFINITY;
    const { deliveries, characters } = this.#throttledRoom(ALL, lane.holding, lane.throttle);
    return characters < 0 ? 1 : Math.max(1, share + Math.min(0, deliveries));
  }

  /** Whether a delivery that was just published may come in. */
  admits(lane: Lane, characters: number): boolean {
    const hasFew = lane.holding.lively.deliveries < FEW;
    const room = this.#room(lane, hasFew ? FOR_LIVELY : FOR_PUBLISHED);
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

  /** When the lane's standing has changed, what it has in memory is counted with its like. Whether it has. */
  recount(lane: Lane): boolean {
    if (lane.standing === lane.countedAs) return false;
    this.#count(lane, -lane.resident, -lane.characters);
    lane.countedAs = lane.standing;
    this.#count(lane, lane.resident, lane.characters);
    return true;
  }

  /** Gives the lane another throttle, and counts by it what the lane has in memory. */
  setThrottle(lane: Lane, throttle: LaneThrottle | null): void {
    this.#count(lane, -lane.resident, -lane.characters);
    lane.throttle = throttle;
    this.#count(lane, lane.resident, lane.characters);
  }

  /** The lane's application became known. */
  setHolding(lane: Lane, holding: Holding): void {
    this.#count(lane, -lane.resident, -lane.characters);
    lane.holding = holding;
    this.#count(lane, lane.resident, lane.characters);
  }

  #count(lane: Lane, deliveries: number, characters: number): void {
    const { holding, countedAs, throttle } = lane;
    if (countedAs === 'silent') {
      add(this.#silent, deliveries, characters);
      add(holding.silent, deliveries, characters);
    } else {
      add(this.#lively, deliveries, characters);
      add(holding.lively, deliveries, characters);
    }
    if (throttle === null) return;
    add(this.#throttled, deliveries, characters);
    add(holding.throttled, deliveries, characters);
  }

  #room(lane: Lane, part: number): Room {
    const silent = lane.countedAs === 'silent';
    const total = silent ? this.#silent : this.#lively;
    const held = silent ? lane.holding.silent : lane.holding.lively;
    const ofPart = this.#roomOf(silent ? FOR_SILENT : part, total, held);
    const characters = Math.floor(this.#limits.residentCharacters * LANE_CHARACTERS) - lane.characters;
    const room = {
      deliveries: Math.min(this.share(lane) - lane.resident, ofPart.deliveries),
      characters: Math.min(characters, ofPart.characters),
    };
    return lane.throttle === null ? room : this.#throttledRoom(room, lane.holding, lane.throttle);
  }

  #throttledRoom({ deliveries, characters }: Room, { throttled }: Holding, { shared }: LaneThrottle): Room {
    const ofPart = this.#roomOf(FOR_THROTTLED, this.#throttled, throttled);
    const ofShared =
      shared === null
        ? Number.POSITIVE_INFINITY
        : Math.max(SHARED_LEAST, SECONDS * shared.pace.rate) - throttled.deliveries;
    return {
      deliveries: Math.min(deliveries, ofShared, ofPart.deliveries),
      characters: Math.min(characters, ofPart.characters),
    };
  }

  /** What an application may take of a part of the memory, so that it has no more than it leaves free. Below 0: it has too much. */
  #roomOf(part: number, total: Amount, held: Amount): Room {
    const { resident, residentCharacters } = this.#limits;
    const deliveries = Math.floor(resident * part) - total.deliveries - held.deliveries;
    const characters = Math.floor(residentCharacters * part) - total.characters - held.characters;
    return { deliveries: Math.ceil(deliveries / 2), characters: Math.ceil(characters / 2) };
  }

  /** A payload above a whole part still goes, as the only one of its application. */
  #isFirst({ resident, holding, countedAs }: Lane, room: Room): boolean {
    const held = countedAs === 'silent' ? holding.silent : holding.lively;
    const total = this.#silent.characters + this.#lively.characters;
    const alone = resident === 0 && held.deliveries === 0;
    return alone && room.deliveries >= 1 && total < this.#limits.residentCharacters;
  }
}

function add(amount: Amount, deliveries: number, characters: number): void {
  amount.deliveries += deliveries;
  amount.characters += characters;
}

/** Deliveries that go out within `SECONDS`. What has not answered yet is bounded by its share. */
function drained({ answered, answersPerSecond, throttle }: Lane): number {
  const answers = answered ? answersPerSecond : Number.POSITIVE_INFINITY;
  const rate = throttle === null ? answers : Math.min(answers, rateOf(throttle));
  return Math.max(LEAST, Math.floor(SECONDS * rate));
}

const NONE: Room = { deliveries: 0, characters: 0 };
const ALL: Room = { deliveries: Number.POSITIVE_INFINITY, characters: Number.POSITIVE_INFINITY };

/** Deliveries a second that a throttle lets through. */
function rateOf({ own, shared }: LaneThrottle): number {
  return Math.min(own?.rate ?? Number.POSITIVE_INFINITY, shared?.pace.rate ?? Number.POSITIVE_INFINITY);
}
