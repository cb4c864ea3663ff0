import { type Command, Option } from 'commander';
import { KEY_EXPIRY_SECONDS, KEY_GRACE_SECONDS, KEY_NAME_CHARACTERS } from '../../limits.ts';
import { CAPABILITIES } from '../../model/key.ts';
import { KEY_NAME } from '../../model/key-name.ts';
import { parseDurationMs } from '../../model/retry-schedule.ts';
import type { Settings } from '../../settings.ts';
import { CliError, EXIT_USAGE } from '../cli-error.ts';
import type { KeyDesk } from './desk.ts';

interface Where {
  url?: string;
  data?: string;
  json?: true;
}

type CreateOptions = Where & {
  name: string;
  app?: string;
  readOnly?: true;
  capabilities?: string;
  expires?: string;
};

const NAME = new RegExp(KEY_NAME);

/** `posthorn keys …`. The server's code is loaded when one of them runs. */
export function addKeysCommand(program: Command, settingsWith: (data: string | undefined) => Settings): void {
  const keys = program
    .command('keys')
    .description('list, make, revoke and rotate the keys to the API')
    .addHelpText('after', EXAMPLES.keys);
  const add = (name: keyof typeof EXAMPLES, usage: string, description: string) =>
    keys
      .command(usage)
      .description(description)
      .option(
        '--url <url>',
        'the running server to call, with the key in POSTHORN_OPERATOR_KEY (POSTHORN_URL)',
      )
      .option('--data <folder>', 'the data folder of a server that does not run (POSTHORN_DATA)')
      .option('--json', 'print JSON')
      .addHelpText('after', EXAMPLES[name]);
  const at = async (where: Where, use: (desk: KeyDesk) => Promise<void>) => {
    const desk = await openDesk(where, settingsWith);
    try {
      await use(desk);
    } finally {
      await desk.close();
    }
  };

  add('list', 'list', 'list the keys, oldest first')
    .option('--app <application>', 'only those of this application: its id, uid or number')
    .action((options: Where & { app?: string }) => at(options, (desk) => list(desk, options)));

  add('create', 'create', 'make a key and print it, this once')
    .requiredOption('--name <name>', 'what it is for')
    .option('--app <application>', 'for this application only: its id, uid or number; else an operator key')
    .addOption(new Option('--read-only', 'it may only read').conflicts('capabilities'))
    .option('--capabilities <list>', `what it may do, by commas: ${CAPABILITIES.join(', ')}`)
    .option('--expires <duration>', 'how long it is good, such as 12h or 7d; else for ever')
    .action(async (options: CreateOptions) => {
      const wanted = wantedKey(options);
      await at(options, async (desk) => printMade(await desk.create(wanted), options));
    });

  add('revoke', 'revoke <id>', 'end a key: it is refused from now on').action((id: string, options: Where) =>
    at(options, async (desk) => {
      await desk.revoke(id);
      print(options.json ? jsonText({ id, revoked: true }) : `${id} is revoked.\n`);
    }),
  );

  add('rotate', 'rotate <id>', 'make a key in the place of another, and print it, this once')
    .option('--grace <duration>', 'how long the old one stays good, up to 7d; 0s: not at all', '24h')
    .action(async (id: string, options: Where & { grace: string }) => {
      const most = KEY_GRACE_SECONDS.most;
      const grace = seconds('--grace', options.grace, { least: 0, most }, '0s to 7d, such as 24h');
      await at(options, async (desk) => printMade(await desk.rotate(id, grace), options));
    });
}

const EXAMPLES = {
  keys: `
Examples:
  posthorn keys list                                          the data folder of a server that does not run
  posthorn keys list --url https://hooks.example.com          a running server; its key is in POSTHORN_OPERATOR_KEY
  posthorn keys create --name CI --expires 90d
  posthorn keys rotate key_2nZK5wzbb7UWeTYsEaK6mSrEQhY --grace 24h

Every operator key is lost: stop the server, run "posthorn keys create --name recovery" as the server's user with its
POSTHORN_DATA, and start the server again. Who may write the data folder needs no key.
`,
  list: `
Examples:
  posthorn keys list --data /var/lib/posthorn
  POSTHORN_OPERATOR_KEY=… posthorn keys list --url http://127.0.0.1:8071 --app acme --json
`,
  create: `
Examples:
  posthorn keys create --name CI
  posthorn keys create --name "acme's dashboard" --app acme --read-only --expires 30d
  posthorn keys create --name support --app acme --capabilities ViewBase,CreateAttempts
  KEY=$(posthorn keys create --name deploy --url http://127.0.0.1:8071)

The key goes to standard output, what is said about it to standard error.
`,
  revoke: `
Example:
  posthorn keys revoke key_2nZK5wzbb7UWeTYsEaK6mSrEQhY

A running server refuses it at once. The last operator key that does not expire stays: make another one first.
`,
  rotate: `
Examples:
  posthorn keys rotate key_2nZK5wzbb7UWeTYsEaK6mSrEQhY
  posthorn keys rotate key_2nZK5wzbb7UWeTYsEaK6mSrEQhY --grace 0s

The new key has the scope and the end of the old one.
`,
};

async function openDesk(
  where: Where,
  settingsWith: (data: string | undefined) => Settings,
): Promise<KeyDesk> {
  if (where.url !== undefined && where.data !== undefined) {
    throw usage('--url and --data name two places. Write one of them.');
  }
  const url = where.data === undefined ? where.url || process.env.POSTHORN_URL?.trim() : undefined;
  if (url) {
    const { serverDesk } = await import('./server-desk.ts');
    return serverDesk(url, process.env.POSTHORN_OPERATOR_KEY?.trim());
  }
  const { storeDesk } = await import('./store-desk.ts');
  return storeDesk(settingsWith(where.data));
}

async function list(desk: KeyDesk, { app, json }: Where & { app?: string }): Promise<void> {
  const { keyTable } = await import('./lines.ts');
  const keys = await desk.list(app ?? null);
  print(json ? jsonText(keys) : keyTable(keys));
}

async function printMade(made: Awaited<ReturnType<KeyDesk['create']>>, { json }: Where): Promise<void> {
  const { madeText } = await import('./lines.ts');
  if (!json) process.stderr.write(madeText(made));
  print(json ? jsonText(made) : `${made.key}\n`);
}

function wantedKey({ name, app, readOnly, capabilities, expires }: CreateOptions) {
  if (name.trim() === '' || name.length > KEY_NAME_CHARACTERS) {
    throw usage(`--name must have 1 to ${KEY_NAME_CHARACTERS} characters. Write what the key is for.`);
  }
  if (!NAME.test(name)) throw usage('--name has control characters. Write what the key is for without them.');
  if (app === undefined && (readOnly || capabilities !== undefined)) {
    throw usage('Only the key of an application can be limited: write --app <application> too.');
  }
  return {
    name,
    application: app ?? null,
    capabilities: readOnly ? (['ViewBase'] as const) : capabilitiesIn(capabilities),
    expiry:
      expires === undefined
        ? null
        : seconds('--expires', expires, KEY_EXPIRY_SECONDS, '60s to 3650d, such as 12h or 7d'),
  };
}

function capabilitiesIn(text: string | undefined): readonly string[] | null {
  if (text === undefined) return null;
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !CAPABILITIES.some((each) => each === name));
  if (unknown !== undefined) {
    throw usage(`--capabilities has ${JSON.stringify(unknown)}. Write some of ${CAPABILITIES.join(', ')}.`);
  }
  return ['ViewBase', ...names];
}

function seconds(flag: string, text: string, bounds: { least: number; most: number }, range: string): number {
  const ms = parseDurationMs(text);
  const value = ms === null ? Number.NaN : Math.round(ms / 1_000);
  if (value >= bounds.least && value <= bounds.most) return value;
  throw usage(`${flag} ${JSON.stringify(text.slice(0, 100))} is not usable. Write a duration from ${range}.`);
}

function usage(message: string): CliError {
  return new CliError(message, { exitCode: EXIT_USAGE });
}

function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function print(text: string): void {
  process.stdout.write(text);
}
