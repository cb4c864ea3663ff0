import type { Statement } from 'better-sqlite3';
import type { Connection } from './connection.ts';

/** Rows of one statement, largest first. (In the prototype 50 rows a statement took a fifth less time than one.) */
const SIZES = [64, 8, 1];

export type BulkInsert = (values: readonly unknown[]) => void;

/**
 * Inserts many rows with few statements. Takes the rows' values one after another, in the order of `columns`. Those of `seldom`
 * are NULL most of the time: rows in which all of them are go by a statement without them, as each value that is bound costs
 * 0.1 us, NULL too.
 */
export function bulkInsert(
  connection: Connection,
  table: string,
  columns: readonly string[],
  seldom: readonly string[] = [],
): BulkInsert {
  const width = columns.length;
  const whole = statements(connection, table, columns);
  const usual = columns.flatMap((name, index) => (seldom.includes(name) ? [] : [index]));
  const others = columns.flatMap((name, index) => (seldom.includes(name) ? [index] : []));
  const lean = statements(
    connection,
    table,
    usual.map((index) => columns[index] as string),
  );

  return (values) => {
    let at = 0;
    for (const rows of SIZES) {
      for (; values.length - at >= rows * width; at += rows * width) {
        const end = at + rows * width;
        if (others.length > 0 && isLean(values, at, end)) lean.get(rows)?.run(picked(values, at, end));
        else whole.get(rows)?.run(values.slice(at, end));
      }
    }
  };

  function isLean(values: readonly unknown[], from: number, to: number): boolean {
    for (let row = from; row < to; row += width)
      for (const index of others) if (values[row + index] !== null) return false;
    return true;
  }

  function picked(values: readonly unknown[], from: number, to: number): unknown[] {
    const kept: unknown[] = [];
    for (let row = from; row < to; row += width) for (const index of usual) kept.push(values[row + index]);
    return kept;
  }
}

/** By the number of rows. */
function statements(
  connection: Connection,
  table: string,
  columns: readonly string[],
): ReadonlyMap<number, Statement> {
  const row = `(${columns.map(() => '?').join(', ')})`;
  return new Map(
    SIZES.map((rows) => {
      const sql = `INSERT INTO ${table} (${columns.join(', ')}) VALUES ${Array.from({ length: rows }, () => row).join(', ')}`;
      return [rows, connection.prepare(sql)];
    }),
  );
}
