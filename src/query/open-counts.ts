import { OPEN_COUNTED } from '../limits.ts';
import type { Clock } from '../model/clock.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { Store } from '../store/store.ts';
import type { ScanTurns } from './scan-turns.ts';

type Counts = Awaited<ReturnType<Store['deliveryCountOpen']>>;

/** From how many deliveries on a count is kept, and how long: those of fewer are as fast as a look at what is kept. */
const KEPT_FROM = 5_000;
const KEPT_MS = 1_000;

/**
 * How many deliveries of an endpoint are open, which takes milliseconds where very many are. So such a count is the same for a
 * second, whoever asks for it, and how often; and it is a step of a scan like others, between which everything else gets its turn.
 */
export class OpenCounts {
  readonly #store: Pick<Store, 'deliveryCountOpen'>;
  readonly #clock: Clock;
  readonly #turns: ScanTurns;
  /** The oldest first. */
  readonly #kept = new Map<number, { readonly counts: Counts; readonly until: number }>();
  readonly #underWay = new Map<number, Promise<Counts>>();

  constructor(store: Pick<Store, 'deliveryCountOpen'>, clock: Clock, turns: ScanTurns) {
    this.#store = store;
    this.#clock = clock;
    this.#turns = turns;
  }

  /** By state as they are shown; of each up to `OPEN_COUNTED`. */
  async of({ key, applicationKey }: Endpoint): Promise<Counts> {
    this.#forget();
    const kept = this.#kept.get(key);
    if (kept !== undefined) return kept.counts;
    const counting = this.#underWay.get(key) ?? this.#count(key, applicationKey);
    this.#underWay.set(key, counting);
    return counting;
  }

  async #count(endpointKey: number, applicationKey: number): Promise<Counts> {
    try {
      await this.#turns.once(applicationKey);
      const now = this.#clock.now();
      const counts = await this.#store.deliveryCountOpen({ endpointKey, limit: OPEN_COUNTED, now });
      const all = counts.pending + counts.sending + counts.held;
      if (all >= KEPT_FROM) this.#kept.set(endpointKey, { counts, until: this.#clock.monotonic() + KEPT_MS });
      return counts;
    } finally {
      this.#underWay.delete(endpointKey);
    }
  }

  #forget(): void {
    const now = this.#clock.monotonic();
    for (const [key, { until }] of this.#kept) {
      if (until > now) return;
      this.#kept.delete(key);
    }
  }
}
