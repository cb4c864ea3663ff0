/** Upper bounds of the classes that latencies are counted in, in ms, each about 1.6 times the one before. Above the last: one class more. */
export const LATENCY_BOUNDS_MS = [
  1, 2, 3, 4, 6, 10, 16, 25, 40, 63, 100, 160, 250, 400, 630, 1_000, 1_600, 2_500, 4_000, 6_300, 10_000,
  16_000, 30_000,
] as const;
/** What is above them counts as so much: the longest time that a request may take. */
const LATENCY_MOST_MS = 300_000;

export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;

/** What was counted in a time: of an endpoint, of an application, or of all. */
export interface Tally {
  /** Messages; of an endpoint: 0. */
  readonly accepted: number;
  /** Attempts that were recorded, by how they ended. */
  readonly succeeded: number;
  readonly failed4xx: number;
  readonly failed5xx: number;
  /** Another answer, such as a redirect. */
  readonly failedOther: number;
  /** No answer came. */
  readonly unanswered: number;
  /** Attempts that were answered, by how long that took: one for each of `LATENCY_BOUNDS_MS`, and one for longer. */
  readonly latency: readonly number[];
}

export function failedOf({ failed4xx, failed5xx, failedOther, unanswered }: Tally): number {
  return failed4xx + failed5xx + failedOther + unanswered;
}

/** The place of a latency among the classes. */
export function latencyClass(ms: number): number {
  let [low, high] = [0, LATENCY_BOUNDS_MS.length as number];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ms <= (LATENCY_BOUNDS_MS[middle] as number)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * The latency, in ms, that a share of the answers did not exceed; null: there were none. Within a class they are taken to lie evenly, so
 * that it is off by a quarter at the most, usually by much less.
 */
export function latencyAt({ latency }: Pick<Tally, 'latency'>, share: number): number | null {
  const all = latency.reduce((sum, count) => sum + count, 0);
  if (all === 0) return null;
  const wanted = share * all;
  let before = 0;
  for (const [index, count] of latency.entries()) {
    if (count > 0 && before + count >= wanted) {
      const from = LATENCY_BOUNDS_MS[index - 1] ?? 0;
      const to = LATENCY_BOUNDS_MS[index] ?? LATENCY_MOST_MS;
      return from + ((to - from) * Math.max(0, wanted - before)) / count;
    }
    before += count;
  }
  return LATENCY_MOST_MS;
}

export function tallySum(tallies: readonly Tally[]): Tally {
  const sum = (of: (tally: Tally) => number) => tallies.reduce((total, tally) => total + of(tally), 0);
  return {
    accepted: sum((each) => each.accepted),
    succeeded: sum((each) => each.succeeded),
    failed4xx: sum((each) => each.failed4xx),
    failed5xx: sum((each) => each.failed5xx),
    failedOther: sum((each) => each.failedOther),
    unanswered: sum((each) => each.unanswered),
    latency: Array.from({ length: LATENCY_BOUNDS_MS.length + 1 }, (_, index) =>
      sum(({ latency }) => latency[index] as number),
    ),
  };
}
