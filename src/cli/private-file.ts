import {
  closeSync,
  existsSync,
  fchmodSync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

const OWNER_ONLY = 0o600;
const OTHERS = 0o077;

/**
 * Creates a file for the own user only, whole and synced or not at all: what is encrypted with a key that a power cut
 * takes would be lost. False when the file is there already, also when another process has just made it.
 */
export function createPrivateFile(path: string, text: string): boolean {
  const draft = writeDraft(path, text);
  try {
    if (!claim(draft, path)) return false;
  } finally {
    rmSync(draft, { force: true });
  }
  syncFolder(path);
  return true;
}

/** The same, in place of the file that is there. */
export function replacePrivateFile(path: string, text: string): void {
  renameSync(writeDraft(path, text), path);
  syncFolder(path);
}

/** Whether other users of the machine may read the file. Windows has no such bits: there the folder's rights decide. */
export function isOpenToOthers(path: string): boolean {
  return process.platform !== 'win32' && (statSync(path).mode & OTHERS) !== 0;
}

function writeDraft(path: string, text: string): string {
  const draft = `${path}.${process.pid}.new`;
  const file = openSync(draft, 'w', OWNER_ONLY);
  try {
    // The mode above counts only for a new file, and this may be the draft of a start that was broken off.
    fchmodSync(file, OWNER_ONLY);
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return draft;
}

function claim(draft: string, path: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    // Some file systems have no hard links. There, two starts at the same instant are not kept apart.
    if (existsSync(path)) return false;
    renameSync(draft, path);
    return true;
  }
}

function syncFolder(path: string): void {
  if (process.platform === 'win32') return;
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
