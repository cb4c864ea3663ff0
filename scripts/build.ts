// Makes dist/, which the npm package carries: the source compiled, and the files beside it that are not TypeScript.

import { spawnSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';

const root = join(import.meta.dirname, '..');
const source = join(root, 'src');
const target = join(root, 'dist');

rmSync(target, { recursive: true, force: true });

const compiler = join(root, 'node_modules/typescript/bin/tsc');
const result = spawnSync(process.execPath, [compiler, '--project', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
if (result.status !== 0) process.exit(1);

cpSync(source, target, { recursive: true, filter: (path) => !path.endsWith('.ts') });
const { status } = spawnSync(process.execPath, ['console/build.ts'], { cwd: root, stdio: 'inherit' });
if (status !== 0) process.exit(1);
console.log(`Built ${relative(root, target)}/`);
