import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { chromiumPath } from './chromium.ts';
import { type Console, SIZES, type Size, startConsole } from './console.ts';
import { SHOWN, type Shown } from './pages.ts';
import { SCENE_ENV, type Scene, setScene } from './scene.ts';

/** WCAG 2.2, A and AA, as far as axe sees it. */

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
/** The narrowest that pages must fit: 1280 px at a zoom of 400 %. */
const NARROW = 320;

/**
 * Visits every page of pages.ts in light and dark. A file for each size calls it, so that they run side by side: it is most of the
 * time that the tests of the console take.
 */
export function visitPages(size: Size): void {
  let console_: Console;
  let scene: Scene;
  /** A browser that is signed in once for all of its pages. */
  const browsers = new Map<Shown['as'], Page>();

  async function opened({ as = 'company', path, ready }: Shown): Promise<Page> {
    const page = browsers.get(as) ?? (await console_.open('/assets/icon.svg', { size, as }));
    browsers.set(as, page);
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize(SIZES[size]);
    await page.goto(`${console_.url}${path(scene)}`);
    await ready(page);
    return page;
  }

  describe.skipIf(chromiumPath === null)(`on a ${size}`, () => {
    beforeAll(async () => {
      console_ = await startConsole(SCENE_ENV);
      scene = await setScene(console_);
    });
    afterAll(async () => {
      await console_?.close();
      await scene?.close();
    });
    afterEach(() => expect(console_.faults.splice(0)).toEqual([]));

    it.each(SHOWN.map((shown) => [shown.name, shown] as const))('%s is accessible', async (_name, shown) => {
      const page = await opened(shown);
      expect(await violations(page)).toEqual([]);
      // The same page in other colours: only those can be wrong.
      await page.emulateMedia({ colorScheme: 'dark' });
      expect(await violations(page, ['color-contrast'])).toEqual([]);
      if (size === 'phone') expect(await sidewaysAt(page, NARROW)).toBe(0);
      // An address of the same document would not load it anew.
      await page.goto('about:blank');
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
async function sidewaysAt(page: Page, width: number): Promise<number> {
  await page.setViewportSize({ width, height: 700 });
  return page.evaluate(() => {
    const root = (
      globalThis as unknown as { document: { documentElement: { scrollWidth: number; clientWidth: number } } }
    ).document.documentElement;
    return root.scrollWidth - root.clientWidth;
  });
}
