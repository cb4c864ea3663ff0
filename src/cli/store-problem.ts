import type { Settings } from '../settings.ts';
import { StoreError } from '../store/store.ts';
import { CliError } from './cli-error.ts';
import { hasDatabase } from './data-folder.ts';
import { explainStartupError } from './startup-error.ts';

/** Refuses a data folder that no server was ever started on. */
export function refuseMissingDatabase({ store, dataFolder }: Settings): void {
  if (store !== 'sqlite' || hasDatabase(dataFolder)) return;
  throw new CliError(
    `There is no database in ${dataFolder}. Name the server's data folder with --data or POSTHORN_DATA, or its database with POSTHORN_STORE.`,
  );
}

/** What a store, or the way to it, says, as a sentence with what to do. Other errors come back as they are: they are bugs. */
export function explainStoreProblem(error: unknown, settings: Settings): unknown {
  if (error instanceof StoreError && error.code === 'locked' && settings.store === 'sqlite') {
    return new CliError(
      `A server, or another command, uses the data folder ${settings.dataFolder}. Stop it first.`,
      {
        cause: error,
      },
    );
  }
  if (error instanceof StoreError && error.code === 'locked')
    return new CliError(error.message, { cause: error });
  const cause = error instanceof StoreError ? error.cause : error;
  const said = cause as { severity?: unknown; code?: unknown; message?: unknown } | null | undefined;
  // Of tables that are not as they were made (42); for anything else, rights among it, there is a better sentence.
  if (typeof said?.severity === 'string' && typeof said.code === 'string' && /^42(?!501)/.test(said.code)) {
    return new CliError(`PostgreSQL refuses that: ${said.message} (${said.code}).`, { cause: error });
  }
  return explainStartupError(error, settings);
}
