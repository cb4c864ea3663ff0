/** The median of some runs, and how far they lay apart. */
export interface Sample {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export function sample(values: readonly number[]): Sample {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  const median =
    sorted.length % 2 === 1 ? at(sorted, middle) : (at(sorted, middle - 1) + at(sorted, middle)) / 2;
  return { median, least: at(sorted, 0), most: at(sorted, sorted.length - 1) };
}

export function mean(...values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Nearest-rank quantiles of values in any order, by name: `{ p50, p99, 'p99.9' }`. */
export function quantiles(values: Float64Array): Quantiles {
  if (values.length === 0) throw new Error('There is nothing to take quantiles of.');
  const sorted = Float64Array.from(values).sort();
  const rank = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] as number;
  return { p50: rank(0.5), p99: rank(0.99), 'p99.9': rank(0.999) };
}

export type Quantiles = Record<'p50' | 'p99' | 'p99.9', number>;

function at(sorted: readonly number[], index: number): number {
  const value = sorted[index];
  if (value === undefined) throw new Error('A sample needs at least one value.');
  return value;
}
