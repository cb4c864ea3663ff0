/** What a scan reads of a row, as `.raw()` gives it: id, key, whether the filter took it, and what it cost more than a plain row. */
export type ScannedRow = [id: string, key: number, hit: 0 | 1, cost: number];

export interface Hits {
  keys: number[];
  /** As in `Scanned`. */
  scannedTo: string | null;
}

/** Walks rows until `limit` of them are hits, or `bound` rows were looked at. The first row is looked at whatever it costs. */
export function scan(rows: Iterable<ScannedRow>, limit: number, bound: number): Hits {
  const keys: number[] = [];
  let looked = 0;
  for (const [id, key, hit, cost] of rows) {
    looked += 1 + cost;
    if (hit === 1 && keys.push(key) === limit) break;
    if (looked >= bound) return { keys, scannedTo: id };
  }
  return { keys, scannedTo: null };
}

/** That a JSON list of words has one of them: an exact test, which reads the list only if the word's JSON occurs in it at all. */
export function listed(column: string, word: string): string {
  return `(instr(${column}, json_quote(${word})) > 0 AND EXISTS (SELECT 1 FROM json_each(${column}) WHERE value = ${word}))`;
}
