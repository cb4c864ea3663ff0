import Type, { type Static } from 'typebox';
import { ApiError } from '../../errors.ts';
import { PAGE_ROWS, PAGE_ROWS_DEFAULT } from '../../limits.ts';
import { firstIdAt, type IdPrefix, isId } from '../../model/id.ts';
import { invalid } from '../validation.ts';

const paging = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: PAGE_ROWS, default: PAGE_ROWS_DEFAULT })),
  iterator: Type.Optional(Type.String({ description: 'From the answer before: `iterator`, or `prevIterator` to go back.' })),
};
export const PageQuery = Type.Object(paging);
export const TimedPageQuery = Type.Object({
  ...paging,
  before: Type.Optional(Type.String({ format: 'date-time', description: 'Only what was made before.' })),
  after: Type.Optional(Type.String({ format: 'date-time', description: 'Only what was made after.' })),
  with_content: Type.Optional(Type.Boolean({ default: true })),
});

export interface Page<Item> {
  data: Item[];
  iterator: string | null;
  prevIterator?: string;
  done: boolean;
}

/** One page as rows are asked for: newest first, bounds exclusive. */
export interface PageAsked {
  readonly limit: number;
  readonly before: string | null;
  readonly after: string | null;
  /** Towards newer rows. */
  readonly backwards: boolean;
}

/** Reads a page of rows that are listed newest first and whose ids ascend with time. Throws `validation`. */
export function pageAsked(query: Static<typeof TimedPageQuery>, prefix: IdPrefix): PageAsked {
  const iterator = iteratorOf(query.iterator, (id) => isId(id, prefix));
  const bounds = { before: timeBound(query, 'before', prefix), after: timeBound(query, 'after', prefix) };
  if (iterator?.backwards) bounds.after = later(bounds.after, iterator.from);
  else if (iterator) bounds.before = earlier(bounds.before, iterator.from);
  return { limit: query.limit ?? PAGE_ROWS_DEFAULT, ...bounds, backwards: iterator?.backwards ?? false };
}

/** What `iterator` says: the row to go on from, and in which direction. Throws `validation`. */
export function iteratorOf(
  text: string | undefined,
  isOne: (from: string) => boolean,
): { from: string; backwards: boolean } | null {
  if (text === undefined || text === '') return null;
  const backwards = text.startsWith('-');
  const from = backwards ? text.slice(1) : text;
  if (!isOne(from)) throw invalid(['query', 'iterator'], 'is not an iterator of this list');
  return { from, backwards };
}

/** A page out of rows of which one more than its limit was asked for. */
export function pageOf<Row, Item>(
  rows: readonly Row[],
  limit: number,
  show: { id: (row: Row) => string; item: (row: Row) => Item; backwards?: boolean },
): Page<Item> {
  const done = rows.length <= limit;
  // Going back, the row too many is the one farthest from where the page began: the first.
  const shown = done ? rows : show.backwards ? rows.slice(rows.length - limit) : rows.slice(0, limit);
  const first = shown[0];
  const last = shown.at(-1);
  return {
    data: shown.map(show.item),
    iterator: last === undefined ? null : show.id(last),
    ...(first === undefined ? {} : { prevIterator: `-${show.id(first)}` }),
    done,
  };
}

function timeBound(query: Static<typeof TimedPageQuery>, name: 'before' | 'after', prefix: IdPrefix): string | null {
  const text = query[name];
  if (text === undefined) return null;
  const at = Date.parse(text);
  if (Number.isNaN(at)) {
    throw new ApiError('generic_error', `Failed to deserialize query string: ${name} must be a date and time (RFC 3339).`);
  }
  return firstIdAt(prefix, at);
}

function earlier(one: string | null, other: string): string {
  return one !== null && one < other ? one : other;
}

function later(one: string | null, other: string): string {
  return one !== null && one > other ? one : other;
}
