import type { Page } from 'playwright-core';
import type { OpenOptions } from './console.ts';
import type { Scene } from './scene.ts';

/** A page in a state worth looking at: the test of accessibility visits each, and so does `npm run screenshots`. */
export interface Shown {
  readonly name: string;
  readonly as?: OpenOptions['as'];
  path(scene: Scene): string;
  /** Resolves when all is there. */
  ready(page: Page): Promise<unknown>;
}

const heading = (name: string) => (page: Page) => page.getByRole('heading', { level: 1, name }).waitFor();
const text = (content: string) => (page: Page) => page.getByText(content).first().waitFor();

/** Every page, and every state of it that looks different. Whoever adds a page adds it here. */
export const SHOWN: readonly Shown[] = [
  { name: 'sign-in', as: null, path: () => '/sign-in', ready: heading('Sign in') },
  {
    name: 'sign-in-link-expired',
    as: null,
    path: () => '/#code=phc_000000000000000000000000000000000',
    ready: heading('This link has expired'),
  },
  { name: 'hooks', path: () => '/app/1/hooks', ready: (page) => page.getByText('100 %').waitFor() },
  { name: 'hooks-operator', as: 'operator', path: () => '/app/1/hooks', ready: heading('Endpoints') },
  { name: 'hooks-read-only', as: 'reader', path: () => '/app/1/hooks', ready: text('Read only') },
  { name: 'hooks-filtered-empty', path: () => '/app/1/hooks?q=nowhere', ready: text('Nothing matches') },
  {
    name: 'hooks-delete-asked',
    path: () => '/app/1/hooks',
    async ready(page) {
      const row = page.getByRole('row', { name: /reports/ });
      await row.getByText('held').waitFor();
      await row.getByRole('button', { name: /^More for/ }).click();
      await page.getByRole('menuitem', { name: 'Delete' }).click();
      await page.getByRole('alertdialog').waitFor();
    },
  },
  {
    name: 'keys',
    path: () => '/app/1/hooks',
    async ready(page) {
      await page.getByRole('row', { name: /tickets/ }).waitFor();
      await page.keyboard.press('?');
      await page.getByRole('dialog').waitFor();
    },
  },
  {
    name: 'account-menu',
    path: () => '/app/1/hooks',
    async ready(page) {
      await page.getByRole('button', { name: 'Account' }).click();
      await page.getByRole('menu').waitFor();
    },
  },
  {
    name: 'application-switcher',
    as: 'operator',
    path: () => '/app/1/hooks',
    async ready(page) {
      await page.getByRole('combobox', { name: /^Application/ }).click();
      await page.getByRole('option', { name: /Company 1/ }).waitFor();
    },
  },
  { name: 'hook-new', path: () => '/app/1/hooks/new', ready: heading('Add web hook') },
  {
    name: 'hook-new-refused',
    path: () => '/app/1/hooks/new',
    async ready(page) {
      await page.getByLabel('URL').fill('http://10.0.0.1/hooks');
      await page.getByRole('checkbox', { name: /^All actions/ }).uncheck();
      await page.getByRole('checkbox', { name: 'ticket.created' }).check();
      await page.getByText('Headers, limits and retries').click();
      await page.getByRole('button', { name: 'Add web hook' }).click();
      await page.getByRole('alert').waitFor();
    },
  },
  {
    name: 'hook-overview',
    path: ({ hooks }) => `/app/1/hooks/${hooks.failing}/overview`,
    ready: text('How it is delivered to'),
  },
  {
    name: 'hook-overview-paused',
    path: ({ hooks }) => `/app/1/hooks/${hooks.paused}/overview`,
    ready: text('Paused:'),
  },
  {
    name: 'hook-attempts',
    path: ({ hooks }) => `/app/1/hooks/${hooks.failing}/attempts`,
    ready: (page) => page.getByRole('table', { name: 'Attempts' }).waitFor(),
  },
  {
    name: 'hook-secret',
    path: ({ hooks }) => `/app/1/hooks/${hooks.healthy}/secret`,
    ready: text('Verify a request'),
  },
  {
    name: 'hook-settings',
    path: ({ hooks }) => `/app/1/hooks/${hooks.failing}/settings`,
    ready: (page) => page.getByRole('button', { name: 'Save changes' }).waitFor(),
  },
  { name: 'not-there', path: () => '/app/1/hooks/ep_unknown/overview', ready: text('There is nothing here') },
];
