import { TRANSFER_PAGE_BYTES, TRANSFER_PAGE_ROWS } from '../../limits.ts';
import type { TransferRow } from '../transfer.ts';
import type { TableName, TransferTable } from '../transfer-tables.ts';
import type { Value } from './connection.ts';
import type { LongSession } from './long-session.ts';

/** Reads the page of a table's rows that come after one. */
export type ReadPage = (session: LongSession, after: TransferRow | null) => Promise<TransferRow[]>;

/** Message keys that one statement goes through, in all applications. */
const WINDOW_KEYS = 2 * TRANSFER_PAGE_ROWS;
export const PARTITIONED: readonly TableName[] = ['message', 'delivery', 'attempt'];

export function pageReader(table: TransferTable): ReadPage {
  return PARTITIONED.includes(table.name) ? partitionedReader(table) : plainReader(table);
}

function plainReader(table: TransferTable): ReadPage {
  const key = keyOf(table, 't');
  const places = table.key.map((_, index) => `$${index + 3}`).join(', ');
  // The first column alone again: it is what the server looks for in an index.
  const after = `WHERE t.${table.key[0]} >= $3 AND (${key}) > (${places})`;
  const rows = (where: string) =>
    withinBytes(
      table,
      `SELECT ${columnsOf(table)} FROM posthorn.${table.name} t ${where} ORDER BY ${key} LIMIT $1`,
    );
  const [first, next] = [rows(''), rows(after)];
  const keyPlaces = placesOfKey(table);
  return (session, last) => {
    const limits = [table.pageRows, TRANSFER_PAGE_BYTES];
    if (last === null) return session.arrays(first, limits);
    return session.arrays(next, [...limits, ...keyPlaces.map((place) => last[place] as Value)]);
  };
}

/**
 * The large tables in the order of message keys, in which they were written and are best written again. Their indexes lead with the
 * application: so a window of keys is looked for in each, and what is found is put in order. For 100,000 applications that is
 * 100,000 looks into an index for a page of at most 4,096 rows.
 */
function partitionedReader(table: TransferTable): ReadPage {
  const [, second] = table.key;
  const key = keyOf(table, 't');
  const from = second === undefined ? 't.message_key >= $3' : `t.message_key >= $3 AND (${key}) > ($3, $5)`;
  const rows = withinBytes(
    table,
    `SELECT f.* FROM posthorn.application a CROSS JOIN LATERAL (
       SELECT ${columnsOf(table)} FROM posthorn.${table.name} t
       WHERE t.application_key = a.application_key AND ${from} AND t.message_key < $4
       ORDER BY ${key} LIMIT $1) f
     ORDER BY ${keyOf(table, 'f')} LIMIT $1`,
  );
  const nextKey = `SELECT min(f.message_key) FROM posthorn.application a CROSS JOIN LATERAL (
    SELECT t.message_key FROM posthorn.${table.name} t
    WHERE t.application_key = a.application_key AND t.message_key >= $1 ORDER BY t.message_key LIMIT 1) f`;
  const isText = table.columns.some(({ name, kind }) => name === second && kind === 'text');
  const lowest = isText ? '' : -1;
  const [keyPlace, secondPlace] = placesOfKey(table) as [number, number | undefined];

  async function window(session: LongSession, messageKey: number, after: string | number) {
    const bounds = [messageKey, messageKey + WINDOW_KEYS];
    const values = [table.pageRows, TRANSFER_PAGE_BYTES, ...bounds];
    return session.arrays<TransferRow>(rows, second === undefined ? values : [...values, after]);
  }

  return async (session, last) => {
    let begin = 0;
    if (last !== null) {
      const messageKey = last[keyPlace] as number;
      begin = messageKey + (second === undefined ? 1 : 0);
      const after = secondPlace === undefined ? lowest : (last[secondPlace] as string | number);
      const found = await window(session, begin, after);
      if (found.length > 0) return found;
      begin += WINDOW_KEYS;
    }
    // Keys have gaps, of up to a whole partition.
    const [[messageKey] = [null]] = await session.arrays<[number | null]>(nextKey, [begin]);
    return messageKey === null ? [] : window(session, messageKey, lowest);
  };
}

/** Of rows in order, those that have so many bytes together, and one more. Long texts are not read for it. */
function withinBytes(table: TransferTable, rows: string): string {
  const names = table.columns.map(({ name }) => `p.${name}`).join(', ');
  const key = keyOf(table, 'p');
  return `SELECT ${names} FROM (
      SELECT r.*, sum(r.bytes) OVER (ORDER BY ${keyOf(table, 'r')} ROWS UNBOUNDED PRECEDING) - r.bytes AS before FROM (${rows}) r
    ) p WHERE p.before < $2 ORDER BY ${key}`;
}

function columnsOf(table: TransferTable): string {
  const columns = table.columns.map(({ name, read }) => `${read ?? `t.${name}`} AS ${name}`);
  const lengths = table.columns
    .filter(({ kind }) => kind !== 'integer')
    .map(({ name }) => `coalesce(octet_length(t.${name}), 0)`);
  return `${columns.join(', ')}, ${lengths.join(' + ') || '0'} AS bytes`;
}

function keyOf(table: TransferTable, row: string): string {
  return table.key.map((name) => `${row}.${name}`).join(', ');
}

function placesOfKey(table: TransferTable): number[] {
  return table.key.map((name) => table.columns.findIndex((column) => column.name === name));
}
