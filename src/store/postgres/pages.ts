import { type Executor, statement, type Value } from './connection.ts';

export interface Bounds {
  before: string | null;
  after: string | null;
}

type Page = Bounds & { limit: number; fromEnd?: boolean };

/**
 * Lists rows upwards in the order of an index. `sql` bounds the page: after `$1`, before `$2`, at most `$3`; what else it asks for is
 * from `$4` on. A page that has only an upper bound is walked downwards from there, and shown upwards all the same.
 */
export function upwards<Row>(sql: (order: 'ASC' | 'DESC') => string) {
  const first = statement(sql('ASC'));
  const last = statement(sql('DESC'));
  return async (
    db: Executor,
    { before, after, limit, fromEnd = false }: Page,
    ...others: Value[]
  ): Promise<Row[]> => {
    const values = [after, before, limit, ...others];
    const backwards = after === null && (before !== null || fromEnd);
    return backwards ? (await db.rows<Row>(last, values)).reverse() : db.rows<Row>(first, values);
  };
}

/** As `upwards`, but with no bound or with both `fromEnd` says which end the page is at. */
export function inOrder<Row>(sql: (order: 'ASC' | 'DESC') => string) {
  const list = upwards<Row>(sql);
  const last = statement(sql('DESC'));
  return async (db: Executor, page: Required<Page>, ...others: Value[]): Promise<Row[]> => {
    const { before, after, limit, fromEnd } = page;
    if (!fromEnd || (before === null) !== (after === null)) return list(db, page, ...others);
    return (await db.rows<Row>(last, [after, before, limit, ...others])).reverse();
  };
}

/** Lists that are newest first: with only a lower bound, the page next to it is wanted, and walked towards the newest. */
export function towardsNewest({ before, after }: Bounds): boolean {
  return after !== null && before === null;
}
