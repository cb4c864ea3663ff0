import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { chromiumPath } from './chromium.ts';
import { type Console, type Size, startConsole } from './console.ts';
import { SHOWN, type Shown } from './pages.ts';
import { SCENE_ENV, type Scene, setScene } from './scene.ts';

/** Every page of pages.ts in light and dark, on a desktop and on a phone: WCAG 2.2 A and AA as far as axe sees it. */

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
/** The narrowest that pages must fit: 1280 px at a zoom of 400 %. */
const NARROW = 320;

let console_: Console;
let scene: Scene;

describe.skipIf(chromiumPath === null)('pages are accessible', () => {
  beforeAll(async () => {
    console_ = await startConsole(SCENE_ENV);
    scene = await setScene(console_);
  });
  afterAll(async () => {
    await console_?.close();
    await scene?.close();
  });
  afterEach(() => expect(console_.faults.splice(0)).toEqual([]));

  it.each(
    SHOWN.flatMap((shown) =>
      (['desktop', 'phone'] as const).map((size) => [shown.name, size, shown] as const),
    ),
  )('%s on a %s', async (_name, size, shown) => {
    const page = await opened(shown, size);
    expect(await violations(page)).toEqual([]);
    // The same page in other colours: only those can be wrong.
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await violations(page, ['color-contrast'])).toEqual([]);
    if (size === 'phone') expect(await sidewaysAt(page, NARROW)).toBe(0);
    await page.context().close();
  });
});

async function opened({ as, path, ready }: Shown, size: Size): Promise<Page> {
  const page = await console_.open(path(scene), { size, ...(as !== undefined && { as }) });
  await ready(page);
  return page;
}

/** What is wrong, in lines that say where. */
async function violations(page: Page, rules?: string[]): Promise<string[]> {
  const axe = new AxeBuilder({ page }).setLegacyMode(true);
  const found = await (rules ? axe.withRules(rules) : axe.withTags(TAGS)).analyze();
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
