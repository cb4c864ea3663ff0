import { IN_FLIGHT_PER_ENDPOINT } from '../limits.ts';
import type { Exchange, Target } from '../model/exchange.ts';
import { Fifo } from '../model/fifo.ts';
import type { LeasedDelivery } from '../model/lease.ts';

/**
 * Requests at once that a lane starts with. It grows by one with each answer, up to `IN_FLIGHT_PER_ENDPOINT`, and
 * halves with each request that got none: a thousand endpoints that hang hold a thousand places, not 32 thousand.
 */
const FIRST_IN_FLIGHT = 4;
/** Requests in a row without any answer after which an endpoint counts as silent. */
const SILENT_AFTER = 3;

/** `silent`: the last requests got no answer. `new`: nothing is known yet. */
export type Standing = 'answering' | 'new' | 'silent';

/** One endpoint's queue: its deliveries that are ready, and how much it may have under way. */
export class Lane {
  readonly endpointKey: number;
  readonly ready = new Fifo<LeasedDelivery>();
  /** Deliveries of this lane in memory: reserved, ready, under way, not yet recorded, or waiting for their retry. */
  resident = 0;
  /** Characters of their payloads. */
  characters = 0;
  /** As what `Residency` has counted them. */
  countedAs: Standing = 'new';
  inFlight = 0;
  limit = FIRST_IN_FLIGHT;
  /** The endpoint has answered since this lane was made. */
  answered = false;
  /** Requests in a row that got no answer. */
  unanswered = 0;
  /** Waits for its turn. */
  queued = false;
  /** Where to send; null until it was looked up. */
  target: Target | null = null;
  /** Counts changes of the endpoint: a look-up begun before one is not used. */
  targetVersion = 0;
  lookingUp = false;
  /** What it has no room for any more is on its way back to the store. */
  unloading = false;
  /** The endpoint was deleted: what comes back is recorded, nothing is sent any more. */
  closed = false;
  /** When the first of the deliveries that wait in the store is due, ms since the Unix epoch; null: none waits. */
  storeDueAt: number | null = null;
  /** Monotonic time of the earliest alarm set for `storeDueAt`. */
  alarmAt = Number.POSITIVE_INFINITY;
  claiming = false;
  /** The earliest delivery that came to wait in the store while a claim was under way. */
  storedWhileClaiming: number | null = null;

  constructor(endpointKey: number) {
    this.endpointKey = endpointKey;
  }

  get canSend(): boolean {
    return !this.closed && this.inFlight < this.limit && this.ready.size > 0;
  }

  /** What is known of the endpoint: with others of its kind it shares places and memory, and cannot take those of the rest. */
  get standing(): Standing {
    if (this.unanswered >= SILENT_AFTER) return 'silent';
    return this.answered ? 'answering' : 'new';
  }

  /** The endpoint has shown that it takes what it is given. */
  get proven(): boolean {
    return this.limit === IN_FLIGHT_PER_ENDPOINT;
  }

  get idle(): boolean {
    const working = this.inFlight > 0 || this.claiming || this.lookingUp || this.unloading;
    return this.resident === 0 && this.storeDueAt === null && !working;
  }

  /** Learns from an exchange how much the endpoint can take at once. */
  learn(exchange: Exchange): void {
    if (exchange.status !== null) {
      this.answered = true;
      this.unanswered = 0;
      this.limit = Math.min(this.limit + 1, IN_FLIGHT_PER_ENDPOINT);
    } else {
      this.unanswered++;
      this.limit = Math.max(1, this.limit >> 1);
    }
  }
}
