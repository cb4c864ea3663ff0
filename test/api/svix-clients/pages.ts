import { expect } from 'vitest';

interface Page<Item> {
  readonly data: Item[];
  readonly iterator?: string | null;
  readonly prevIterator?: string | null;
  readonly done: boolean;
}

/**
 * All items of a list, read page by page to its end; then the pages are walked back from the last to the first, and must
 * show the same. `size` is the limit that `page` asks with: every page but the last is full.
 */
export async function bothWays<Item>(
  size: number,
  page: (iterator: string | null) => Promise<Page<Item>>,
): Promise<Item[]> {
  const forth: Page<Item>[] = [await page(null)];
  for (let last = forth[0] as Page<Item>; !last.done; forth.push(last)) {
    expect(last.data).toHaveLength(size);
    expect(last.iterator).toEqual(expect.any(String));
    last = await page(last.iterator as string);
  }
  expect(forth.at(-1)?.data.length).toBeLessThanOrEqual(size);

  let back: Item[] = [];
  let at = forth.at(-1) as Page<Item>;
  for (let steps = 1; steps < forth.length; steps++) {
    expect(at.prevIterator).toMatch(/^-./);
    at = await page(at.prevIterator as string);
    back = [...at.data, ...back];
  }
  expect(back).toEqual(forth.slice(0, -1).flatMap(({ data }) => data));
  return forth.flatMap(({ data }) => data);
}
