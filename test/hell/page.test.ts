import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { withTables } from './page.ts';
import { receivers } from './receivers.ts';

const root = join(import.meta.dirname, '../..');

it('docs/reliability.md has the receivers as they are (npm run hell -- --docs)', () => {
  const page = readFileSync(join(root, 'docs/reliability.md'), 'utf8');
  expect(withTables(page)).toBe(page);
});

it('each receiver has a name of its own, which can be that of a host', () => {
  const names = receivers.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) expect(name).toMatch(/^[a-z][a-z0-9.-]+[a-z0-9]$/);
});

it('npm run hell says what it can do, and what it can not', () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, ['test/hell/main.ts', ...args], { cwd: root, encoding: 'utf8' });
  expect(run('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('npm run hell') });
  expect(run('--port', 'x')).toMatchObject({ status: 2, stderr: expect.stringContaining('--port') });
});
