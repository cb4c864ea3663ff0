// Builds console/ into console/dist, which the server serves: types out of openapi.json, the bundle, and a Brotli and a gzip
// copy of every file. `--if-stale` does so only when something that goes into it has changed since; `npm start`, `npm test` and
// `npm run check` begin with that. Fails when what a browser loads first is larger than its budget.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import openapi, { astToString } from 'openapi-typescript';
import { build } from 'vite';

const KIB = 1024;
/** JS and CSS that the first page needs, and each part that is loaded later; gzip. 244 KiB are 250 KB. */
const BUDGET_BYTES = { initial: 244 * KIB, wanted: 235 * KIB, chunk: 40 * KIB };

const root = join(import.meta.dirname, '..');
const folder = join(root, 'console');
const dist = join(folder, 'dist');
const stampFile = join(dist, '.stamp');
const schemaFile = join(folder, 'src/api/schema.d.ts');

const stamp = stampOf();
const current = existsSync(stampFile) && existsSync(schemaFile) && readFileSync(stampFile, 'utf8') === stamp;
if (!(current && process.argv.includes('--if-stale'))) {
  const startedAt = performance.now();
  await writeTypes();
  await build({ configFile: join(folder, 'vite.config.ts'), logLevel: 'warn' });
  compressAll();
  const problems = overBudget();
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exit(1);
  writeFileSync(stampFile, stamp);
  // To stderr: what a command prints to stdout is its own.
  console.error(`Built console/dist in ${((performance.now() - startedAt) / 1000).toFixed(1)} s: ${sizes()}`);
}

/** Of everything that the build depends on. */
function stampOf(): string {
  const hash = createHash('sha256');
  const own = readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !/[\\/](dist|node_modules)[\\/]/.test(path) && path !== schemaFile)
    .sort();
  const shared = ['session-out.ts', 'figures-out.ts'].map((name) => join(root, 'src/http/console', name));
  for (const path of [
    ...own,
    ...shared,
    join(root, 'openapi.json'),
    join(root, 'package-lock.json'),
    import.meta.filename,
  ]) {
    hash.update(path.slice(root.length)).update(readFileSync(path));
  }
  return hash.digest('hex');
}

async function writeTypes(): Promise<void> {
  const document = JSON.parse(readFileSync(join(root, 'openapi.json'), 'utf8'));
  mkdirSync(join(folder, 'src/api'), { recursive: true });
  writeFileSync(schemaFile, astToString(await openapi(document, { defaultNonNullable: false })));
}

function compressAll(): void {
  const assets = join(dist, 'assets');
  for (const name of readdirSync(assets)) {
    if (!/\.(js|css|svg)$/.test(name)) continue;
    const bytes = readFileSync(join(assets, name));
    const quality = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
    writeFileSync(join(assets, `${name}.br`), brotliCompressSync(bytes, { params: quality }));
    writeFileSync(join(assets, `${name}.gz`), gzipSync(bytes, { level: 9 }));
  }
}

interface Chunk {
  readonly file: string;
  readonly isEntry?: boolean;
  readonly imports?: readonly string[];
  readonly css?: readonly string[];
}

function manifest(): Readonly<Record<string, Chunk>> {
  return JSON.parse(readFileSync(join(dist, '.vite/manifest.json'), 'utf8'));
}

/** The files of the entry and of all that it imports at once. */
function initialFiles(): ReadonlySet<string> {
  const chunks = manifest();
  const files = new Set<string>(['assets/theme.js']);
  const visit = (name: string) => {
    const chunk = chunks[name];
    if (!chunk || files.has(chunk.file)) return;
    for (const file of [chunk.file, ...(chunk.css ?? [])]) files.add(file);
    for (const each of chunk.imports ?? []) visit(each);
  };
  for (const [name, { isEntry }] of Object.entries(chunks)) if (isEntry) visit(name);
  return files;
}

function gzipBytes(file: string): number {
  return readFileSync(join(dist, `${file}.gz`)).length;
}

function initialBytes(): number {
  return [...initialFiles()].reduce((total, file) => total + gzipBytes(file), 0);
}

function overBudget(): string[] {
  const initial = initialFiles();
  const problems: string[] = [];
  const total = initialBytes();
  if (total > BUDGET_BYTES.initial) {
    problems.push(
      `The first page takes ${kib(total)} KiB of JS and CSS (gzip); at most ${kib(BUDGET_BYTES.initial)}.`,
    );
  } else if (total > BUDGET_BYTES.wanted) {
    console.error(`The first page takes ${kib(total)} KiB; the aim is ${kib(BUDGET_BYTES.wanted)}.`);
  }
  for (const { file } of Object.values(manifest())) {
    if (initial.has(file) || !/\.(js|css)$/.test(file) || gzipBytes(file) <= BUDGET_BYTES.chunk) continue;
    problems.push(`${file} takes ${kib(gzipBytes(file))} KiB (gzip); at most ${kib(BUDGET_BYTES.chunk)}.`);
  }
  return problems;
}

function sizes(): string {
  return `${kib(initialBytes())} of ${kib(BUDGET_BYTES.initial)} KiB for the first page`;
}

function kib(bytes: number): string {
  return (bytes / KIB).toFixed(1);
}
