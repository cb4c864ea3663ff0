import type { Browser, BrowserContext, Page } from 'playwright-core';
import { COMPANY_TOKEN, OPERATOR_KEY, startTestApp, type TestApp } from '../helpers/app.ts';
import { launchChromium } from './chromium.ts';

export const SIZES = {
  desktop: { width: 1280, height: 900 },
  phone: { width: 390, height: 844 },
} as const;
export type Size = keyof typeof SIZES;
export type Theme = 'light' | 'dark';

export interface OpenOptions {
  size?: Size;
  theme?: Theme;
  /** Who is signed in; null: nobody. The company when left out. */
  as?: 'company' | 'operator' | 'reader' | null;
}

/** A server and a browser at its console. */
export interface Console {
  readonly app: TestApp;
  readonly browser: Browser;
  /** `http://127.0.0.1:port/console` */
  readonly url: string;
  /** A browser of its own, with its own cookies, at a path of the console: `/app/1/hooks`. */
  open(path: string, options?: OpenOptions): Promise<Page>;
  /** The address of a new link for company 1. */
  link(body?: object): Promise<string>;
  /**
   * To be called after each test: closes its browsers, and returns what no page may do, and did: break the policy, fail in a script,
   * call another host.
   */
  finish(): Promise<readonly string[]>;
  /** What happened so far was meant to: a test that breaks something on purpose. */
  forgive(): void;
  close(): Promise<void>;
}

const KEYS = { company: COMPANY_TOKEN, operator: OPERATOR_KEY };

export async function startConsole(env: Record<string, string> = {}): Promise<Console> {
  const [app, browser] = await Promise.all([startTestApp(env), launchChromium()]);
  const faults: string[] = [];
  const url = `${app.url}/console`;
  const link = async (body: object = {}) =>
    (await app.operate('POST', '/api/v1/auth/app-portal-access/1', body)).body.url as string;

  const open = async (
    path: string,
    { size = 'desktop', theme = 'light', as = 'company' }: OpenOptions = {},
  ) => {
    const context = await browser.newContext({
      viewport: SIZES[size],
      colorScheme: theme,
      reducedMotion: 'reduce',
      locale: 'en-GB',
      timezoneId: 'Europe/Berlin',
      hasTouch: size === 'phone',
      deviceScaleFactor: size === 'phone' ? 2 : 1,
    });
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await watch(context, app.url, faults);
    const page = await context.newPage();
    if (as !== null)
      await signIn(
        page,
        as === 'reader' ? { code: codeOf(await link({ readOnly: true })) } : { key: KEYS[as] },
        url,
      );
    await page.goto(`${url}${path}`);
    return page;
  };
  return {
    app,
    browser,
    url,
    open,
    link,
    async finish() {
      await Promise.all(browser.contexts().map((context) => context.close()));
      return faults.splice(0);
    },
    forgive: () => void faults.splice(0),
    async close() {
      await browser.close();
      await app.dispose();
    },
  };
}

function codeOf(link: string): string {
  return new URLSearchParams(new URL(link).hash.slice(1)).get('code') ?? '';
}

/** As the sign-in page does it, without the page. */
async function signIn(page: Page, body: object, url: string): Promise<void> {
  const answer = await page.request.post(`${url}/session`, {
    data: body,
    headers: { origin: new URL(url).origin, 'x-posthorn-console': '1' },
  });
  if (!answer.ok()) throw new Error(`Signing in was answered ${answer.status()}.`);
}

async function watch(context: BrowserContext, origin: string, faults: string[]): Promise<void> {
  await context.exposeBinding('posthornFault', (_source, text: string) => void faults.push(text));
  await context.addInitScript(() => {
    const tell = (globalThis as unknown as { posthornFault(text: string): void }).posthornFault;
    // In the page, which has what Node.js has not.
    const { document } = globalThis as unknown as { document: EventTarget };
    document.addEventListener('securitypolicyviolation', (event) => {
      const { violatedDirective, blockedURI, sample } = event as unknown as Record<string, string>;
      tell(`policy: ${violatedDirective} ${blockedURI} ${sample}`);
    });
  });
  context.on(
    'weberror',
    (error) => void faults.push(`script: ${error.error().stack ?? error.error().message}`),
  );
  context.on('console', (message) => {
    // What a call is answered with, 401 for one, is the page's to handle.
    if (message.type() !== 'error' || message.text().startsWith('Failed to load resource')) return;
    faults.push(`console: ${message.text()}`);
  });
  context.on('request', (request) => {
    if (!request.url().startsWith(origin)) faults.push(`another host: ${request.url()}`);
  });
}
