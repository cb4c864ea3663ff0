/**
 * Lists of the same length as rows, to look others up by: `listedRows('message_key', '$1::bigint[]')` is a table with a row for each
 * place of them. The planner does not know what its LIMIT is, and so takes it for one row: it goes from these rows to an index of
 * the others for each, and never through all others first, whatever it believes of the size of a table that it saw while that was
 * empty.
 */
export function listedRows(columns: string, ...lists: [string, ...string[]]): string {
  return `(SELECT * FROM unnest(${lists.join(', ')}) AS listed (${columns}) LIMIT cardinality(${lists[0]}))`;
}

/**
 * With `key_list`, a list of nothing but the row's `message_key`. A statement that locks rows of a partitioned table asks for
 * `message_key = ANY (key_list)`, and for its bounds as parameters: by those it leaves partitions out before it begins, by the list
 * it leaves out none while it runs. PostgreSQL 18.4 does the latter with a state that it shares with its second look at a row that
 * another transaction has changed meanwhile: rows of several partitions were left out, and the server crashed. What changes rows
 * that are locked takes no second look.
 */
export function withKeyLists(rows: string): string {
  return `(SELECT *, ARRAY[message_key] AS key_list FROM ${rows} AS keyed OFFSET 0)`;
}
