import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

/** Where systems have it. */
const PATHS = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];

/** The system's Chromium, or the one that `POSTHORN_TEST_CHROMIUM` names; null: there is none. */
export const chromiumPath =
  process.env.POSTHORN_TEST_CHROMIUM ?? PATHS.find((path) => existsSync(path)) ?? null;

if (chromiumPath === null) {
  process.stderr.write(
    'No Chromium here: the tests of the console in a browser are left out. Install the package chromium, or set POSTHORN_TEST_CHROMIUM.\n',
  );
}

/** The sandbox takes rights that containers and root do not have; the pages are our own. */
const ARGUMENTS = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--disable-extensions'];

export function launchChromium(): Promise<Browser> {
  if (chromiumPath === null) throw new Error('There is no Chromium.');
  return chromium.launch({ executablePath: chromiumPath, args: ARGUMENTS });
}
