import type { Clock } from '../model/clock.ts';
import { type LeasedDelivery, RESEND_DUE_AT } from '../model/lease.ts';
import type { Store } from '../store/store.ts';
import type { Alarms } from './alarms.ts';
import type { Lane } from './lane.ts';
import type { Residency } from './residency.ts';

export interface UnloaderOptions {
  store: Pick<Store, 'deliveryUnlease'>;
  clock: Clock;
  alarms: Alarms;
  residency: Residency;
  /** What was given back waits in the store; the first of it is due at `dueAt`. */
  unloaded(lane: Lane, dueAt: number): void;
  log: { warn(fields: object, text: string): void };
}

/** After a failed write of the store, how long until the next. */
const AGAIN_MS = 1_000;
/** Whatever is no resend is due after those. */
const LONG_DUE = RESEND_DUE_AT + 1;
/** Deliveries given back to the store by one transaction, and lanes looked at for them. */
const UNLOADED_AT_ONCE = 512;
const LOOKED_AT_ONCE = 4_096;

/**
 * Gives back to the store what a lane may not keep in memory: all of it when its endpoint is disabled or paused, or another node
 * sends for it, all but what may be sent while its breaker is open, and what is above its share when others need the room. It is tried until it works: what is neither here nor there would be sent by nobody.
 */
export class Unloader {
  readonly #options: UnloaderOptions;
  readonly #lanes = new Set<Lane>();
  #running = false;
  #stopped = false;

  constructor(options: UnloaderOptions) {
    this.#options = options;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Looks soon what the lane has to give back, so that what comes together goes in one transaction. */
  check(lane: Lane): void {
    if (lane.unloading || lane.closed || this.#stopped) return;
    this.#lanes.add(lane);
    if (this.#running) return;
    this.#running = true;
    this.#options.clock.soon(() => void this.#run());
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    while (this.#lanes.size > 0 && !this.#stopped) {
      const surplus = this.#take();
      if (surplus.size > 0) await this.#unlease(surplus);
      // What happened meanwhile comes first: a publish, an answer.
      await new Promise<void>((resolve) => clock.soon(resolve));
    }
    this.#running = false;
  }

  /** Takes out of the next lanes what goes into one transaction. */
  #take(): Map<Lane, LeasedDelivery[]> {
    const taken = new Map<Lane, LeasedDelivery[]>();
    let left = UNLOADED_AT_ONCE;
    let looks = LOOKED_AT_ONCE;
    for (const lane of this.#lanes) {
      if (left === 0 || looks-- === 0) break;
      this.#lanes.delete(lane);
      if (lane.unloading || lane.closed) continue;
      const surplus = this.#surplus(lane, left);
      if (surplus.length === 0) continue;
      left -= surplus.length;
      lane.unloading = true;
      taken.set(lane, surplus);
    }
    return taken;
  }

  #surplus(lane: Lane, most: number): LeasedDelivery[] {
    const keep = lane.halted ? 0 : this.#options.residency.keep(lane) - lane.inFlight;
    const retries = lane.halted || lane.broken ? takeWaiting(lane, most) : [];
    const left = most - retries.length;
    return retries.concat(lane.ready.truncate(Math.max(keep, lane.ready.size - left, 0)));
  }

  async #unlease(surplus: ReadonlyMap<Lane, readonly LeasedDelivery[]>): Promise<void> {
    const { store, clock, residency, alarms, unloaded, log } = this.#options;
    try {
      await store.deliveryUnlease({ leases: [...surplus.values()].flat(), now: clock.now() });
    } catch (error) {
      log.warn({ err: error }, 'deliveries could not be given back; trying again');
      alarms.set(AGAIN_MS, () => void this.#unlease(surplus));
      return;
    }
    for (const [lane, leases] of surplus) {
      lane.unloading = false;
      for (const { payload } of leases) residency.free(lane, 1, payload.length);
      unloaded(lane, Math.min(...leases.map(dueAt)));
      this.check(lane);
    }
  }
}

function takeWaiting(lane: Lane, most: number): LeasedDelivery[] {
  const taken: LeasedDelivery[] = [];
  for (const retry of lane.waiting.values()) {
    if (taken.length === most) break;
    // Its line's request is about to end. It would come back at once, if it is to be the probe.
    if (!lane.halted && lane.lines?.isParked(retry)) continue;
    taken.push(retry);
    lane.waiting.delete(retry.messageKey);
  }
  return taken;
}

/** An older one may have come into its line meanwhile, which is due at once: a claim tells. */
function dueAt({ resendKey, orderKey, nextAttemptAt }: LeasedDelivery): number {
  if (resendKey !== null) return RESEND_DUE_AT;
  return orderKey === null ? Math.max(nextAttemptAt, LONG_DUE) : LONG_DUE;
}
