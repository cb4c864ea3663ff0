import type { Clock } from '../model/clock.ts';
import type { LeasedDelivery } from '../model/lease.ts';
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
/** Deliveries given back to the store by one transaction. */
const UNLOADED_AT_ONCE = 512;

/**
 * Gives back to the store what a lane may not keep in memory: all of it when its endpoint is disabled, and what is above
 * its share when others need the room. It is tried until it works: what is neither here nor there would be sent by nobody.
 */
export class Unloader {
  readonly #options: UnloaderOptions;
  readonly #lanes = new Set<Lane>();
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
    if (this.#lanes.size > 1) return;
    this.#options.clock.soon(() => {
      const lanes = [...this.#lanes];
      this.#lanes.clear();
      for (const each of lanes) this.#unload(each);
    });
  }

  #unload(lane: Lane): void {
    if (lane.unloading || lane.closed || this.#stopped) return;
    const surplus = lane.paused ? this.#everything(lane) : this.#aboveShare(lane);
    if (surplus.length === 0) return;
    lane.unloading = true;
    void this.#unlease(lane, surplus);
  }

  #everything(lane: Lane): LeasedDelivery[] {
    const surplus: LeasedDelivery[] = [];
    for (const delivery of lane.waiting.values()) {
      if (surplus.length === UNLOADED_AT_ONCE) return surplus;
      surplus.push(delivery);
      lane.waiting.delete(delivery.messageKey);
    }
    const keep = Math.max(0, lane.ready.size - UNLOADED_AT_ONCE + surplus.length);
    return surplus.concat(lane.ready.truncate(keep));
  }

  #aboveShare(lane: Lane): LeasedDelivery[] {
    if (lane.standing !== 'silent' && lane.throttle === null) return [];
    const share = this.#options.residency.keep(lane) - lane.inFlight;
    return lane.ready.truncate(Math.max(share, lane.ready.size - UNLOADED_AT_ONCE, 0));
  }

  async #unlease(lane: Lane, leases: readonly LeasedDelivery[]): Promise<void> {
    const { store, residency, alarms, log } = this.#options;
    try {
      await store.deliveryUnlease({ leases });
    } catch (error) {
      log.warn(
        { err: error, endpointKey: lane.endpointKey },
        'deliveries could not be given back; trying again',
      );
      alarms.set(AGAIN_MS, () => void this.#unlease(lane, leases));
      return;
    }
    lane.unloading = false;
    for (const { payload } of leases) residency.free(lane, 1, payload.length);
    this.#options.unloaded(lane, Math.min(...leases.map(({ nextAttemptAt }) => nextAttemptAt)));
    this.check(lane);
  }
}
