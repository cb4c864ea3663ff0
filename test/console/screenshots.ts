// `npm run screenshots`: every page of the console in light and dark, on a desktop and on a phone, into a folder beside the
// repository's files that git does not know (`screenshots/`), or into the one that is named: `npm run screenshots -- /tmp/shots`.
// With further names, only those pages: `npm run screenshots -- /tmp/shots hooks hook-overview`.

import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { SIZES, type Size, startConsole, type Theme } from './console.ts';
import { SHOWN } from './pages.ts';
import { SCENE_ENV, setScene } from './scene.ts';

const [given, ...names] = process.argv.slice(2);
const folder = given === undefined ? join(import.meta.dirname, '../../screenshots') : resolve(given);
mkdirSync(folder, { recursive: true });

const console_ = await startConsole(SCENE_ENV);
const scene = await setScene(console_);
const faults: string[] = [];
let taken = 0;
try {
  for (const { name, as, path, ready } of SHOWN) {
    if (names.length > 0 && !names.includes(name)) continue;
    for (const size of Object.keys(SIZES) as Size[]) {
      for (const theme of ['light', 'dark'] as Theme[]) {
        const page = await console_.open(path(scene), { size, theme, ...(as !== undefined && { as }) });
        await ready(page);
        // As tall as the page, so that what stands at its bottom is there in the picture.
        const height = await page.evaluate('document.documentElement.scrollHeight');
        await page.setViewportSize({ width: SIZES[size].width, height: Number(height) });
        await page.screenshot({ path: join(folder, `${name}-${size}-${theme}.png`) });
        faults.push(...(await console_.finish()));
        taken += 1;
      }
    }
  }
} finally {
  await console_.close();
  await scene.close();
}
for (const fault of faults) process.stderr.write(`${fault}\n`);
process.stdout.write(`${taken} screenshots in ${folder}\n`);
if (faults.length > 0) process.exitCode = 1;
