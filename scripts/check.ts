// `npm run check`: every check, two at a time, each reported with its time; one that fails does not stop the others.
// `npm run check types imports` (or `npm run check:types`) runs only those.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

const folders = ['src', 'test', 'bench', 'scripts', 'console/src'].filter((folder) =>
  existsSync(join(root, folder)),
);

/** Name -> what Node.js runs, and what to do about it when it fails. */
const checks: Record<string, { command: string[]; remedy?: string }> = {
  lint: {
    command: ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings'],
    remedy: 'npm run format repairs what can be repaired automatically',
  },
  types: { command: ['node_modules/typescript/bin/tsc', '--noEmit'] },
  console: {
    command: ['console/check.ts'],
    remedy: 'types of console/, and the budget of what a browser loads first',
  },
  imports: { command: ['node_modules/dependency-cruiser/bin/dependency-cruise.mjs', ...folders] },
  unused: { command: ['node_modules/knip/bin/knip.js'] },
  sizes: { command: ['scripts/check-sizes.ts'] },
  generated: { command: ['scripts/generate.ts', '--check'] },
};

interface Outcome {
  name: string;
  passed: boolean;
}

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in checks));
if (unknown.length > 0) {
  console.error(`There is no check ${unknown.join(', ')}. Checks: ${Object.keys(checks).join(', ')}.`);
  process.exit(1);
}

const waiting = asked.length > 0 ? asked : Object.keys(checks);
const outcomes: Outcome[] = [];
await Promise.all(Array.from({ length: Math.min(availableParallelism(), waiting.length) }, worker));

const failed = outcomes.filter((outcome) => !outcome.passed).map((outcome) => outcome.name);
console.log(
  failed.length === 0
    ? `All ${outcomes.length} checks passed`
    : `${failed.length} of ${outcomes.length} checks failed: ${failed.join(', ')}`,
);
process.exitCode = failed.length === 0 ? 0 : 1;

async function worker(): Promise<void> {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    outcomes.push(await check(name));
  }
}

async function check(name: string): Promise<Outcome> {
  const { command, remedy } = checks[name] as (typeof checks)[string];
  const startedAt = performance.now();
  const { code, output } = await run(command);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const passed = code === 0;
  console.log(`${passed ? 'pass' : 'FAIL'}  ${name.padEnd(10)} ${seconds.padStart(5)} s`);
  if (!passed) {
    console.log(output.trimEnd());
    if (remedy) console.log(`(${remedy})`);
  }
  return { name, passed };
}

/** The output is held back until the end, so that two checks don't write into each other's. */
function run(command: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, command, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    const parts: Buffer[] = [];
    child.stdout.on('data', (part) => parts.push(part));
    child.stderr.on('data', (part) => parts.push(part));
    child.on('error', (error) => parts.push(Buffer.from(error.message)));
    child.on('close', (code) => resolve({ code: code ?? 1, output: Buffer.concat(parts).toString() }));
  });
}
