import { accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Random } from '../model/clock.ts';
import { type MasterKey, parseMasterKey } from '../model/sealed.ts';
import type { Settings } from '../settings.ts';
import { CliError } from './cli-error.ts';
import { createPrivateFile, isOpenToOthers } from './private-file.ts';

const MASTER_KEY_FILE = 'master.key';
/** As `store/sqlite` names it. */
const DATABASE_FILE = 'posthorn.db';
const MASTER_KEY_BYTES = 32;

/**
 * Makes the data folder ready and finds the master key: the setting, else the folder's file, which is made at the
 * first start. Throws a CliError that says what to do. `warnings` are sentences for the log.
 */
export function prepareDataFolder(params: { settings: Settings; random: Random }): {
  masterKey: MasterKey;
  warnings: string[];
} {
  const { settings, random } = params;
  const folder = settings.dataFolder;
  makeFolder(folder);
  const path = join(folder, MASTER_KEY_FILE);
  const kept = readKey(path);
  const warnings = kept !== null && isOpenToOthers(path) ? [openToOthers(path)] : [];
  if (settings.masterKey !== null) {
    if (kept !== null && kept.trim() !== settings.masterKey) {
      warnings.push(`POSTHORN_MASTER_KEY is used, although ${path} has another key.`);
    }
    return { masterKey: parsed(settings.masterKey, 'POSTHORN_MASTER_KEY'), warnings };
  }
  if (kept !== null) return { masterKey: parsed(kept, path), warnings };
  if (hasDatabase(folder)) {
    throw new CliError(
      `${path} is missing, but the folder has a database whose secrets are encrypted with it. ` +
        'Put the file back, or set POSTHORN_MASTER_KEY to the key that was used before.',
    );
  }
  const text = random.bytes(MASTER_KEY_BYTES).toString('base64');
  // Another start may have been quicker: then its key counts.
  const chosen = createPrivateFile(path, `${text}\n`) ? text : (readKey(path) ?? '');
  return { masterKey: parsed(chosen, path), warnings };
}

/** The master key that is there: the setting, else the folder's file. None is made. */
export function findMasterKey({ masterKey, dataFolder }: Settings): MasterKey | null {
  if (masterKey !== null) return parsed(masterKey, 'POSTHORN_MASTER_KEY');
  const path = join(dataFolder, MASTER_KEY_FILE);
  const kept = readKey(path);
  return kept === null ? null : parsed(kept, path);
}

/** Whether a store was ever opened in the folder. */
export function hasDatabase(folder: string): boolean {
  return existsSync(join(folder, DATABASE_FILE));
}

function makeFolder(folder: string): void {
  try {
    makeMissingParts(resolve(folder));
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    readdirSync(folder);
  } catch (error) {
    throw new CliError(folderSentence(folder, error), { cause: error });
  }
}

/** Part by part: `mkdirSync` with `recursive` never returns where a parent exists and the part can't be made, as below /proc. */
function makeMissingParts(folder: string): void {
  const missing: string[] = [];
  let part = folder;
  while (!isThere(part)) {
    missing.unshift(part);
    part = dirname(part);
  }
  if (!statSync(part).isDirectory()) throw errorWithCode('ENOTDIR', `${part} is not a directory`);
  if (missing.length > 0) accessSync(part, constants.W_OK | constants.X_OK);
  for (const each of missing) makeOne(each);
}

function isThere(path: string): boolean {
  // A part below a file gives ENOTDIR: the file itself is found further up.
  try {
    statSync(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if ((code === 'ENOENT' || code === 'ENOTDIR') && dirname(path) !== path) return false;
    throw error;
  }
}

function makeOne(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Another start may have been quicker.
    if (code === 'EEXIST' && existsSync(path) && statSync(path).isDirectory()) return;
    // The parent is there and says otherwise: /proc and its like take no folders, not even of root.
    if (code === 'ENOENT') throw errorWithCode('EACCES', `${path} can't be made`, error);
    throw error;
  }
}

function errorWithCode(code: string, message: string, cause?: unknown): Error {
  return Object.assign(new Error(message, { cause }), { code });
}

export function folderSentence(folder: string, error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const choose = 'choose another with POSTHORN_DATA';
  if (code === 'EEXIST' || code === 'ENOTDIR')
    return `The data folder ${folder} is or lies under a file: ${choose}.`;
  if (code === 'EROFS') return `The data folder ${folder} is on a file system that is read-only: ${choose}.`;
  if (code === 'ENOSPC')
    return `There is no space left for the data folder ${folder}: free some, or ${choose}.`;
  if (code === 'EACCES' || code === 'EPERM') {
    return `The data folder ${folder} is not writable for this user: give this user the right to, or ${choose}.`;
  }
  return `The data folder ${folder} can't be used (${message}): ${choose}.`;
}

function readKey(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new CliError(`${path} can't be read (${(error as Error).message}): give this user the right to.`, {
      cause: error,
    });
  }
}

function parsed(text: string, source: string): MasterKey {
  const key = parseMasterKey(text);
  if (key !== null) return key;
  throw new CliError(
    `${source} is damaged: it must hold 32 bytes in base64 or hex. Put back the key that was used before, from a backup.`,
  );
}

function openToOthers(path: string): string {
  return `${path} can be read by other users of this machine: chmod 600 ${path}`;
}
