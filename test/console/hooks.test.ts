import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { chromiumPath } from './chromium.ts';
import { type Console, startConsole } from './console.ts';
import { SCENE_ENV, type Scene, setScene } from './scene.ts';

/** The list of web hooks, and adding, changing and deleting one. */

let console_: Console;
let scene: Scene;

describe.skipIf(chromiumPath === null)('web hooks', () => {
  beforeAll(async () => {
    console_ = await startConsole(SCENE_ENV);
    scene = await setScene(console_);
  });
  afterAll(async () => {
    await console_?.close();
    await scene?.close();
  });
  afterEach(async () => expect(await console_.finish()).toEqual([]));

  const hookOf = async (id: string) =>
    (await console_.app.operate('GET', `/api/v1/app/1/endpoint/${id}`)).body;

  it('are listed with their state, success and what waits', async () => {
    const page = await console_.open('/app/1/hooks');
    await page.getByText('4 web hooks, 1 failing, 1 paused, 1 disabled').waitFor();
    const row = (name: RegExp) => page.getByRole('row', { name });
    await row(/hooks\/tickets.*Healthy.*100 %/).waitFor();
    await row(/down.*Failing.*0 %.*503.*8/).waitFor();
    await row(/reports.*Paused.*No attempts.*4 held/).waitFor();
    await row(/archive.*Disabled.*8 held/).waitFor();
  });

  it('are filtered by what is in the address, which a link can be copied from', async () => {
    const page = await console_.open('/app/1/hooks');
    await page.getByRole('row', { name: /tickets/ }).waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('CRM');
    await page.getByLabel('State').selectOption('Failing');
    await expect.poll(() => page.getByRole('row').count()).toBe(2);
    await expect.poll(() => new URL(page.url()).search).toBe('?q=CRM&state=failing');
    const other = await console_.open(`/app/1/hooks${new URL(page.url()).search}`);
    await other.getByRole('row', { name: /down/ }).waitFor();
    expect(await other.getByRole('row').count()).toBe(2);
    await other.getByLabel('State').selectOption('Paused');
    await other.getByText('Nothing matches paused and “CRM”').waitFor();
    await other.getByRole('button', { name: 'Clear filters' }).click();
    await expect.poll(() => other.getByRole('row').count()).toBe(5);
  });

  it('are enabled and disabled by a switch, paused and resumed by the menu', async () => {
    const page = await console_.open('/app/1/hooks');
    const row = page.getByRole('row', { name: /tickets/ });
    await row.getByRole('switch').click();
    await row.getByText('Disabled').waitFor();
    expect((await hookOf(scene.hooks.healthy)).disabled).toBe(true);
    await row.getByRole('switch').click();
    await row.getByText('Healthy').waitFor();
    await row.getByRole('button', { name: /^More for/ }).click();
    await page.getByRole('menuitem', { name: 'Pause' }).click();
    await row.getByText('Paused').waitFor();
    expect((await hookOf(scene.hooks.healthy)).paused).toBe(true);
    await row.getByRole('button', { name: /^More for/ }).click();
    await page.getByRole('menuitem', { name: 'Resume' }).click();
    await row.getByText('Healthy').waitFor();
  });

  it('with something waiting are deleted only after the numbers were read', async () => {
    const page = await console_.open('/app/1/hooks');
    const row = page.getByRole('row', { name: /reports.*4 held/ });
    await row.getByRole('button', { name: /^More for/ }).click();
    await page.getByRole('menuitem', { name: 'Delete' }).click();
    await page.getByRole('alertdialog').getByText('4 deliveries wait', { exact: false }).waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await row.waitFor();
    expect((await hookOf(scene.hooks.paused)).id).toBe(scene.hooks.paused);
  });

  it('with nothing waiting are hidden at once, and come back by Undo', async () => {
    const { body } = await console_.app.operate('POST', '/api/v1/app/1/endpoint', {
      url: 'https://example.com/undo',
      eventTypes: ['ticket.spammed'],
    });
    const page = await console_.open('/app/1/hooks');
    const row = page.getByRole('row', { name: /undo.*No attempts/ });
    const remove = async () => {
      await row.getByRole('button', { name: /^More for/ }).click();
      await page.getByRole('menuitem', { name: 'Delete' }).click();
      await row.waitFor({ state: 'hidden' });
    };
    await remove();
    await page.getByRole('button', { name: 'Undo' }).click();
    await row.waitFor();
    expect((await hookOf(body.id)).id).toBe(body.id);
    // Who leaves does not take it back.
    await remove();
    await page.goto('about:blank');
    await expect
      .poll(async () => (await console_.app.operate('GET', `/api/v1/app/1/endpoint/${body.id}`)).status)
      .toBe(404);
  });

  it('are added by a form that says what is wrong where it is', async () => {
    const page = await console_.open('/app/1/hooks/new');
    await page.getByLabel('URL').fill('ftp://example.com');
    await page.getByLabel('Description').focus();
    await page.getByText('Begin with https://').waitFor();
    // What only the server knows.
    await page.getByLabel('URL').fill('http://10.0.0.1/hooks');
    await page.getByLabel('Description').fill('Made here');
    await page.getByRole('checkbox', { name: /^All actions/ }).uncheck();
    await page.getByRole('checkbox', { name: /^ticket / }).check();
    await page.getByRole('checkbox', { name: 'ticket.trashed' }).uncheck();
    await page.getByText('Headers, limits and retries').click();
    await page.getByRole('button', { name: 'Add header' }).click();
    await page.getByLabel('Name of header 1').fill('Authorization');
    await page.getByLabel('Value of header 1').fill('Bearer hush');
    await page.getByLabel('Deliveries a second').fill('25');
    await page.getByLabel('Retries').selectOption('Waits of my own');
    await page.getByLabel('Waits').fill('5s, 5m, 2h');
    await page.getByText('4 attempts over about 2.1 h').waitFor();
    await page.getByRole('button', { name: 'Add web hook' }).click();
    const summary = page.getByRole('alert');
    await summary.waitFor();
    const [, wrong = ''] = /^URL: (.*)$/.exec(await summary.getByRole('link').innerText()) ?? [];
    expect(wrong).toMatch(/10\.0\.0\.1|private|public/);
    expect(await page.getByLabel('URL').getAttribute('aria-invalid')).toBe('true');
    await page.getByLabel('URL').fill(`${scene.receiver.url}/made`);
    await page.getByRole('button', { name: 'Add web hook' }).click();
    await page.getByRole('link', { name: 'Overview' }).waitFor();
    const id = /ep_\w+/.exec(page.url())?.[0] as string;
    const made = await hookOf(id);
    expect(made).toMatchObject({
      url: `${scene.receiver.url}/made`,
      description: 'Made here',
      throttleRate: 25,
      retrySchedule: { preset: null, delaysSeconds: [5, 300, 7_200] },
    });
    expect(made.eventTypes).toContain('ticket.created');
    expect(made.eventTypes).not.toContain('ticket.trashed');
    const { body: headers } = await console_.app.operate('GET', `/api/v1/app/1/endpoint/${id}/headers`);
    expect(headers).toEqual({ headers: {}, sensitive: ['Authorization'] });
  });

  describe('one of them', () => {
    let id: string;
    beforeEach(async () => {
      const fields = {
        url: `${scene.receiver.url}/one`,
        description: 'Before',
        eventTypes: ['ticket.spammed'],
        headers: { Authorization: 'Bearer hush', 'X-Kept': 'yes' },
      };
      id = (await console_.app.operate('POST', '/api/v1/app/1/endpoint', fields)).body.id;
    });

    it('is changed in its settings, and what is not shown there stays', async () => {
      const page = await console_.open(`/app/1/hooks/${id}/settings`);
      await page.getByLabel('Description').fill('After');
      await page.getByText('Headers, limits and retries').click();
      await page.getByRole('button', { name: 'Remove header x-kept' }).click();
      await page.getByRole('button', { name: 'Save changes' }).click();
      await page.getByText('Web hook changed').waitFor();
      expect(await hookOf(id)).toMatchObject({
        description: 'After',
        eventTypes: ['ticket.spammed'],
        maxInFlight: 32,
      });
      const { body: headers } = await console_.app.operate('GET', `/api/v1/app/1/endpoint/${id}/headers`);
      expect(headers).toEqual({ headers: {}, sensitive: ['Authorization'] });
    });

    it('asks before changes are lost', async () => {
      const page = await console_.open(`/app/1/hooks/${id}/settings`);
      await page.getByLabel('Description').fill('Lost');
      await page.getByRole('link', { name: 'Overview' }).click();
      await page.getByRole('alertdialog').waitFor();
      await page.getByRole('button', { name: 'Stay' }).click();
      expect(await page.getByLabel('Description').inputValue()).toBe('Lost');
      await page.getByRole('link', { name: 'Overview' }).click();
      await page.getByRole('button', { name: 'Leave page' }).click();
      await page.getByRole('heading', { name: 'How it is delivered to' }).waitFor();
      expect((await hookOf(id)).description).toBe('Before');
    });

    it('shows its secret when asked, copies it unseen, and rotates it', async () => {
      const secret = async () =>
        (await console_.app.operate('GET', `/api/v1/app/1/endpoint/${id}/secret`)).body.key as string;
      const old = await secret();
      const page = await console_.open(`/app/1/hooks/${id}/secret`);
      await page.getByRole('button', { name: 'Copy secret' }).click();
      await page.getByRole('button', { name: 'Copied' }).waitFor();
      expect(await page.evaluate('navigator.clipboard.readText()')).toBe(old);
      expect(await page.content()).not.toContain(old);
      await page.getByRole('button', { name: /^Reveal/ }).click();
      await page.getByText(old).waitFor();
      await page.getByRole('button', { name: 'Hide' }).click();
      expect(await page.content()).not.toContain(old);
      await page.getByLabel('Old secret').selectOption('For an hour');
      await page.getByRole('button', { name: /^Rotate secret/ }).click();
      await page.getByRole('alertdialog').getByRole('button', { name: 'Rotate secret' }).click();
      await page.getByText('Secret rotated').waitFor();
      await page.getByText('An old secret signs too, until').waitFor();
      expect(await secret()).not.toBe(old);
    });

    it('shows its attempts, by outcome and answer', async () => {
      const page = await console_.open(`/app/1/hooks/${scene.hooks.failing}/attempts`);
      const table = page.getByRole('table', { name: 'Attempts' });
      await table
        .getByRole('row', { name: /ticket\.created.*Failed.*503/ })
        .first()
        .waitFor();
      expect(await table.getByRole('row').count()).toBe(9);
      await page.getByLabel('Answer').selectOption('2xx');
      await page.getByText('Nothing matches 2xx').waitFor();
      expect(new URL(page.url()).search).toBe('?status=2xx');
      await page.goBack();
      await table.getByRole('row').nth(8).waitFor();
      // The exact time, by the pointer and by focus.
      const time = table.locator('time').first();
      await time.focus();
      await page.getByText(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC$/).waitFor();
    });

    it('shows hostile text as text', async () => {
      const hostile = '<img src=x onerror=alert(1)>\u202Egnp.exe';
      const fields = { url: `${scene.receiver.url}/hostile?<script>alert(1)</script>`, description: hostile };
      const { body } = await console_.app.operate('POST', '/api/v1/app/1/endpoint', fields);
      const page = await console_.open(`/app/1/hooks/${body.id}/overview`);
      await page.getByText('<img src=x onerror=alert(1)>\\u202egnp.exe').waitFor();
      expect(await page.locator('main img, main script').count()).toBe(0);
      await page.goto(`${console_.url}/app/1/hooks`);
      await page.getByText('\\u202egnp.exe').waitFor();
      await console_.app.operate('DELETE', `/api/v1/app/1/endpoint/${body.id}`);
    });
  });
});
