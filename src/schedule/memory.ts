import { RETRY_IN_MEMORY_MS } from '../limits.ts';
import type { Clock } from '../model/clock.ts';
import type { Fences, Lease, LeasedDelivery } from '../model/lease.ts';
import type { Alarms } from './alarms.ts';
import type { Lane } from './lane.ts';
import type { Residency } from './residency.ts';
import { Voids } from './voids.ts';

export interface MemoryOptions {
  clock: Clock;
  alarms: Alarms;
  residency: Residency;
  fences: Pick<Fences, 'isOwn'>;
  /** Deliveries of one endpoint in memory, at most. */
  residentPerEndpoint: number;
  /** The lane may have something to give back to the store. */
  check(lane: Lane): void;
  /** The lane has something ready. */
  ready(lane: Lane): void;
  /** Time has made something ready. */
  woken(): void;
  /** A delivery came that is of no use any more. */
  refused(lane: Lane): void;
}

/** What lanes have in memory that is not under way: ready, or waiting for its time or its line. Void leases are kept out. */
export class Memory {
  readonly #options: MemoryOptions;
  /** Leases under fences below this one are void: the node lost them. */
  #forfeited = 0;

  constructor(options: MemoryOptions) {
    this.#options = options;
  }

  ready(lane: Lane, delivery: LeasedDelivery): void {
    const { check, ready } = this.#options;
    if (this.#isOfNoUse(lane, delivery)) {
      this.#refuse(lane, delivery);
      return;
    }
    // What a person waits for goes first.
    if (delivery.resendKey === null) lane.ready.push(delivery);
    else lane.ready.insertBefore(delivery, ({ resendKey }) => resendKey === null);
    if (lane.halted || lane.broken) check(lane);
    ready(lane);
  }

  /** Of two leases on a delivery, the older one is void. */
  wait(lane: Lane, delivery: LeasedDelivery): void {
    const other = lane.waiting.get(delivery.messageKey);
    const [kept, dropped] = other && other.fence > delivery.fence ? [other, delivery] : [delivery, other];
    if (dropped !== undefined) this.#free(lane, dropped);
    lane.waiting.set(kept.messageKey, kept);
    if (lane.halted || lane.broken) this.#options.check(lane);
  }

  /** A retry, which is ready when its time has come. */
  waitUntilDue(lane: Lane, delivery: LeasedDelivery): void {
    const { clock, alarms, woken } = this.#options;
    if (this.#isOfNoUse(lane, delivery)) {
      this.#refuse(lane, delivery);
      return;
    }
    this.wait(lane, delivery);
    // When the wall clock was set back meanwhile, the retry does not wait for it.
    const delayMs = Math.min(delivery.nextAttemptAt - clock.now(), RETRY_IN_MEMORY_MS);
    alarms.set(delayMs, () => {
      if (this.#goesOn(lane, delivery)) woken();
    });
  }

  /** A request has ended: what was parked behind it is ready again. */
  goOn(lane: Lane, { orderKey }: LeasedDelivery): void {
    if (orderKey === null || lane.lines === null) return;
    for (const delivery of lane.lines.end(orderKey)) this.#goesOn(lane, delivery);
  }

  /** Drops what the lane has under these leases, and what is still on its way to it. Those of other nodes do not matter here. */
  void(lane: Lane, leases: readonly Lease[]): void {
    const { fences, residentPerEndpoint } = this.#options;
    const own = leases.filter(({ fence }) => fences.isOwn(fence));
    if (lane.resident === 0 || own.length === 0) return;
    const voids = lane.voids ?? new Voids(residentPerEndpoint);
    lane.voids = voids;
    for (const lease of own) voids.add(lease);
    const messageKeys = new Set(own.map(({ messageKey }) => messageKey));
    const isVoid = (delivery: Lease) => messageKeys.has(delivery.messageKey) && voids.has(delivery);
    const dropped = lane.ready.remove(isVoid);
    for (const messageKey of messageKeys) {
      const retry = lane.waiting.get(messageKey);
      if (retry === undefined || !isVoid(retry)) continue;
      lane.waiting.delete(messageKey);
      dropped.push(retry);
    }
    for (const delivery of dropped) this.#free(lane, delivery);
  }

  /** Voids all leases under fences below this one: what comes under them is not taken in any more. */
  forfeit(before: number): void {
    this.#forfeited = before;
  }

  forget(lane: Lane): void {
    for (const delivery of [...lane.ready.drain(), ...lane.waiting.values()]) this.#free(lane, delivery);
    lane.waiting.clear();
  }

  /** What waited is ready. Not when it was given back to the store meanwhile, or is void. */
  #goesOn(lane: Lane, delivery: LeasedDelivery): boolean {
    if (lane.waiting.get(delivery.messageKey) !== delivery) return false;
    lane.waiting.delete(delivery.messageKey);
    this.ready(lane, delivery);
    return true;
  }

  #isOfNoUse(lane: Lane, delivery: LeasedDelivery): boolean {
    return lane.closed || delivery.fence < this.#forfeited || lane.voids?.has(delivery) === true;
  }

  #refuse(lane: Lane, delivery: LeasedDelivery): void {
    this.#free(lane, delivery);
    this.#options.refused(lane);
  }

  #free(lane: Lane, { payload }: LeasedDelivery): void {
    this.#options.residency.free(lane, 1, payload.length);
  }
}
