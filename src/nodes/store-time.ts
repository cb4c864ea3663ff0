import type { SharedClock } from '../model/shared-clock.ts';

/** What a call of the store says of its time: `now` was somewhere between the two, by the own monotonic clock. */
export interface TimedAnswer {
  /** The store's wall time in the middle of the call; null: its clock is this process's own. */
  readonly now: number | null;
  readonly began: number;
  readonly ended: number;
}

/** The store's time at the monotonic clock's zero, with what it may be wrong by. */
interface Estimate {
  readonly zero: number;
  readonly errorMs: number;
}

/** Of so many calls the quickest counts: at eight beats in the time of a lease, those of one lease. */
const ESTIMATES = 8;
/** Times are whole milliseconds. */
const ROUNDING_MS = 1;
/** An own clock that is further off is worth a person's look; nearer than half of it, it is right again. */
const WORTH_TELLING_MS = 1_000;

/**
 * Learns the store's time from how its calls are answered, and sets the clock by it. A time that the best of the last answers
 * does not contradict stays, so that a slow answer moves nothing. An answer that contradicts that best one says that one of the
 * clocks was set, or another server took over: then it alone counts.
 */
export class StoreTime {
  readonly #clock: SharedClock;
  readonly #log: { warn(fields: object, text: string): void; info(fields: object, text: string): void };
  #estimates: Estimate[] = [];
  /** What the clock goes by; null: still by the own wall clock. */
  #zero: number | null = null;
  /** How far ahead the own clock was when that was last told; zero: it was right. */
  #toldMs = 0;

  constructor(
    clock: SharedClock,
    log: { warn(fields: object, text: string): void; info(fields: object, text: string): void },
  ) {
    this.#clock = clock;
    this.#log = log;
  }

  learn({ now, began, ended }: TimedAnswer): void {
    if (now === null) return;
    const newest = { zero: now - (began + ended) / 2, errorMs: (ended - began) / 2 + ROUNDING_MS };
    this.#estimates = [...this.#estimates, newest].slice(-ESTIMATES);
    let best = this.#estimates.reduce((one, other) => (other.errorMs < one.errorMs ? other : one));
    if (Math.abs(best.zero - newest.zero) > best.errorMs + newest.errorMs) {
      this.#estimates = [newest];
      best = newest;
    }
    const { own } = this.#clock;
    const monotonic = own.monotonic();
    const wall = own.now();
    const current = this.#zero ?? wall - monotonic;
    const zero = Math.abs(best.zero - current) > best.errorMs ? best.zero : current;
    if (zero !== this.#zero) {
      this.#zero = zero;
      this.#clock.set(zero);
    }
    this.#tell(Math.round(wall - monotonic - zero));
  }

  #tell(aheadMs: number): void {
    const offMs = Math.abs(aheadMs);
    if (this.#toldMs !== 0 && offMs < WORTH_TELLING_MS / 2) {
      this.#toldMs = 0;
      this.#log.info({ aheadMs }, "this machine's clock agrees with the database's again");
      return;
    }
    if (offMs < WORTH_TELLING_MS || Math.abs(aheadMs - this.#toldMs) < WORTH_TELLING_MS) return;
    this.#toldMs = aheadMs;
    const how = `${(offMs / 1_000).toFixed(1)} s ${aheadMs > 0 ? 'ahead of' : 'behind'}`;
    this.#log.warn({ aheadMs }, `this machine's clock is ${how} the database's; times go by the database's`);
  }
}
