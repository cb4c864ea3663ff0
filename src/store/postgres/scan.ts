import type { Scanned } from '../store.ts';

/** The part of a list that a scan is to look at, in the order of ids. */
export interface ScanOf {
  /** A table with its name: `posthorn.message m`. */
  readonly from: string;
  readonly range: string;
  readonly direction: 'ASC' | 'DESC';
  /** What looking at a row costs more than at a plain one. */
  readonly cost: string;
}

/**
 * A WITH clause that has in `edge` the id of the last row that may be looked at: with it, `@scan` rows are, or more that cost
 * less. There is none when the range ends before, or nothing bounds the scan (`@scan` is NULL). The first row is looked at
 * whatever it costs. Rows behind the edge are not even asked for their costs: the sum runs along with the index.
 */
export function scanEdge({ from, range, direction, cost }: ScanOf): string {
  const [name] = from.split(' ').slice(-1);
  return `WITH edge AS MATERIALIZED (
    SELECT walked.id FROM (
      SELECT each.id, sum(1 + each.cost) OVER (ORDER BY each.id ${direction} ROWS UNBOUNDED PRECEDING) AS looked
      FROM (SELECT ${name}.id, ${cost} AS cost FROM ${from} WHERE ${range}
        ORDER BY ${name}.id ${direction} LIMIT coalesce(@scan::bigint, 0)) AS each) AS walked
    WHERE walked.looked >= @scan ORDER BY walked.id ${direction} LIMIT 1)`;
}

/** That a row is not behind the edge. */
export function upToEdge({ from, direction }: Pick<ScanOf, 'from' | 'direction'>): string {
  const [name] = from.split(' ').slice(-1);
  return direction === 'ASC'
    ? `${name}.id <= coalesce((SELECT id FROM edge), '~')`
    : `${name}.id >= coalesce((SELECT id FROM edge), '')`;
}

/** What bounds a scan; null: nothing does. */
export function scanBound(scan: number | undefined): number | null {
  return scan === undefined || scan === Number.POSITIVE_INFINITY ? null : scan;
}

/** A hit, or all NULL: each row says how far the scan came, so that there is one when there is no hit. */
type ScannedRow<Row> = (Row | { readonly [Name in keyof Row]: null }) & {
  readonly scanned_to: string | null;
};

/** The hits, and how far the scan came that did not get its page full. */
export function rowsOf<Row extends { readonly id: string }>(
  scanned: readonly ScannedRow<Row>[],
  limit: number,
): Scanned<Row> {
  const rows = scanned.filter((row): row is Row & ScannedRow<Row> => row.id !== null);
  return { rows, scannedTo: rows.length === limit ? null : (scanned[0]?.scanned_to ?? null) };
}
