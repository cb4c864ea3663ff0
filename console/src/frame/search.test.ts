import { expect, it } from 'vitest';
import { ignored, oneOf, parseSearch, searchOf, someOf, stringifySearch, text } from './search.ts';

const read = searchOf({ state: someOf('failed', 'held'), outcome: oneOf('one', 'other'), q: text(5) });

it('reads what is known of an address, and writes it in one order', () => {
  const search = read(parseSearch('?q=ticket.*&state=held,failed,nonsense&outcome=other'));
  expect(search).toEqual({ state: ['failed', 'held'], outcome: 'other', q: 'ticke' });
  expect(stringifySearch(search)).toBe('?outcome=other&q=ticke&state=failed,held');
  expect(read(parseSearch(stringifySearch(search)))).toEqual(search);
});

it('leaves out what says nothing', () => {
  expect(read(parseSearch('?state=nonsense&outcome=&q='))).toEqual({});
  expect(stringifySearch({ state: undefined, q: '' })).toBe('');
});

it('tells what it ignores', async () => {
  read(parseSearch('?page=7&q=a&sort=up'));
  await Promise.resolve();
  expect(ignored.get()).toEqual(['page', 'sort']);
});
