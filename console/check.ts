// What `npm run check` asks of the console: that it builds within its budget, and that its types are right.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

for (const command of [
  ['console/build.ts', '--if-stale'],
  ['node_modules/typescript/bin/tsc', '--noEmit', '--project', 'console/tsconfig.json'],
]) {
  const { status } = spawnSync(process.execPath, command, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(1);
}
