import type { SCHEDULE_LIMITS } from '../limits.ts';
import type { Lane } from './lane.ts';

/** Parts of all memory: for silent endpoints; for the others' deliveries as they are published, and with those from the store. */
const FOR_SILENT = 0.25;
const FOR_PUBLISHED = 0.6;
const FOR_LIVELY = 0.75;
/** A lane's part of the characters. */
const LANE_CHARACTERS = 1 / 16;

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
 * - of the rest, what is published leaves a fifth to what waits in the store, so that it always moves on.
 */
export class Residency {
  readonly #limits: typeof SCHEDULE_LIMITS;
  readonly #silent = { deliveries: 0, characters: 0 };
  readonly #lively = { deliveries: 0, characters: 0 };

  constructor(limits: typeof SCHEDULE_LIMITS) {
    this.#limits = limits;
  }

  get deliveries(): number {
    return this.#silent.deliveries + this.#lively.deliveries;
  }

  /** Deliveries that a lane may have in memory. */
  share(lane: Lane): number {
    if (lane.standing === 'silent') return 2 * lane.limit;
    return lane.proven
      ? this.#limits.residentPerEndpoint
      : Math.min(16 * lane.limit, this.#limits.residentPerEndpoint);
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

  #count(lane: Lane, deliveries: number, characters: number): void {
    const total = lane.countedAs === 'silent' ? this.#silent : this.#lively;
    total.deliveries += deliveries;
    total.characters += characters;
  }

  #room(lane: Lane, part: number): Room {
    const silent = lane.countedAs === 'silent';
    const total = silent ? this.#silent : this.#lively;
    const usable = silent ? FOR_SILENT : part;
    const { resident, residentCharacters } = this.#limits;
    return {
      deliveries: Math.min(
        this.share(lane) - lane.resident,
        Math.floor(resident * usable) - total.deliveries,
      ),
      characters: Math.min(
        Math.floor(residentCharacters * LANE_CHARACTERS) - lane.characters,
        Math.floor(residentCharacters * usable) - total.characters,
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
