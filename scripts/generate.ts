// Writes the files that are generated from the source but kept in git, as people read them there.
// `npm run docs` writes them; `npm run check` calls this with --check, which only reports which of them are out of date.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import pino from 'pino';
import { settingsMarkdown } from '../src/cli/settings-text.ts';
import { createHttpServer } from '../src/http/server.ts';
import type { HttpServices } from '../src/http/services.ts';
import { version } from '../src/version.ts';
import { errorsMarkdown } from './errors-page.ts';

interface Generated {
  /** Path from the root of the project. */
  file: string;
  produce(): string | Promise<string>;
}

const generated: Generated[] = [
  { file: 'openapi.json', produce: openapiText },
  { file: 'docs/settings.md', produce: settingsMarkdown },
  { file: 'docs/errors.md', produce: errorsMarkdown },
];

const root = join(import.meta.dirname, '..');
const checkOnly = process.argv.includes('--check');
let outdated = 0;

for (const { file, produce } of generated) {
  const path = join(root, file);
  const content = await produce();
  if (existsSync(path) && readFileSync(path, 'utf8') === content) continue;
  outdated += 1;
  if (checkOnly) {
    console.error(`${file} is out of date: run npm run docs`);
  } else {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    console.log(`Wrote ${file}`);
  }
}

if (checkOnly && outdated > 0) process.exitCode = 1;
else console.log(`${generated.length} generated files are current`);

/** The routes are only described, never called: no service is needed. */
async function openapiText(): Promise<string> {
  const described = { version, publicUrl: null, log: pino({ level: 'silent' }) } as unknown as HttpServices;
  const server = await createHttpServer(described);
  const text = `${JSON.stringify(server.openapi(), null, 2)}\n`;
  await server.fastify.close();
  return text;
}
