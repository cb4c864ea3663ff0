import { existsSync } from 'node:fs';

const source = new URL('../src/cli/main.ts', import.meta.url);
const compiled = new URL('../dist/cli/main.js', import.meta.url);

// A clone has the source, and Node.js runs it as written; the published package has it compiled.
const { main } = await import(existsSync(source) ? source.href : compiled.href);
await main(process.argv.slice(2));
