import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { COMPANY_TOKEN, OPERATOR_KEY } from '../helpers/app.ts';
import { chromiumPath } from './chromium.ts';
import { type Console, startConsole } from './console.ts';

/** Signing in and out in a browser. What the server makes of it is in test/api/console-sessions.test.ts. */

let console_: Console;

describe.skipIf(chromiumPath === null)('signing in', () => {
  beforeAll(async () => {
    console_ = await startConsole();
  });
  afterAll(() => console_?.close());
  afterEach(async () => expect(await console_.finish()).toEqual([]));

  it('with a key leads to the web hooks of the company, and to where one wanted to go', async () => {
    const page = await console_.open('/app/1/hooks/new', { as: null });
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await page.getByLabel('Key', { exact: true }).fill('not a key at all');
    await page.keyboard.press('Enter');
    await page.getByText('No such key').waitFor();
    await page.getByLabel('Key', { exact: true }).fill(` ${COMPANY_TOKEN} `);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Add web hook' }).waitFor();
    expect(new URL(page.url()).pathname).toBe('/console/app/1/hooks/new');
    await page.goto(`${console_.url}/`);
    await page.getByRole('heading', { name: 'Web Hooks', level: 1 }).waitFor();
    expect(await page.title()).toBe('Web Hooks - Company 1 - Posthorn');
  });

  it('speaks to an operator in the words of operators', async () => {
    const page = await console_.open('/', { as: null });
    await page.getByLabel('Key', { exact: true }).fill(OPERATOR_KEY);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Endpoints', level: 1 }).waitFor();
    await page.getByRole('combobox', { name: 'Application: Company 1' }).waitFor();
  });

  it('by a link leaves no code in address or history, works once, and then says where to get a new one', async () => {
    const link = await console_.link();
    const code = new URL(link).hash;
    const page = await console_.open('/sign-in', { as: null });
    await page.goto(link);
    await page.reload();
    await page.getByRole('heading', { name: 'Web Hooks', level: 1 }).waitFor();
    expect(page.url()).not.toContain('code');
    await page.goBack();
    await page.goForward();
    await page.getByRole('heading', { name: 'Web Hooks', level: 1 }).waitFor();
    expect(page.url()).not.toContain(code);

    const other = await console_.open('/sign-in', { as: null });
    await other.goto(`${console_.url}/${code}`);
    await other.reload();
    await other.getByRole('heading', { name: 'Sign in' }).waitFor();
    await other.goto('about:blank');
    await other.goto(`${console_.url}/${code}`);
    await other.getByRole('heading', { name: 'This link has expired' }).waitFor();
    await other.getByText('from your help desk again').waitFor();
  });

  it('by a link that only reads shows no control that changes anything', async () => {
    await console_.app.hooks('POST', '/web_hooks.json', { web_hook: { url: 'https://example.com/read' } });
    const page = await console_.open('/app/1/hooks', { as: 'reader' });
    await page.getByText('Read only').waitFor();
    const row = page.getByRole('row', { name: /example\.com/ });
    await row.waitFor();
    expect(await page.getByRole('switch').count()).toBe(0);
    expect(await page.getByRole('button', { name: /^More for/ }).count()).toBe(0);
    expect(await page.getByRole('link', { name: 'Add web hook' }).count()).toBe(0);
    await row.getByRole('link').click();
    await page.getByRole('link', { name: 'Attempts' }).waitFor();
    expect(await page.getByRole('link', { name: /^(Secret|Settings)$/ }).count()).toBe(0);
    await page.goto(page.url().replace(/overview$/, 'settings'));
    await page.getByText('There is nothing here').waitFor();
  });

  it('shows the same page for what is not there and for what is another company’s', async () => {
    const { body: other } = await console_.app.operate('POST', '/api/v1/app', { name: 'Other' });
    const { body: hook } = await console_.app.operate('POST', `/api/v1/app/${other.id}/endpoint`, {
      url: 'https://example.com/other',
    });
    const page = await console_.open(`/app/1/hooks/${hook.id}/overview`);
    await page.getByText('There is nothing here').waitFor();
    await page.goto(`${console_.url}/app/${other.id}/hooks`);
    await page.getByText('There is nothing here').waitFor();
    expect(await page.content()).not.toContain('example.com/other');
  });
});

describe.skipIf(chromiumPath === null)('signing out', () => {
  beforeAll(async () => {
    console_ = await startConsole();
  });
  afterAll(() => console_?.close());
  afterEach(async () => expect(await console_.finish()).toEqual([]));

  it('leads to the sign-in page, and back leads nowhere', async () => {
    const page = await console_.open('/app/1/hooks');
    await page.getByRole('heading', { name: 'Web Hooks', level: 1 }).waitFor();
    await page.getByRole('button', { name: 'Account' }).click();
    await page.getByRole('menuitem', { name: 'Sign out', exact: true }).click();
    await page.getByText('You are signed out.').waitFor();
    await page.goto(`${console_.url}/app/1/hooks`);
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  });

  it('everywhere ends another browser within seconds, without a word from it', async () => {
    const [one, other] = [
      await console_.open('/app/1/hooks'),
      await console_.open('/app/1/hooks', { as: 'reader' }),
    ];
    for (const page of [one, other])
      await page.getByRole('heading', { name: 'Web Hooks', level: 1 }).waitFor();
    await one.getByRole('button', { name: 'Account' }).click();
    await one.getByRole('menuitem', { name: /^Sign out everywhere/ }).click();
    await one.getByRole('button', { name: 'Sign out everywhere' }).click();
    await one.getByText('You are signed out.').waitFor();
    await other.getByText('Your session has ended.').waitFor({ timeout: 5_000 });
  });
});

describe.skipIf(chromiumPath === null)('the frame', () => {
  beforeAll(async () => {
    console_ = await startConsole();
  });
  afterAll(() => console_?.close());
  afterEach(async () => expect(await console_.finish()).toEqual([]));

  it('keeps the theme that was chosen, before anything is painted', async () => {
    const page = await console_.open('/app/1/hooks');
    await page.getByRole('button', { name: 'Account' }).click();
    await page.getByRole('menuitemradio', { name: 'Dark' }).click();
    expect(await page.locator('html').getAttribute('data-theme')).toBe('dark');
    await page.route('**/assets/*.js', (route) =>
      route.request().url().endsWith('/theme.js') ? route.continue() : route.abort(),
    );
    await page.goto(page.url(), { waitUntil: 'domcontentloaded' });
    expect(await page.locator('html').getAttribute('data-theme')).toBe('dark');
    // The page could not load its script: that is what was asked for here.
    console_.forgive();
  });

  it('is used by keys, which a field takes for itself and a person can turn off', async () => {
    const page = await console_.open('/app/1/hooks');
    await page.getByText('No web hooks yet').waitFor();
    await page.keyboard.press('n');
    await page.getByRole('heading', { name: 'Add web hook' }).waitFor();
    expect(await page.evaluate('document.activeElement.tagName')).toBe('H1');
    await page.getByLabel('URL').pressSequentially('gh?n');
    expect(await page.getByLabel('URL').inputValue()).toBe('gh?n');
    await page.getByLabel('URL').fill('');
    await page.getByRole('heading', { name: 'Add web hook' }).click();
    await page.keyboard.press('g');
    await page.keyboard.press('h');
    await page.getByText('No web hooks yet').waitFor();
    await page.keyboard.press('?');
    await page.getByRole('dialog').getByText('Go to Web Hooks').waitFor();
    await page.getByRole('checkbox', { name: /^Single keys/ }).uncheck();
    await page.keyboard.press('Escape');
    await page.keyboard.press('n');
    await page.keyboard.press('?');
    expect(await page.getByRole('dialog').count()).toBe(0);
    await page.getByText('No web hooks yet').waitFor();
  });

  it('says what it ignored of an address', async () => {
    const page = await console_.open('/app/1/hooks?status=5xx&q=a');
    await page.getByText('Unknown here: status.').waitFor();
  });

  it('stays in use when the server cannot be reached, and says so', async () => {
    await console_.app.hooks('POST', '/web_hooks.json', { web_hook: { url: 'https://example.com/kept' } });
    const page = await console_.open('/app/1/hooks');
    await page.getByRole('row', { name: /example\.com/ }).waitFor();
    await page.route('**/console/api/**', (route) => route.abort());
    await page.getByRole('switch').click();
    await page.getByText('The server could not be reached.').first().waitFor();
    await page.getByRole('row', { name: /example\.com/ }).waitFor();
  });
});
