import type { FastifyRequest } from 'fastify';
import Type, { type Static } from 'typebox';
import { ApiError } from '../../errors.ts';
import { PAGE_ROWS, PAGE_ROWS_DEFAULT } from '../../limits.ts';
import { firstIdAt, type IdPrefix, timeOfId } from '../../model/id.ts';
import { invalid } from '../validation.ts';

const paging = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: PAGE_ROWS, default: PAGE_ROWS_DEFAULT })),
  iterator: Type.Optional(
    Type.String({ description: 'From the answer before: `iterator`, or `prevIterator` to go back.' }),
  ),
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

/** One page as it was asked for, of rows that are listed newest first. */
export interface PageAsked {
  readonly limit: number;
  /** Ids between which the rows are, exclusive. With `after` alone the store gives the rows next to it. */
  readonly before: string | null;
  readonly after: string | null;
  /** Of the rows found, only those below this id belong to the page. */
  readonly below: string | null;
}

/** With it as upper bound a list begins at its newest row, as every list does, and `after` only says where it ends. */
const AFTER_ALL = '~';

/** Reads a page of rows that are listed newest first and whose ids ascend with time. Throws `validation`. */
export function pageAsked(query: Static<typeof TimedPageQuery>, prefix: IdPrefix): PageAsked {
  const iterator = iteratorOf(query.iterator, (id) => timeOfId(id, prefix) !== null);
  const before = timeBound(query, 'before', prefix);
  const after = timeBound(query, 'after', prefix);
  const limit = query.limit ?? PAGE_ROWS_DEFAULT;
  if (iterator === null) {
    return { limit, before: before ?? (after === null ? null : AFTER_ALL), after, below: null };
  }
  if (!iterator.backwards) return { limit, before: earlier(before, iterator.from), after, below: null };
  // Going back, the page is next to where it came from, not next to `before`.
  return { limit, before: null, after: later(after, iterator.from), below: before };
}

/** Characters of payloads, or of schemas, in one page: more at once would keep every other call waiting. */
export const PAGE_PAYLOAD_CHARACTERS = 4 * 1024 * 1024;

/**
 * Rows as the reader is asked for them: one more than the page shows tells whether there is another page. Looking for them
 * ends when the caller hangs up.
 */
export function rowsAsked({ limit, ...bounds }: PageAsked, request: FastifyRequest) {
  return { ...bounds, limit: limit + 1, isGone: () => request.raw.socket.destroyed };
}

/** Rows that were found, and how far a search came that was ended before its page was full. */
interface Found<Row> {
  readonly rows: readonly Row[];
  readonly scannedTo: string | null;
}

/**
 * A page out of the rows that `rowsAsked` gave. It ends early where their payloads come to more than a page may have, and
 * where the search for them was ended: the next page goes on from there.
 */
export function timedPageOf<Row extends { readonly id: string; readonly payload?: string | null }, Item>(
  { rows, scannedTo }: Found<Row>,
  asked: PageAsked,
  item: (row: Row) => Item,
): Page<Item> {
  const { limit, before, after, below } = asked;
  const within = below === null ? rows : rows.filter(({ id }) => id < below);
  const backwards = after !== null && before === null;
  const room = rowsWithRoom(backwards ? within.toReversed() : within, ({ payload }) => payload?.length ?? 0);
  const page = pageOf(within, Math.min(limit, room), { id: ({ id }) => id, item, backwards });
  if (scannedTo === null || !page.done) return page;
  if (!backwards) return { ...page, iterator: scannedTo, done: false };
  return { ...page, iterator: page.iterator ?? scannedTo, prevIterator: `-${scannedTo}`, done: false };
}

/** A page of rows that have another order than their ids: what it goes on from is looked up. Throws `validation`. */
export function pageFrom(query: Static<typeof PageQuery>, prefix: IdPrefix) {
  const iterator = iteratorOf(query.iterator, (id) => timeOfId(id, prefix) !== null);
  return {
    limit: query.limit ?? PAGE_ROWS_DEFAULT,
    from: iterator?.from ?? null,
    backwards: iterator?.backwards ?? false,
  };
}

/** How many rows, from the first on, have room in one page: at least one. */
function rowsWithRoom<Row>(rows: readonly Row[], charactersOf: (row: Row) => number): number {
  let characters = 0;
  const over = rows.findIndex((row, index) => {
    characters += charactersOf(row);
    return index > 0 && characters > PAGE_PAYLOAD_CHARACTERS;
  });
  return over < 0 ? rows.length : over;
}

export function notAnIterator(): ApiError {
  return invalid(['query', 'iterator'], 'is not an iterator of this list');
}

/** What `iterator` says: the row to go on from, and in which direction. Throws `validation`. */
function iteratorOf(
  text: string | undefined,
  isOne: (from: string) => boolean,
): { from: string; backwards: boolean } | null {
  if (text === undefined || text === '') return null;
  const backwards = text.startsWith('-');
  const from = backwards ? text.slice(1) : text;
  if (!isOne(from)) throw notAnIterator();
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

/**
 * A page out of rows that are all in memory, in the order of their ids: ascending, unless said otherwise. With `charactersOf`
 * it ends early where they come to more than a page may have.
 */
export function pageOfAll<Row, Item>(
  rows: readonly Row[],
  query: Static<typeof PageQuery>,
  show: {
    id: (row: Row) => string;
    item: (row: Row) => Item;
    isId: (text: string) => boolean;
    descending?: boolean;
    charactersOf?: (row: Row) => number;
  },
): Page<Item> {
  const limit = query.limit ?? PAGE_ROWS_DEFAULT;
  const iterator = iteratorOf(query.iterator, show.isId);
  const sign = show.descending ? -1 : 1;
  const place = (row: Row, id: string) => (show.id(row) < id ? -sign : show.id(row) > id ? sign : 0);
  const ordered = [...rows].sort((one, other) => place(one, show.id(other)));
  const backwards = iterator?.backwards ?? false;
  const beyond =
    iterator === null
      ? ordered
      : ordered.filter((row) => place(row, iterator.from) * (backwards ? -1 : 1) > 0);
  const found = backwards ? beyond.slice(-limit - 1) : beyond.slice(0, limit + 1);
  const room = rowsWithRoom(backwards ? found.toReversed() : found, show.charactersOf ?? (() => 0));
  return pageOf(found, Math.min(limit, room), { ...show, backwards });
}

/** A page of items that are JSON text already, with payloads as they came. */
export function pageText({ data, ...rest }: Page<string>): string {
  return `{"data":[${data.join(',')}],${JSON.stringify(rest).slice(1)}`;
}

function timeBound(
  query: Static<typeof TimedPageQuery>,
  name: 'before' | 'after',
  prefix: IdPrefix,
): string | null {
  const at = queryTime(query, name);
  return at === null ? null : firstIdAt(prefix, at);
}

/** A time in a query, ms since the Unix epoch, or null. Throws `generic_error`: RFC 3339 has times that no clock here shows. */
export function queryTime<Name extends string>(query: { [Key in Name]?: string }, name: Name): number | null {
  const text: string | undefined = query[name];
  if (text === undefined) return null;
  const at = Date.parse(text);
  if (Number.isNaN(at)) {
    throw new ApiError(
      'generic_error',
      `Failed to deserialize query string: ${name} must be a date and time (RFC 3339).`,
    );
  }
  return at;
}

function earlier(one: string | null, other: string): string {
  return one !== null && one < other ? one : other;
}

function later(one: string | null, other: string): string {
  return one !== null && one > other ? one : other;
}
