import { Command, CommanderError } from 'commander';
import { type Mode, readSettings, type Settings } from '../settings.ts';
import { version } from '../version.ts';
import { CliError, EXIT_USAGE } from './cli-error.ts';
import { addKeysCommand } from './keys/command.ts';
import { settingOptions } from './settings-text.ts';
import { addStoreCommands } from './store-commands.ts';

/** Runs the command line and ends the process with its exit code. */
export async function main(argv: string[]): Promise<void> {
  // Whoever reads our output may stop reading: `posthorn --help | head -3`.
  process.stdout.on('error', ignoreBrokenPipe);
  process.stderr.on('error', ignoreBrokenPipe);
  const exitCode = await run(argv).catch(report);
  await new Promise((resolve) => process.stdout.write('', resolve));
  process.exit(exitCode);
}

async function run(argv: string[]): Promise<number> {
  let exitCode = 0;
  const program = commandLine((code) => {
    exitCode = code;
  });
  if (argv.length === 0) program.outputHelp();
  else await program.parseAsync(argv, { from: 'user' });
  return exitCode;
}

/** The server's and the demo's code is loaded when they run: help and mistakes are answered at once. */
function commandLine(done: (exitCode: number) => void): Command {
  const program = new Command('posthorn')
    .description('Sends webhooks: durably, signed, again until it works, with a record anyone can read.')
    .version(version, '-v, --version', 'print the version')
    .helpCommand('help [command]', 'explain a command')
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'posthorn: ')) })
    .addHelpText('after', EXAMPLES.posthorn)
    .exitOverride();
  const add = (name: keyof typeof EXAMPLES, description: string) =>
    program.command(name).description(description).addHelpText('after', EXAMPLES[name]);

  withSettings(add('serve', 'run the server in production')).action(async (flags) => {
    const settings = settingsFrom('production', flags);
    const { serve } = await import('./serve.ts');
    done(await serve(settings));
  });
  withSettings(add('dev', 'run the server for development: prints keys and curl lines to paste'))
    .option('--new-keys', 'make new development keys; the old ones stop working')
    .action(async (flags) => {
      const settings = settingsFrom('development', flags);
      const { dev } = await import('./dev.ts');
      done(await dev(settings, { newKeys: flags.newKeys === true }));
    });
  add('demo', 'show the whole way of a webhook in a few seconds, on a temporary server').action(async () => {
    const { demo } = await import('./demo.ts');
    done(await demo());
  });
  addKeysCommand(program, (data) => settingsFrom('production', { data }));
  // These need no more of the settings than a development server does: not the master key, for one.
  addStoreCommands(program, { settingsFrom: (flags) => settingsFrom('development', flags), done });
  add('version', 'print the version').action(() => void process.stdout.write(`${version}\n`));
  return program;
}

const EXAMPLES = {
  posthorn: `
Examples:
  posthorn demo                                    see it work
  posthorn dev                                     try it out: development mode on http://127.0.0.1:8071
  posthorn serve --data /var/lib/posthorn          production
  posthorn serve --help                            every setting
  posthorn keys create --name CI                   another key to the API; also when all are lost
  posthorn export --out posthorn.ndjson            move to another store: posthorn import --help
`,
  serve: `
Examples:
  posthorn serve --data /var/lib/posthorn
  POSTHORN_LISTEN=0.0.0.0:8071 POSTHORN_OPERATOR_KEY=… posthorn serve
  posthorn serve --allow-networks 10.20.0.0/16 --retry-schedule 10s,1m,10m,1h

A flag wins over its environment variable. Prefer variables for keys: flags can be seen in the list of processes.
`,
  dev: `
Examples:
  posthorn dev
  posthorn dev --listen 127.0.0.1:8072 --data /tmp/posthorn
  POSTHORN_RETRY_SCHEDULE=1s,2s posthorn dev --log-level debug

A flag wins over its environment variable.
`,
  demo: `
Example:
  posthorn demo

Starts a receiver and a server with a temporary data folder, sends three events, and takes everything away again.
`,
  version: `
Example:
  posthorn version
`,
};

function withSettings(command: Command): Command {
  for (const { flags, description } of settingOptions()) command.option(flags, description);
  return command;
}

function settingsFrom(mode: Mode, options: Record<string, unknown>): Settings {
  const flags: Record<string, string> = {};
  for (const { flag } of settingOptions()) {
    const value = options[optionName(flag)];
    if (typeof value === 'string') flags[flag] = value;
  }
  const read = readSettings({ mode, env: process.env, flags });
  if (read.ok) return read.settings;
  const list = read.problems.map((problem) => `  - ${problem}`).join('\n');
  const count = read.problems.length === 1 ? 'A setting is' : `${read.problems.length} settings are`;
  throw new CliError(`${count} not usable:\n${list}`, { exitCode: EXIT_USAGE });
}

/** How commander names the value of `--retry-schedule`: `retrySchedule`. */
function optionName(flag: string): string {
  return flag.slice(2).replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

function report(error: unknown): number {
  // Commander has printed its own message, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  if (error instanceof CliError) {
    process.stderr.write(`posthorn: ${error.message}\n`);
    return error.exitCode;
  }
  process.stderr.write(
    `posthorn: This is a bug in Posthorn. Please report it with these lines.\n${textOf(error)}\n`,
  );
  return 1;
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function ignoreBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}
