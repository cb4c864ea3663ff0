import type { Clock } from '../model/clock.ts';
import { type LeasedDelivery, RESEND_DUE_AT } from '../model/lease.ts';
import { type Store, StoreError } from '../store/store.ts';
import type { Alarms } from './alarms.ts';
import type { Lane } from './lane.ts';
import type { Residency, Room } from './residency.ts';

export interface LoaderOptions {
  store: Pick<Store, 'deliveryClaimDue'>;
  clock: Clock;
  alarms: Alarms;
  residency: Residency;
  fences: { next(): number };
  /** Whether what is leased now will hold. */
  holds(): boolean;
  /** Due deliveries read for one endpoint at a time. */
  claim: number;
  /** Takes what was claimed; its room is reserved. */
  loaded(lane: Lane, claimed: readonly LeasedDelivery[]): void;
  /** Deliveries may be leased under this fence, and nobody has them. */
  doubtful?(fence: number): void;
  log: { warn(fields: object, text: string): void };
}

/** After a failed read of the store, how long until the next. */
const CLAIM_AGAIN_MS = 1_000;
/** The wall clock may be set: what waits for a wall time is looked at again after this at the latest. */
const LONGEST_ALARM_MS = 60_000;
/** What is no resend may be due since ever, too. */
const LONG_DUE = RESEND_DUE_AT + 1;
/** Lanes that one transaction claims for: one fsync for all of them, and no long stop of the event loop. */
const LANES_AT_ONCE = 64;
/** Deliveries and payload read by one transaction, over all its lanes. */
const CLAIM_DELIVERIES = 4_096;
const CLAIM_CHARACTERS = 16 * 1024 * 1024;

/**
 * Brings deliveries that wait in the store into memory when they are due and there is room, for many lanes in one
 * transaction and one transaction at a time. Lanes without room wait in line, the longest waiting first.
 *
 *     waits in store ──alarm──► wanting ──► claiming ──► loaded
 *                                  ▲            │ more is due
 *                       room ──── starved ◄─────┘ no room
 *
 * For a lane whose breaker is open nothing is brought before its probe is due, but for resends; it stands in no line, and its
 * breaker wakes it.
 */
export class Loader {
  readonly #options: LoaderOptions;
  readonly #wanting = new Set<Lane>();
  readonly #starved = new Set<Lane>();
  #running = false;
  #stopped = false;

  constructor(options: LoaderOptions) {
    this.#options = options;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Deliveries of this lane wait in the store; the first is due at `dueAt`. */
  stored(lane: Lane, dueAt: number): void {
    if (lane.claiming) lane.storedWhileClaiming = Math.min(lane.storedWhileClaiming ?? dueAt, dueAt);
    lane.storeDueAt = Math.min(lane.storeDueAt ?? dueAt, dueAt);
    this.#wake(lane);
  }

  /** The lane has more room than before, or memory has. */
  feed(lane: Lane): void {
    if (this.#starved.has(lane) && lane.canLoad && this.#isWorthwhile(lane)) this.#want(lane);
  }

  /** What the lane's breaker lets it load has changed. */
  wake(lane: Lane): void {
    this.#starved.delete(lane);
    this.#wake(lane);
  }

  /** Lanes that starve because others fill the memory get their chance in turn. */
  feedSome(): void {
    let left = Math.min(LANES_AT_ONCE, this.#starved.size);
    for (const lane of this.#starved) {
      if (left-- === 0) break;
      if (!lane.canLoad) this.#starved.delete(lane);
      else if (this.#isWorthwhile(lane)) this.#want(lane);
      else {
        // To the end: those whose own share is full do not stand before those that only need room.
        this.#starved.delete(lane);
        this.#starved.add(lane);
      }
    }
  }

  /** Leases hold again. */
  resume(): void {
    this.#start();
  }

  forget(lane: Lane): void {
    lane.storeDueAt = null;
    this.#wanting.delete(lane);
    this.#starved.delete(lane);
  }

  /** An empty lane takes what it can get; another waits until a read brings enough to be worth it. */
  #isWorthwhile(lane: Lane): boolean {
    const { residency, claim } = this.#options;
    const { deliveries } = residency.roomToClaim(lane);
    if (deliveries === 0 || lane.ready.size > claim / 2) return false;
    return lane.resident === 0 || deliveries >= Math.min(claim, residency.share(lane)) / 2;
  }

  #wake(lane: Lane): void {
    const { clock, alarms } = this.#options;
    if (lane.storeDueAt === null || lane.claiming || this.#starved.has(lane) || this.#stopped) return;
    // It is woken when its breaker lets it.
    if (!lane.canLoad) return;
    const delayMs = Math.min(lane.storeDueAt - clock.now(), LONGEST_ALARM_MS);
    if (delayMs <= 0) {
      this.#want(lane);
      return;
    }
    const at = clock.monotonic() + delayMs;
    if (at >= lane.alarmAt) return;
    lane.alarmAt = at;
    alarms.set(delayMs, () => {
      if (lane.alarmAt !== at) return;
      lane.alarmAt = Number.POSITIVE_INFINITY;
      this.#wake(lane);
    });
  }

  #want(lane: Lane): void {
    this.#starved.delete(lane);
    this.#wanting.add(lane);
    this.#start();
  }

  #start(): void {
    if (this.#running || this.#stopped || this.#wanting.size === 0) return;
    this.#running = true;
    this.#options.clock.soon(() => void this.#run());
  }

  async #run(): Promise<void> {
    const { clock, holds } = this.#options;
    while (this.#wanting.size > 0 && !this.#stopped && holds()) {
      const rooms = this.#take();
      if (rooms.size > 0) await this.#claim(rooms);
      // What happened meanwhile comes first: a publish, an answer.
      await new Promise<void>((resolve) => clock.soon(resolve));
    }
    this.#running = false;
  }

  /** The next lanes and the room reserved for each. */
  #take(): Map<Lane, Room> {
    const { residency } = this.#options;
    const rooms = new Map<Lane, Room>();
    let left = CLAIM_DELIVERIES;
    for (const lane of this.#wanting) {
      if (rooms.size === LANES_AT_ONCE || left === 0) break;
      this.#wanting.delete(lane);
      if (lane.claiming || lane.halted || lane.storeDueAt === null || !lane.canLoad) continue;
      if (!this.#isWorthwhile(lane)) {
        this.#starved.add(lane);
        continue;
      }
      const { deliveries, characters } = residency.roomToClaim(lane);
      const room = { deliveries: Math.min(deliveries, left), characters };
      left -= room.deliveries;
      residency.reserve(lane, room.deliveries, 0);
      lane.claiming = true;
      lane.storedWhileClaiming = null;
      rooms.set(lane, room);
    }
    return rooms;
  }

  async #claim(rooms: ReadonlyMap<Lane, Room>): Promise<void> {
    const { store, clock, residency, fences, loaded, log } = this.#options;
    const lanes = [...rooms.keys()];
    const fence = fences.next();
    try {
      const claims = await store.deliveryClaimDue({
        lanes: lanes.map((lane) => ({ endpointKey: lane.endpointKey, ...(rooms.get(lane) as Room) })),
        characters: CLAIM_CHARACTERS,
        dueBy: clock.now(),
        fence,
      });
      lanes.forEach((lane, index) => {
        const room = rooms.get(lane) as Room;
        residency.free(lane, room.deliveries, 0);
        const { claimed, nextDueAt } = claims[index] as (typeof claims)[number];
        lane.claiming = false;
        // What is left for an endpoint that was disabled or deleted meanwhile is withdrawn, or another node's.
        if (!lane.halted) lane.storeDueAt = earliest(dueAfter(claimed, nextDueAt), lane.storedWhileClaiming);
        for (const { payload } of claimed) residency.reserve(lane, 1, payload.length);
        loaded(lane, claimed);
        this.#wake(lane);
      });
      this.feedSome();
    } catch (error) {
      log.warn({ err: error }, 'due deliveries could not be read; trying again');
      if (error instanceof StoreError && error.code === 'unknown') this.#options.doubtful?.(fence);
      for (const [lane, room] of rooms) residency.free(lane, room.deliveries, 0);
      this.#options.alarms.set(CLAIM_AGAIN_MS, () => {
        for (const lane of lanes) {
          lane.claiming = false;
          loaded(lane, []);
          this.#wake(lane);
        }
      });
    }
  }
}

/** Resends come first: when another came, none is left, though what is next was due long ago. */
function dueAfter(claimed: readonly LeasedDelivery[], nextDueAt: number | null): number | null {
  if (nextDueAt !== RESEND_DUE_AT || claimed.every(({ resendKey }) => resendKey !== null)) return nextDueAt;
  return LONG_DUE;
}

function earliest(one: number | null, other: number | null): number | null {
  if (one === null) return other;
  return other === null ? one : Math.min(one, other);
}
