import { RETRY_IN_MEMORY_MS, SCHEDULE_LIMITS } from '../limits.ts';
import type { Clock } from '../model/clock.ts';
import type { Exchange, SendJob, SendResult, Target } from '../model/exchange.ts';
import { Fifo } from '../model/fifo.ts';
import type { LeasedDelivery, Settlement } from '../model/lease.ts';
import type { Store } from '../store/store.ts';
import { Alarms } from './alarms.ts';
import { Lane } from './lane.ts';

export interface ScheduleOptions {
  store: Pick<Store, 'deliveryClaimDue' | 'deliveryBacklog'>;
  clock: Clock;
  fences: { next(): number };
  requestTimeoutMs: number;
  limits?: typeof SCHEDULE_LIMITS;
  /** Where an endpoint's deliveries go: null when it was deleted. At once when it is known in memory. */
  target(endpointKey: number): Target | null | Promise<Target | null>;
  send(jobs: readonly SendJob[]): void;
  /** Gets each delivery that was sent, with what came back. */
  ended(delivery: LeasedDelivery, exchange: Exchange, url: string): void;
  /** The endpoint of these deliveries is gone: they want to be cancelled. */
  orphaned(endpointKey: number): void;
  log: { warn(fields: object, text: string): void };
}

/** After a failed read of the store, how long until the next. */
const CLAIM_AGAIN_MS = 1_000;
/** The wall clock may be set: what waits for a wall time is looked at again after this at the latest. */
const LONGEST_ALARM_MS = 60_000;
/** A lane's turn: so many at a time, then the next lane. */
const TURN = 4;
const FED_AT_ONCE = 16;

/**
 * Decides what goes next. Each endpoint has a lane; lanes with something ready take turns, so that a dead, slow or
 * busy endpoint delays no other. Memory is bounded: what finds no room waits in the store and is claimed lane by lane.
 *
 *     push ──► ready ──turn──► in flight ──► (record) ──► settled: gone
 *                ▲                               │
 *                ├── alarm ◄── waits in memory ◄─┤ due soon
 *                └── claim ◄── waits in store  ◄─┘ due later
 */
export class Schedule {
  readonly #options: ScheduleOptions;
  readonly #clock: Clock;
  readonly #limits: typeof SCHEDULE_LIMITS;
  readonly #alarms: Alarms;
  readonly #lanes = new Map<number, Lane>();
  readonly #turns = new Fifo<Lane>();
  readonly #underWay = new Map<number, { lane: Lane; delivery: LeasedDelivery; url: string }>();
  #lastRef = 0;
  #resident = 0;
  #residentCharacters = 0;
  #starved = new Set<Lane>();
  #pumping = false;
  #paused = false;
  #stopped = false;
  #drained: (() => void) | null = null;

  constructor(options: ScheduleOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#limits = options.limits ?? SCHEDULE_LIMITS;
    this.#alarms = new Alarms(options.clock);
  }

  /** Learns what waits in the store. Reads a row per endpoint, not per delivery. */
  async start(): Promise<void> {
    for (const { endpointKey, nextDueAt } of await this.#options.store.deliveryBacklog())
      this.stored(endpointKey, nextDueAt);
  }

  get inFlight(): number {
    return this.#underWay.size;
  }

  get resident(): number {
    return this.#resident;
  }

  admit(endpointKey: number, characters: number): boolean {
    if (
      this.#stopped ||
      this.#resident >= this.#limits.resident ||
      this.#residentCharacters >= this.#limits.residentCharacters
    )
      return false;
    const lane = this.#lane(endpointKey);
    if (lane.resident >= this.#limits.residentPerEndpoint) return false;
    // What waits in the store and is due goes first.
    if (lane.storeDueAt !== null && lane.storeDueAt <= this.#clock.now()) return false;
    this.#reserve(lane, characters);
    return true;
  }

  unadmit(endpointKey: number, characters: number): void {
    const lane = this.#lanes.get(endpointKey);
    if (lane) this.#free(lane, characters);
  }

  push(deliveries: readonly LeasedDelivery[]): void {
    for (const delivery of deliveries) this.#ready(this.#lane(delivery.endpointKey), delivery);
    this.#pumpSoon();
  }

  /** Deliveries of this endpoint wait in the store; the first is due at `dueAt`. */
  stored(endpointKey: number, dueAt: number): void {
    const lane = this.#lane(endpointKey);
    if (lane.claiming) lane.storedWhileClaiming = Math.min(lane.storedWhileClaiming ?? dueAt, dueAt);
    lane.storeDueAt = Math.min(lane.storeDueAt ?? dueAt, dueAt);
    this.#wakeForStore(lane);
  }

  /** Whether a retry due at `nextAttemptAt` shall wait in memory, under the lease it has. */
  keeps(delivery: LeasedDelivery, nextAttemptAt: number): boolean {
    if (this.#stopped || nextAttemptAt - this.#clock.now() > RETRY_IN_MEMORY_MS) return false;
    const lane = this.#lanes.get(delivery.endpointKey);
    return lane !== undefined && !lane.closed;
  }

  /** What the sender brought back. */
  results(results: readonly SendResult[]): void {
    for (const { ref, exchange } of results) {
      const job = this.#underWay.get(ref);
      if (job === undefined) continue;
      this.#underWay.delete(ref);
      job.lane.inFlight--;
      job.lane.learn(exchange);
      this.#takeTurn(job.lane);
      this.#options.ended(job.delivery, exchange, job.url);
    }
    if (this.#underWay.size === 0) this.#drained?.();
    this.#pumpSoon();
  }

  /** What was recorded: makes room, and takes retries on. */
  settled(settlements: readonly Settlement[]): void {
    for (const { delivery, nextAttemptAt, kept } of settlements) {
      const lane = this.#lane(delivery.endpointKey);
      if (nextAttemptAt !== null && kept)
        this.#waitInMemory(lane, { ...delivery, attemptCount: delivery.attemptCount + 1, nextAttemptAt });
      else this.#free(lane, delivery.payload.length);
      if (nextAttemptAt !== null && !kept) this.stored(delivery.endpointKey, nextAttemptAt);
      if (this.#starved.has(lane)) this.#feed(lane);
      this.#forgetIfIdle(lane);
    }
    this.#feedSome();
  }

  /** The endpoint was changed: the next request goes by the new values. */
  endpointChanged(endpointKey: number): void {
    const lane = this.#lanes.get(endpointKey);
    if (lane) lane.target = null;
  }

  /** The endpoint is gone: nothing more is sent to it. Its deliveries are cancelled in the store by `upkeep`. */
  endpointDeleted(endpointKey: number): void {
    const lane = this.#lanes.get(endpointKey);
    if (lane) this.#close(lane);
  }

  /** Sending waits, while what was sent cannot be recorded. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#pumpSoon();
  }

  /** Sends nothing more; resolves when nothing is under way. */
  stop(): Promise<void> {
    this.#stopped = true;
    this.#alarms.stop();
    if (this.#underWay.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drained = resolve;
    });
  }

  /** Stops, and hears no more of what is under way. */
  abandon(): void {
    void this.stop();
    this.#underWay.clear();
  }

  #lane(endpointKey: number): Lane {
    let lane = this.#lanes.get(endpointKey);
    if (lane === undefined) {
      lane = new Lane(endpointKey);
      this.#lanes.set(endpointKey, lane);
    }
    return lane;
  }

  #reserve(lane: Lane, characters: number): void {
    lane.resident++;
    this.#resident++;
    this.#residentCharacters += characters;
  }

  #free(lane: Lane, characters: number): void {
    lane.resident--;
    this.#resident--;
    this.#residentCharacters -= characters;
  }

  #forgetIfIdle(lane: Lane): void {
    if (lane.idle && this.#lanes.get(lane.endpointKey) === lane) this.#lanes.delete(lane.endpointKey);
  }

  #ready(lane: Lane, delivery: LeasedDelivery): void {
    if (lane.closed) {
      this.#free(lane, delivery.payload.length);
      this.#options.orphaned(lane.endpointKey);
      return;
    }
    lane.ready.push(delivery);
    this.#takeTurn(lane);
  }

  #takeTurn(lane: Lane): void {
    if (lane.queued || !lane.canSend) return;
    lane.queued = true;
    this.#turns.push(lane);
  }

  #pumpSoon(): void {
    if (this.#pumping || this.#paused || this.#stopped || this.#turns.size === 0) return;
    this.#pumping = true;
    this.#clock.soon(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  /** Gives lanes their turns until all are empty or full, or the overall limit is reached. */
  #pump(): void {
    if (this.#paused || this.#stopped) return;
    const jobs: SendJob[] = [];
    while (this.#underWay.size < this.#limits.inFlight) {
      const lane = this.#turns.shift();
      if (lane === undefined) break;
      lane.queued = false;
      const target = lane.target ?? this.#lookUp(lane);
      if (target === null) continue;
      for (let turn = 0; turn < TURN && lane.canSend; turn++) jobs.push(this.#begin(lane, target));
      this.#takeTurn(lane);
    }
    if (jobs.length > 0) this.#options.send(jobs);
  }

  #begin(lane: Lane, target: Target): SendJob {
    const delivery = lane.ready.shift() as LeasedDelivery;
    const ref = ++this.#lastRef;
    lane.inFlight++;
    this.#underWay.set(ref, { lane, delivery, url: target.href });
    return {
      ref,
      target,
      messageId: delivery.messageId,
      payload: delivery.payload,
      timeoutMs: this.#options.requestTimeoutMs,
      test: false,
    };
  }

  /** The lane's target when memory has it; otherwise null, and the lane gets its turn when it is there. */
  #lookUp(lane: Lane): Target | null {
    if (lane.lookingUp) return null;
    const found = this.#options.target(lane.endpointKey);
    if (!(found instanceof Promise)) {
      if (found === null) this.#close(lane);
      lane.target = found;
      return found;
    }
    lane.lookingUp = true;
    found.then(
      (target) => {
        lane.lookingUp = false;
        lane.target = target;
        if (target === null) this.#close(lane);
        this.#takeTurn(lane);
        this.#pumpSoon();
      },
      (error: unknown) => {
        this.#options.log.warn(
          { err: error, endpointKey: lane.endpointKey },
          'an endpoint could not be read; trying again',
        );
        this.#alarms.set(CLAIM_AGAIN_MS, () => {
          lane.lookingUp = false;
          this.#takeTurn(lane);
          this.#pumpSoon();
        });
      },
    );
    return null;
  }

  #close(lane: Lane): void {
    lane.closed = true;
    lane.storeDueAt = null;
    this.#starved.delete(lane);
    for (const delivery of lane.ready.drain()) this.#free(lane, delivery.payload.length);
    this.#options.orphaned(lane.endpointKey);
    this.#forgetIfIdle(lane);
  }

  #waitInMemory(lane: Lane, delivery: LeasedDelivery): void {
    this.#alarms.set(delivery.nextAttemptAt - this.#clock.now(), () => {
      this.#ready(lane, delivery);
      this.#pumpSoon();
    });
  }

  #wakeForStore(lane: Lane): void {
    if (lane.storeDueAt === null || lane.claiming || this.#stopped) return;
    const delayMs = Math.min(Math.max(0, lane.storeDueAt - this.#clock.now()), LONGEST_ALARM_MS);
    const at = this.#clock.monotonic() + delayMs;
    if (at >= lane.alarmAt) return;
    lane.alarmAt = at;
    this.#alarms.set(delayMs, () => {
      if (lane.alarmAt !== at) return;
      lane.alarmAt = Number.POSITIVE_INFINITY;
      this.#claimIfDue(lane);
    });
  }

  /** Claims for a lane that had no room, once there is enough of it to be worth a read. */
  #feed(lane: Lane): void {
    this.#starved.delete(lane);
    if (this.#roomFor(lane) >= this.#limits.claim / 2 && lane.ready.size <= this.#limits.claim / 2)
      this.#claimIfDue(lane);
    else this.#starved.add(lane);
  }

  /** Lanes that starve because others fill the memory get their chance in turn, a few with each batch recorded. */
  #feedSome(): void {
    let left = Math.min(this.#starved.size, FED_AT_ONCE);
    for (const lane of this.#starved) {
      if (left-- <= 0) break;
      this.#feed(lane);
    }
  }

  #roomFor(lane: Lane): number {
    if (this.#residentCharacters >= this.#limits.residentCharacters) return 0;
    return Math.min(
      this.#limits.claim,
      this.#limits.residentPerEndpoint - lane.resident,
      this.#limits.resident - this.#resident,
    );
  }

  #claimIfDue(lane: Lane): void {
    if (this.#stopped || lane.claiming || lane.closed || lane.storeDueAt === null) return;
    if (lane.storeDueAt > this.#clock.now()) {
      this.#wakeForStore(lane);
      return;
    }
    const limit = this.#roomFor(lane);
    if (limit <= 0 || lane.ready.size > this.#limits.claim) {
      this.#starved.add(lane);
      return;
    }
    lane.claiming = true;
    void this.#claim(lane, limit);
  }

  async #claim(lane: Lane, limit: number): Promise<void> {
    lane.storedWhileClaiming = null;
    try {
      const { claimed, nextDueAt } = await this.#options.store.deliveryClaimDue({
        endpointKey: lane.endpointKey,
        dueBy: this.#clock.now(),
        limit,
        fence: this.#options.fences.next(),
      });
      lane.claiming = false;
      lane.storeDueAt = earliest(nextDueAt, lane.storedWhileClaiming);
      for (const delivery of claimed) this.#takeClaimed(lane, delivery);
      this.#pumpSoon();
      if (lane.ready.size > this.#limits.claim) this.#starved.add(lane);
      else this.#wakeForStore(lane);
      this.#forgetIfIdle(lane);
    } catch (error) {
      this.#options.log.warn(
        { err: error, endpointKey: lane.endpointKey },
        'due deliveries could not be read; trying again',
      );
      this.#alarms.set(CLAIM_AGAIN_MS, () => {
        lane.claiming = false;
        this.#claimIfDue(lane);
      });
    }
  }

  #takeClaimed(lane: Lane, delivery: LeasedDelivery): void {
    this.#reserve(lane, delivery.payload.length);
    this.#ready(lane, delivery);
  }
}

function earliest(one: number | null, other: number | null): number | null {
  if (one === null) return other;
  return other === null ? one : Math.min(one, other);
}
