import { type Command, Option } from 'commander';
import type { Settings } from '../settings.ts';
import { CliError, EXIT_USAGE } from './cli-error.ts';
import { settingOptions } from './settings-text.ts';

interface Flags {
  dryRun?: true;
  publisherRole?: string;
  out?: string;
  resume?: true;
  whileRunning?: true;
  in?: string;
  json?: true;
}

/** `posthorn migrate`, `export`, `import` and `nodes`: what is done with a store itself. */
export function addStoreCommands(
  program: Command,
  params: { settingsFrom: (flags: Record<string, unknown>) => Settings; done: (exitCode: number) => void },
): void {
  const { settingsFrom, done } = params;
  const add = (name: keyof typeof EXAMPLES, description: string, settings = ['--store', '--data']) => {
    const command = program.command(name).description(description).addHelpText('after', EXAMPLES[name]);
    for (const each of settingOptions()) {
      if (settings.includes(each.flag)) command.option(each.flags, each.description);
    }
    return command;
  };

  add('migrate', "bring the store's schema up to date without starting a server")
    .option('--dry-run', 'only list what would be applied')
    .option('--publisher-role <role>', 'a role of PostgreSQL that may publish by SQL from then on')
    .action(async ({ dryRun, publisherRole, ...flags }: Flags) => {
      const { migrate } = await import('./migrate.ts');
      const options = { dryRun: dryRun === true, publisherRole: publisherRole ?? null };
      done(await migrate(settingsFrom(flags), options));
    });

  add('export', 'write everything that the store keeps to a file, to import it into another store')
    .option('--out <file>', 'a new file; standard output when left out')
    .option('--resume', 'go on with a file whose export was broken off')
    .addOption(
      new Option('--while-running', 'also while servers run: what they accept meanwhile is not in it'),
    )
    .action(async ({ out, resume, whileRunning, ...flags }: Flags) => {
      if (resume && out === undefined) {
        throw new CliError('--resume goes on with a file: name it with --out.', { exitCode: EXIT_USAGE });
      }
      const { exportStore } = await import('./transfer/export.ts');
      const options = { out: out ?? null, resume: resume === true, whileRunning: whileRunning === true };
      done(await exportStore(settingsFrom(flags), options));
    });

  add('import', 'fill a store that was never used from an export', ['--store', '--data', '--master-key'])
    .option('--in <file>', 'the file; standard input when left out')
    .action(async ({ in: path, ...flags }: Flags) => {
      if (path === undefined && process.stdin.isTTY) {
        throw new CliError('Name the export with --in, or send it to standard input.', {
          exitCode: EXIT_USAGE,
        });
      }
      const { importStore } = await import('./transfer/import.ts');
      done(await importStore(settingsFrom(flags), { path: path ?? null }));
    });

  add('nodes', 'list the servers that share a PostgreSQL database')
    .option('--json', 'print JSON')
    .action(async ({ json, ...flags }: Flags) => {
      const { nodes } = await import('./nodes.ts');
      done(await nodes(settingsFrom(flags), { json: json === true }));
    });
}

const EXAMPLES = {
  migrate: `
Examples:
  posthorn migrate --dry-run
  posthorn migrate --data /var/lib/posthorn
  POSTHORN_STORE=postgres://owner@db.example.com/posthorn posthorn migrate --publisher-role shop

A server does the same when it starts. Standard output has a line for each migration: "pending 2 002-publish.sql", or
"applied …". A store that a newer Posthorn has changed is refused.
`,
  export: `
Examples:
  posthorn export --data /var/lib/posthorn --out posthorn.ndjson
  posthorn export --data /var/lib/posthorn --out posthorn.ndjson --resume      after it was broken off
  posthorn export | gzip > posthorn.ndjson.gz
  POSTHORN_STORE=postgres://… posthorn export --out posthorn.ndjson

Stop all servers of the store first. The file has payloads in plain text and signing secrets sealed with the master key, which is
not in it: take POSTHORN_MASTER_KEY, or master.key of the data folder, along. Step by step: docs/operating/moving.md.
`,
  import: `
Examples:
  posthorn import --in posthorn.ndjson --store postgres://db.example.com/posthorn
  POSTHORN_STORE=postgres://… posthorn import --in posthorn.ndjson
  gunzip -c posthorn.ndjson.gz | posthorn import --data /var/lib/posthorn
  posthorn export --data /var/lib/posthorn | POSTHORN_STORE=postgres://… posthorn import

The store must be empty, and the master key the one that the exported store was used with. When it is broken off, the same
command goes on; no server starts on the store before it is finished.
`,
  nodes: `
Examples:
  posthorn nodes --store postgres://db.example.com/posthorn
  POSTHORN_STORE=postgres://… posthorn nodes --json
`,
};
