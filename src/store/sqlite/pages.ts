import type { Connection } from './connection.ts';

export interface Bounds<Value> {
  before: Value | null;
  after: Value | null;
}

/**
 * Lists rows upwards in the order of an index. `sql` bounds the page by @after, @before and @limit; a page that has only an
 * upper bound is walked downwards from there, and shown upwards all the same.
 */
export function upwards<Row>(connection: Connection, sql: (order: 'ASC' | 'DESC') => string) {
  const first = connection.prepare(sql('ASC'));
  const last = connection.prepare(sql('DESC'));
  return <Params extends Bounds<string | number> & { limit: number }>({
    fromEnd = false,
    ...values
  }: Params & { fromEnd?: boolean }): Row[] => {
    const backwards = values.after === null && (values.before !== null || fromEnd);
    return backwards ? (last.all(values) as Row[]).reverse() : (first.all(values) as Row[]);
  };
}

/** As `upwards`, but with no bound or with both `fromEnd` says which end the page is at. */
export function inOrder<Row>(connection: Connection, sql: (order: 'ASC' | 'DESC') => string) {
  const list = upwards<Row>(connection, sql);
  const last = connection.prepare(sql('DESC'));
  return <Params extends Bounds<string> & { limit: number; fromEnd: boolean }>(params: Params): Row[] => {
    const { fromEnd, ...values } = params;
    if (!fromEnd || (values.before === null) !== (values.after === null)) return list(params);
    return (last.all(values) as Row[]).reverse();
  };
}

/** Lists that are newest first: with only a lower bound, the page next to it is wanted, and walked towards the newest. */
export function towardsNewest({ before, after }: Bounds<string>): boolean {
  return after !== null && before === null;
}
