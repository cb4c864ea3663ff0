import { storeOf } from './store.ts';

/** Reads one parameter of the address; undefined when it says nothing that is known. */
export type Reader<Value> = (text: string) => Value | undefined;

export function oneOf<const Value extends string>(...values: readonly Value[]): Reader<Value> {
  return (text) => values.find((each) => each === text);
}

/** Several of them, with commas between: `state=failed,held`. */
export function someOf<const Value extends string>(...values: readonly Value[]): Reader<readonly Value[]> {
  return (text) => {
    const asked = text.split(',');
    const known = values.filter((each) => asked.includes(each));
    return known.length > 0 ? known : undefined;
  };
}

export function text(charactersMost = 200): Reader<string> {
  return (given) => (given === '' ? undefined : given.slice(0, charactersMost));
}

/** Names in the address that mean nothing on the page it leads to; a notice says so. */
export const ignored = storeOf<readonly string[]>([]);

/**
 * `validateSearch` of a route: what the address may say beside the path. All of the state of a page is there, so that a copied
 * link shows the same. What is not known is left out, and told.
 */
export function searchOf<Shape extends Record<string, Reader<unknown>>>(shape: Shape) {
  type Search = { [Name in keyof Shape]?: Exclude<ReturnType<Shape[Name]>, undefined> };
  return (given: Record<string, unknown>): Search => {
    const unknown = Object.keys(given).filter((name) => given[name] !== undefined && !(name in shape));
    if (unknown.length > 0) queueMicrotask(() => tellIgnored(unknown));
    const read: Record<string, unknown> = {};
    for (const [name, reader] of Object.entries(shape)) {
      const value = given[name];
      const found =
        value === undefined ? undefined : reader(Array.isArray(value) ? value.join(',') : String(value));
      if (found !== undefined) read[name] = found;
    }
    return read as Search;
  };
}

/** Asked for many times for one address. */
function tellIgnored(names: readonly string[]): void {
  if (ignored.get().join() !== names.join()) ignored.set(names);
}

/** Plain names and values: people read and change addresses. */
export function parseSearch(searchText: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(searchText));
}

/** In one order, whatever was chosen first: equal views have equal addresses. */
export function stringifySearch(search: Record<string, unknown>): string {
  const written = Object.entries(search)
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => [name, Array.isArray(value) ? value.join(',') : String(value)])
    .sort(([one = ''], [other = '']) => (one < other ? -1 : 1));
  const query = new URLSearchParams(written).toString().replaceAll('%2C', ',');
  return query === '' ? '' : `?${query}`;
}
