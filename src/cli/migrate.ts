import type { Settings } from '../settings.ts';
import { migrateStore, readSchema } from '../store/open.ts';
import type { Migration } from '../store/store.ts';
import { systemClock as clock } from '../system/clock.ts';
import { CliError, EXIT_USAGE } from './cli-error.ts';
import { explainStoreProblem, refuseMissingDatabase } from './store-problem.ts';

export interface MigrateOptions {
  readonly dryRun: boolean;
  readonly publisherRole: string | null;
}

/** `posthorn migrate`: a line on standard output for each migration; what is for a person goes to standard error. */
export async function migrate(
  settings: Settings,
  { dryRun, publisherRole }: MigrateOptions,
): Promise<number> {
  if (publisherRole !== null && settings.store === 'sqlite') {
    throw new CliError('--publisher-role is for PostgreSQL: in SQLite there are no roles.', {
      exitCode: EXIT_USAGE,
    });
  }
  refuseMissingDatabase(settings);
  try {
    const { present, known, pending } = await readSchema({ settings });
    const versions = `The store's schema is version ${present}, that of this Posthorn is ${known}.`;
    if (dryRun) {
      print('pending', pending);
      process.stderr.write(`posthorn: ${versions} ${dryText(pending.length)}\n`);
      return 0;
    }
    const log = { info: said, warn: said };
    const applied = await migrateStore({ settings, clock, log, publisherRole });
    print('applied', applied);
    const done = applied.length === 0 ? 'Nothing was to do.' : `Applied: ${applied.length}.`;
    const granted = publisherRole === null ? '' : ` The role ${publisherRole} may publish, and nothing else.`;
    process.stderr.write(`posthorn: ${versions} ${done}${granted}\n`);
    return 0;
  } catch (error) {
    throw explainStoreProblem(error, settings);
  }
}

/** `pending 2 002-publish.sql` */
function print(what: 'pending' | 'applied', migrations: readonly Migration[]): void {
  for (const { number, name } of migrations) process.stdout.write(`${what} ${number} ${name}\n`);
}

function dryText(count: number): string {
  if (count === 0) return 'Nothing is to do.';
  return `"posthorn migrate", or the next start of a server, applies ${count === 1 ? 'one migration' : `${count} migrations`}. Nothing was changed.`;
}

function said(fields: object, text: string): void {
  process.stderr.write(`posthorn: ${text} ${JSON.stringify(fields)}\n`);
}
