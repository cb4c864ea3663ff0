import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../helpers/app.ts';

/** What the server sends of the console, without a browser. */

const isBuilt = existsSync(new URL('../../console/dist/index.html', import.meta.url));

let app: Awaited<ReturnType<typeof startTestApp>>;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.dispose());

const get = (path: string, headers: Record<string, string> = {}, at: TestApp = app) =>
  fetch(`${at.url}${path}`, { headers, redirect: 'manual' });

it('is where / leads', async () => {
  const answer = await get('/');
  expect([answer.status, answer.headers.get('location')]).toEqual([307, 'console/']);
  const home = await get('/console');
  expect([home.status, home.headers.get('location')]).toEqual([308, '/console/']);
});

describe.skipIf(!isBuilt)('the pages of the console', () => {
  it.each(['/console/', '/console/app/1/hooks', '/console/app/1/hooks/ep_1/attempts?status=5xx'])(
    '%s is the page, under a strict policy',
    async (path) => {
      const page = await get(path);
      expect(page.status).toBe(200);
      expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
      expect(page.headers.get('cache-control')).toBe('no-cache');
      expect(page.headers.get('x-content-type-options')).toBe('nosniff');
      expect(page.headers.get('referrer-policy')).toBe('no-referrer');
      const policy = page.headers.get('content-security-policy') ?? '';
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toMatch(/https?:|\*|unsafe|data:/);
      const text = await page.text();
      expect(text).not.toMatch(/https?:\/\//);
      expect(text).not.toMatch(/<script(?![^>]* src=)|<style| style=/);
    },
  );

  it('name files that are compressed, and stay in the cache when their names say what is in them', async () => {
    const html = await (await get('/console/')).text();
    const files = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link as string);
    expect(files.length).toBeGreaterThan(3);
    for (const file of files) {
      expect(file).toMatch(/^\/console\/assets\//);
      for (const [accepted, encoding] of [
        ['br, gzip', 'br'],
        ['gzip', 'gzip'],
        ['identity', null],
      ] as const) {
        const answer = await get(file, { 'accept-encoding': accepted });
        expect([file, answer.status, answer.headers.get('content-encoding')]).toEqual([file, 200, encoding]);
        expect(answer.headers.get('vary')?.toLowerCase() ?? '').toContain('accept-encoding');
        const isHashed = /-[\w-]{8}\.\w+$/.test(file);
        expect([file, answer.headers.get('cache-control')]).toEqual([
          file,
          isHashed ? 'public, max-age=31536000, immutable' : 'no-cache',
        ]);
        await answer.arrayBuffer();
      }
    }
  });

  it.each(['/console/assets/nothing.js', '/console/assets/..%2findex.html', '/console/assets/..%2f.stamp'])(
    'have no file %s',
    async (path) => {
      const answer = await get(path);
      expect([path, answer.status]).toEqual([path, expect.toBeOneOf([400, 403, 404])]);
    },
  );

  it('are below the path of the public address', async () => {
    const below = await startTestApp({ POSTHORN_PUBLIC_URL: 'https://example.com/hooks' });
    const html = await (await get('/console/', {}, below)).text();
    expect(html).toContain('src="/hooks/console/assets/');
    expect(html).not.toContain('"/console/');
    const signedIn = await fetch(`${below.url}/console/session`, {
      method: 'POST',
      headers: { origin: 'https://example.com', 'x-posthorn-console': '1' },
      body: JSON.stringify({ key: 'operator-key-of-the-tests' }),
    });
    expect(signedIn.headers.get('set-cookie')).toMatch(
      /; Path=\/hooks\/console; .*; SameSite=Strict; Secure$/,
    );
    await below.dispose();
  });
});
