import { AHEAD_MS, IN_FLIGHT_PER_ENDPOINT } from '../limits.ts';
import type { Destination } from '../model/destination.ts';
import type { Exchange } from '../model/exchange.ts';
import { Fifo } from '../model/fifo.ts';
import { type LeasedDelivery, RESEND_DUE_AT } from '../model/lease.ts';
import type { Breaker } from './breaker.ts';
import type { Holding, Standing } from './holding.ts';
import type { Lines } from './lines.ts';
import type { Pace } from './pace.ts';
import type { Voids } from './voids.ts';

/**
 * Requests at once that a lane starts with. It grows by one with each answer, up to what the endpoint may have under way, and
 * halves with each request that got none: a thousand endpoints that hang hold a thousand places, not 32 thousand.
 */
const FIRST_IN_FLIGHT = 4;
/** Requests in a row without any answer after which an endpoint counts as silent. */
const SILENT_AFTER = 3;
/** What an answer counts in the mean of how long answers take. */
const NEWEST = 1 / 8;

/** The pace of an application, which its lanes share: they stand in line for it. */
export interface SharedThrottle {
  readonly applicationKey: number;
  readonly pace: Pace;
  readonly line: Fifo<Lane>;
  lanes: number;
  /** Monotonic time of the alarm that serves the line. */
  servedAt: number;
}

export interface LaneThrottle {
  readonly own: Pace | null;
  readonly shared: SharedThrottle | null;
  /** Monotonic time of the alarm that ends its own wait. */
  wakeAt: number;
  inLine: boolean;
  /** It was let out of the line: those who came later do not go first. */
  released: boolean;
}

/** One endpoint's queue: its deliveries that are ready, and how much it may have under way. */
export class Lane {
  readonly endpointKey: number;
  /** Its application's. */
  holding: Holding;
  readonly ready = new Fifo<LeasedDelivery>();
  /** Retries that wait in memory for their time, and what is parked behind a request of its line, by message. */
  readonly waiting = new Map<number, LeasedDelivery>();
  /** Null: nothing ordered was sent. */
  lines: Lines | null = null;
  /** Deliveries of this lane in memory: reserved, ready, under way, not yet recorded, or waiting for their retry. */
  resident = 0;
  /** Characters of their payloads. */
  characters = 0;
  /** As what `Residency` has counted them. */
  countedAs: Standing = 'new';
  inFlight = 0;
  /** Requests at once that the endpoint has shown it can take. */
  limit = FIRST_IN_FLIGHT;
  /** Requests at once that it may get from this node, whatever it can take. */
  maxInFlight = IN_FLIGHT_PER_ENDPOINT;
  /** Null: it has not failed since it last succeeded. */
  breaker: Breaker | null = null;
  /** Answers still to come before the sender is given more than it can begin. */
  aheadIn = 0;
  /** The endpoint has answered since this lane was made. */
  answered = false;
  /** How long it takes to answer, a mean in ms. */
  answerMs = 0;
  /** Requests in a row that got no answer. */
  unanswered = 0;
  /** Waits for its turn. */
  queued = false;
  /** Where to send; null until it was looked up. */
  destination: Destination | null = null;
  /** Counts changes of the endpoint: a look-up begun before one is not used. */
  version = 0;
  lookingUp = false;
  /** How fast it may send; null: as fast as it can. */
  throttle: LaneThrottle | null = null;
  /** Has no turn before its throttle lets it. */
  delayed = false;
  /** What it may not keep in memory is on its way back to the store. */
  unloading = false;
  /** The endpoint is disabled or paused: what is in memory goes back to the store, and is held there. */
  paused = false;
  /** The endpoint was deleted: what comes back is recorded, nothing is sent any more. */
  closed = false;
  /** One node sends for it, this one or another (`Sharing`); null: not known yet. */
  sole: boolean | null = null;
  /** Another node does: what is in memory goes back to the store, and waits there for that one. */
  elsewhere = false;
  /** The first of what came to wait in the store before it was known who sends for it, by this node (`own`) or by others. */
  told: { readonly dueAt: number; readonly own: boolean } | null = null;
  /** Leases that are void, and whose deliveries may still come here; null: there is none. */
  voids: Voids | null = null;
  /** When the first of the deliveries that wait in the store is due, ms since the Unix epoch; null: none waits. */
  storeDueAt: number | null = null;
  /** Monotonic time of the earliest alarm set for `storeDueAt`. */
  alarmAt = Number.POSITIVE_INFINITY;
  claiming = false;
  /** The earliest delivery that came to wait in the store while a claim was under way. */
  storedWhileClaiming: number | null = null;

  readonly #aheadMost: number;

  /** @param aheadMost Deliveries that the sender may be given before it can begin them. */
  constructor(endpointKey: number, holding: Holding, aheadMost = 0) {
    this.endpointKey = endpointKey;
    this.holding = holding;
    this.#aheadMost = aheadMost;
  }

  get canSend(): boolean {
    if (this.halted || this.delayed || this.ready.size === 0) return false;
    if (this.broken) return this.inFlight < this.maxInFlight && this.hasProbe;
    return this.inFlight < this.atOnce || this.inFlight < this.atOnce + this.#ahead;
  }

  /** Requests that may be under way at present. */
  get atOnce(): number {
    return Math.min(this.limit, this.maxInFlight);
  }

  /**
   * What the sender may have beside what it has under way: so much as the endpoint takes within milliseconds, so that the sender goes on while
   * this thread is busy with the store. Nothing where each request is a decision: new, failing, throttled and ordered endpoints.
   */
  get #ahead(): number {
    if (this.aheadIn > 0 || !this.proven || this.breaker !== null) return 0;
    if (this.throttle !== null || this.lines !== null) return 0;
    return Math.min(this.#aheadMost, Math.floor((this.answersPerSecond * AHEAD_MS) / 1_000));
  }

  /** The sender could not begin what it was given ahead: the endpoint has become slower than it was. */
  fellBehind(): void {
    this.aheadIn = IN_FLIGHT_PER_ENDPOINT;
  }

  /** The first of what is ready is there, and the breaker lets it go out. */
  get hasProbe(): boolean {
    const { first } = this.ready;
    return first !== undefined && this.breaker?.lets(first.resendKey !== null) === true;
  }

  /** Whether anything in the store, were it due, is to be brought into memory: not before a breaker lets it go out. */
  get canLoad(): boolean {
    return this.breaker === null || this.breaker.lets(this.storeDueAt === RESEND_DUE_AT);
  }

  /** The breaker is open: what is in memory goes back to the store, but for what may be sent. */
  get broken(): boolean {
    return this.breaker?.open === true;
  }

  /** The endpoint takes nothing: what waits for it in the store is withdrawn. */
  get withdrawn(): boolean {
    return this.closed || this.paused;
  }

  /** Nothing is sent from here, and nothing is taken from the store. */
  get halted(): boolean {
    return this.closed || this.paused || this.elsewhere;
  }

  /** What is known of the endpoint: with others of its kind it shares places and memory, and cannot take those of the rest. */
  get standing(): Standing {
    if (this.unanswered >= SILENT_AFTER || this.broken) return 'silent';
    return this.answered ? 'answering' : 'new';
  }

  /** The endpoint has shown that it takes what it is given. */
  get proven(): boolean {
    return this.limit >= IN_FLIGHT_PER_ENDPOINT;
  }

  /** Requests a second that the endpoint answers when it is kept busy. */
  get answersPerSecond(): number {
    return (1_000 * this.maxInFlight) / Math.max(1, this.answerMs);
  }

  get idle(): boolean {
    const working = this.inFlight > 0 || this.claiming || this.lookingUp || this.unloading;
    return this.resident === 0 && this.storeDueAt === null && this.told === null && !working;
  }

  /** When the first of what waits, in memory or in the store, is due, ms since the Unix epoch (0: now); null: nothing waits. */
  nextDueAt(): number | null {
    if (this.ready.size > 0) return 0;
    let first = this.storeDueAt ?? Number.POSITIVE_INFINITY;
    for (const { nextAttemptAt } of this.waiting.values()) first = Math.min(first, nextAttemptAt);
    return first === Number.POSITIVE_INFINITY ? null : first;
  }

  /** Learns from an exchange how much the endpoint can take at once. */
  learn(exchange: Exchange): void {
    if (exchange.status !== null) {
      const { durationMs } = exchange;
      this.answerMs = this.answered ? this.answerMs + (durationMs - this.answerMs) * NEWEST : durationMs;
      this.answered = true;
      this.unanswered = 0;
      if (this.aheadIn > 0) this.aheadIn--;
      this.limit = Math.min(this.limit + 1, Math.max(this.maxInFlight, IN_FLIGHT_PER_ENDPOINT));
    } else {
      this.unanswered++;
      this.limit = Math.max(1, this.limit >> 1);
    }
  }
}
