import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../model/clock.ts';
import { newKeyText } from '../model/key.ts';
import { KEY_CHARACTERS_LEAST, type Settings } from '../settings.ts';
import { CliError } from './cli-error.ts';
import { hasDatabase } from './data-folder.ts';
import { createPrivateFile, replacePrivateFile } from './private-file.ts';

/**
 * The server keeps only hashes of keys. In development every start prints keys that work, so the plain ones are kept in
 * this file of the data folder, for the own user only.
 */
const FILE = 'development-keys.json';

export interface DevelopmentKeys {
  readonly operatorKey: string;
  readonly companyToken: string;
}

/** The keys of the settings, and the file's for what these leave out. The folder must exist. */
export function developmentKeys(params: {
  settings: Settings;
  random: Random;
  renew: boolean;
}): DevelopmentKeys {
  const { operatorKey, companyToken, dataFolder } = params.settings;
  if (operatorKey !== null && companyToken !== null) return { operatorKey, companyToken };
  const kept = keptKeys({ folder: dataFolder, random: params.random, renew: params.renew });
  return { operatorKey: operatorKey ?? kept.operatorKey, companyToken: companyToken ?? kept.companyToken };
}

/** The file's path, or null when the folder has none. */
export function developmentKeysFile(folder: string): string | null {
  const path = join(folder, FILE);
  return existsSync(path) ? path : null;
}

function keptKeys(params: { folder: string; random: Random; renew: boolean }): DevelopmentKeys {
  const path = join(params.folder, FILE);
  if (params.renew) return write(path, params.random, replacePrivateFile);
  if (existsSync(path)) return read(path);
  // Making keys here would revoke those that `posthorn serve` made and somebody uses.
  if (hasDatabase(params.folder)) {
    throw new CliError(
      `The data folder ${params.folder} has keys of which only the hashes are kept, as posthorn serve makes them. Set POSTHORN_OPERATOR_KEY ` +
        'and POSTHORN_COMPANY_TOKEN, or choose another folder with POSTHORN_DATA, or let "posthorn dev --new-keys" make new keys ' +
        '(the old ones stop working).',
    );
  }
  const keys = write(path, params.random, createPrivateFile);
  // Another start may have been quicker: then its keys count.
  return existsSync(path) ? read(path) : keys;
}

function write(path: string, random: Random, save: (path: string, text: string) => unknown): DevelopmentKeys {
  const keys = { operatorKey: newKeyText(random), companyToken: newKeyText(random) };
  save(path, `${JSON.stringify(keys, null, 2)}\n`);
  return keys;
}

function read(path: string): DevelopmentKeys {
  try {
    const { operatorKey, companyToken } = JSON.parse(readFileSync(path, 'utf8'));
    if ([operatorKey, companyToken].every(isKey)) return { operatorKey, companyToken };
  } catch (error) {
    if (!(error instanceof SyntaxError)) {
      throw new CliError(`${path} can't be read (${(error as Error).message}).`, { cause: error });
    }
  }
  throw new CliError(
    `${path} is damaged. Run "posthorn dev --new-keys" to make new keys (the old ones stop working).`,
  );
}

function isKey(value: unknown): boolean {
  return typeof value === 'string' && value.length >= KEY_CHARACTERS_LEAST;
}
