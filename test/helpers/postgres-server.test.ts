import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

const SERVER = JSON.stringify(new URL('./postgres-server.ts', import.meta.url).href);

/** Runs a program with `startPostgres` in it, and returns what it leaves in the folder for temporary files. */
function leftBehindBy(program: string) {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-left-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  // The server may run as another user.
  chmodSync(folder, 0o755);
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', `import { startPostgres } from ${SERVER};\n${program}`],
    { env: { ...process.env, TMPDIR: folder }, encoding: 'utf8' },
  );
  return { status, stderr, left: readdirSync(folder) };
}

test('a PostgreSQL that does not start leaves no folder behind', () => {
  const { status, stderr, left } = leftBehindBy("await startPostgres({ settings: ['no_such_setting=1'] });");
  expect([status, left]).toEqual([1, []]);
  expect(stderr).toContain('no_such_setting');
}, 60_000);

test('a process that ends without disposing of its PostgreSQL leaves no folder behind', () => {
  const { status, stderr, left } = leftBehindBy("await startPostgres();\nthrow new Error('something else');");
  expect([status, left]).toEqual([1, []]);
  expect(stderr).toContain('something else');
}, 60_000);
