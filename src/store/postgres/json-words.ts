/**
 * That a JSON list of words has one of them, given as its JSON. The elements are compared as they are written, which is always
 * by `JSON.stringify`: to read them would fail for words that PostgreSQL cannot have as a text, such as a NUL. The list is taken
 * apart only if the word occurs in it at all.
 */
export function listed(column: string, word: string): string {
  return `(strpos(${column}, ${word}) > 0 AND EXISTS (
    SELECT 1 FROM json_array_elements(${column}::json) AS list (element) WHERE element::text = ${word} OFFSET 0))`;
}

/** Names as a `jsonb` object, which is searched by halves: in a list, every one of a thousand would be compared. */
export function nameSet(names: readonly string[]): string {
  return JSON.stringify(Object.fromEntries(names.filter(isPossible).map((name) => [name, 0])));
}

/** Whether PostgreSQL can have such a text: no other is equal to one that it has, or within it. */
export function isPossible(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}
