import Type, { type Static } from 'typebox';
import type { IdPrefix } from '../../model/id.ts';
import { type Page, PageQuery, pageFrom, pageOf } from './paging.ts';

export const orderOf = (byDefault: 'ascending' | 'descending', description: string) =>
  Type.Optional(Type.Enum(['ascending', 'descending'], { default: byDefault, description }));

export const IdPageQuery = Type.Object({
  ...PageQuery.properties,
  order: orderOf('ascending', 'By creation.'),
});

interface Rows<Row, Item> {
  prefix: IdPrefix;
  /** As the store's lists by id: ascending, with one bound the rows next to it. */
  list: (bounds: {
    limit: number;
    before: string | null;
    after: string | null;
    fromEnd: boolean;
  }) => Promise<readonly Row[]>;
  item: (row: Row) => Item;
}

/** A page of rows that the store lists by their ids. Throws `validation`. */
export async function pageById<Row extends { readonly id: string }, Item>(
  query: Static<typeof IdPageQuery>,
  { prefix, list, item }: Rows<Row, Item>,
): Promise<Page<Item>> {
  const { limit, from, backwards } = pageFrom(query, prefix);
  const descending = query.order === 'descending';
  // Whether the page's ids are above the one that it goes on from.
  const above = descending === backwards;
  const rows = await list({
    limit: limit + 1,
    before: above ? null : from,
    after: above ? from : null,
    fromEnd: from === null && descending,
  });
  return pageOf(descending ? rows.toReversed() : rows, limit, { id: ({ id }) => id, item, backwards });
}
