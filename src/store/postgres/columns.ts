/** A column of an INSERT: its array is bound as this type. */
export type Column = readonly [name: string, type: 'bigint' | 'integer' | 'smallint' | 'text'];

/** Their arrays, bound from parameter `from` on: for `unnest`. */
export function arraysOf(columns: readonly Column[], from: number): string[] {
  return columns.map(([, type], index) => `$${from + index}::${type}[]`);
}

export function namesOf(columns: readonly Column[]): string {
  return columns.map(([name]) => name).join(', ');
}
