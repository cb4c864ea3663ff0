import { ApiError } from '../errors.ts';
import { BACKLOG_COUNTED, MINUTES_KEPT_MS, STATISTICS_BUCKETS } from '../limits.ts';
import type { Clock } from '../model/clock.ts';
import { HOUR_MS, MINUTE_MS, type Tally, tallySum } from '../model/tally.ts';
import type { BacklogCount, Store, TallyOwner, TimedTally } from '../store/store.ts';

export type { BacklogCount, TallyOwner, TimedTally };
export type Bucket = 'minute' | 'hour';

/** What was counted in a range of whole minutes or hours. */
export interface Series {
  readonly bucket: Bucket;
  /** ms since the Unix epoch: the beginning of the first, and the end of the last, or now. */
  readonly from: number;
  readonly to: number;
  readonly total: Tally;
  /** By time; those in which nothing was counted are left out. */
  readonly buckets: readonly TimedTally[];
}

const BUCKET_MS = { minute: MINUTE_MS, hour: HOUR_MS };
/** How long a backlog that was counted is the same for all who ask: their number costs nothing then. */
const BACKLOG_KEPT_MS = 2_000;
const BACKLOGS_KEPT = 1_000;

/**
 * What was counted while it happened: see `TallyStore`. No row of a message or an attempt is read, whatever the range. Times are cut
 * to whole minutes, and to whole hours where minutes are not kept any more: a range from `since` on and before `until` has those that
 * begin in it, so that ranges that follow each other have each one once. The one that is not over yet has what was counted so far.
 */
export class Statistics {
  readonly #store: Pick<Store, 'tallyList' | 'deliveryBacklogCount'>;
  readonly #clock: Clock;
  /** The oldest first. */
  readonly #backlogs = new Map<string, { readonly counted: Promise<BacklogCount>; readonly until: number }>();

  constructor(store: Pick<Store, 'tallyList' | 'deliveryBacklogCount'>, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Throws `invalid_range` when it would have too many of them, or begins before they are kept. */
  async series(
    of: TallyOwner,
    { since, until, bucket }: { since: number; until: number; bucket: Bucket },
  ): Promise<Series> {
    const now = this.#clock.now();
    const bucketMs = BUCKET_MS[bucket];
    const from = floor(since, bucketMs);
    const to = this.#end(until, bucketMs);
    if (bucket === 'minute' && from < floor(now, MINUTE_MS) - MINUTES_KEPT_MS) {
      throw new ApiError(
        'invalid_range',
        `Minutes are kept for ${MINUTES_KEPT_MS / HOUR_MS} hours. Ask for hours, or for a later \`since\`.`,
      );
    }
    if ((to - from) / bucketMs > STATISTICS_BUCKETS) {
      throw new ApiError(
        'invalid_range',
        `The range has more than ${STATISTICS_BUCKETS} ${bucket}s. Ask for less of it at once.`,
      );
    }
    const buckets = await this.#store.tallyList({ of, bucket, from, to });
    return { bucket, from, to: Math.max(from, Math.min(to, now)), total: tallySum(buckets), buckets };
  }

  /** All of a range: by minutes as far as they are kept, and by hours before that. */
  async total(of: TallyOwner, { since, until }: { since: number; until: number }): Promise<Tally> {
    const rolled = floor(this.#clock.now() - MINUTES_KEPT_MS, HOUR_MS) + HOUR_MS;
    const cut = (time: number) => (time < rolled ? floor(time, HOUR_MS) : floor(time, MINUTE_MS));
    const [from, to] = [cut(since), until < rolled ? cut(until) : this.#end(until, MINUTE_MS)];
    const hours = { of, bucket: 'hour' as const, from, to: Math.min(to, rolled) };
    const minutes = { of, bucket: 'minute' as const, from: Math.max(from, rolled), to };
    const found = await Promise.all(
      [hours, minutes].map((each) => (each.from < each.to ? this.#store.tallyList(each) : [])),
    );
    return tallySum(found.flat());
  }

  /** Of each state up to `BACKLOG_COUNTED`. */
  backlog(of: TallyOwner): Promise<BacklogCount> {
    const now = this.#clock.monotonic();
    for (const [name, { until }] of this.#backlogs) {
      if (until > now && this.#backlogs.size < BACKLOGS_KEPT) break;
      this.#backlogs.delete(name);
    }
    const name = `${of.applicationKey ?? ''} ${of.endpointKey ?? ''}`;
    const kept = this.#backlogs.get(name);
    if (kept !== undefined) return kept.counted;
    const params = { of, limit: BACKLOG_COUNTED, now: this.#clock.now() };
    const counted = this.#store.deliveryBacklogCount(params);
    this.#backlogs.set(name, { counted, until: now + BACKLOG_KEPT_MS });
    counted.catch(() => this.#backlogs.delete(name));
    return counted;
  }

  /** Of what is counted now nobody asks for a part. */
  #end(until: number, bucketMs: number): number {
    const now = this.#clock.now();
    const end = floor(until, bucketMs);
    return end >= floor(now, bucketMs) ? floor(now, bucketMs) + bucketMs : end;
  }
}

function floor(time: number, unit: number): number {
  return time - (time % unit);
}
