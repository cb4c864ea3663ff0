import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { chromiumPath } from './chromium.ts';
import { type Console, SIZES, startConsole } from './console.ts';
import type { Shown } from './pages.ts';
import { SCENE_ENV, type Scene, setScene } from './scene.ts';

/** WCAG 2.2, A and AA, as far as axe sees it. */

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
/** The narrowest that pages must fit: 1280 px at a zoom of 400 %. */
const NARROW = 320;

/** What can be wrong in other colours, and in another size, of what has no fault in the first: the page is the same. */
const COLOURS = ['color-contrast'];
const LAYOUT = [...COLOURS, 'target-size', 'scrollable-region-focusable', 'link-in-text-block'];

/**
 * Visits pages of pages.ts in light and dark, as a desktop and a phone show them. Several files do so with a part each, side by
 * side: it is most of the time that the tests of the console take.
 */
export function visitPages(pages: readonly Shown[]): void {
  let console_: Console;
  let scene: Scene;

  describe.skipIf(chromiumPath === null)('is accessible:', () => {
    beforeAll(async () => {
      console_ = await startConsole(SCENE_ENV);
      scene = await setScene(console_);
    });
    afterAll(async () => {
      await console_?.close();
      await scene?.close();
    });
    afterEach(async () => expect(await console_.finish()).toEqual([]));

    it.each(pages.map((shown) => [shown.name, shown] as const))('%s', async (_name, shown) => {
      const { as, path, ready } = shown;
      const page = await console_.open(path(scene), { ...(as !== undefined && { as }) });
      await ready(page);
      const inDark = async () => {
        await page.emulateMedia({ colorScheme: 'dark' });
        expect(await violations(page, COLOURS)).toEqual([]);
      };
      expect(await violations(page)).toEqual([]);
      await inDark();
      await page.setViewportSize(SIZES.phone);
      await page.emulateMedia({ colorScheme: 'light' });
      expect(await violations(page, LAYOUT)).toEqual([]);
      await inDark();
      await page.setViewportSize({ width: NARROW, height: 700 });
      // What floats finds its new place a frame later.
      await expect.poll(() => sideways(page)).toBe(0);
    });
  });
}

/** What is wrong, in lines that say where. */
async function violations(page: Page, rules?: string[]): Promise<string[]> {
  const axe = new AxeBuilder({ page }).setLegacyMode(true);
  const runOnly = rules ? { type: 'rule', values: rules } : { type: 'tag', values: TAGS };
  // It need not describe what is right.
  const found = await axe
    .options({ runOnly, resultTypes: ['violations'] } as Parameters<AxeBuilder['options']>[0])
    .analyze();
  return found.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')}: ${failureSummary}`),
  );
}

/** By how many pixels the page is wider than what is seen of it. */
async function sideways(page: Page): Promise<number> {
  return page.evaluate(() => {
    const root = (
      globalThis as unknown as { document: { documentElement: { scrollWidth: number; clientWidth: number } } }
    ).document.documentElement;
    return root.scrollWidth - root.clientWidth;
  });
}
