import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';

const BIN = join(import.meta.dirname, '../../bin/posthorn.js');

const running = new Set<ChildProcess>();
const folders: string[] = [];

afterEach(async () => {
  for (const child of running) {
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await ended;
  }
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-cli-'));
  folders.push(folder);
  return folder;
}

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A running `posthorn`, or another command. */
export interface Running {
  /** What it printed so far on both outputs. */
  output(): string;
  /** Resolves to the first match in the output; rejects when the process ends without. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  signal(name: NodeJS.Signals): void;
  readonly ended: Promise<Ended>;
}

/** `posthorn …` as a real process. It gets no `POSTHORN_*` variable but those in `env`. */
export function posthorn(
  args: readonly string[],
  env: Record<string, string> = {},
  node: readonly string[] = [],
): Running {
  return command(process.execPath, [...node, BIN, ...args], env);
}

export function command(file: string, args: readonly string[], env: Record<string, string> = {}): Running {
  const child = spawn(file, args, { env: { ...inherited(), ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  const text = { stdout: '', stderr: '' };
  const watchers = new Set<() => void>();
  const tell = () => {
    for (const watcher of watchers) watcher();
  };
  let isOver = false;
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (part: string) => {
      text[name] += part;
      tell();
    });
  }
  const output = () => text.stdout + text.stderr;
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      running.delete(child);
      isOver = true;
      resolve({ code, ...text });
      tell();
    });
  });
  const printed = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const look = () => {
        const found = pattern.exec(output());
        if (found === null && !isOver) return;
        watchers.delete(look);
        if (found) resolve(found);
        else reject(new Error(`The process ended without printing ${pattern}:\n${output()}`));
      };
      watchers.add(look);
      look();
    });
  return { output, printed, ended, signal: (name) => void child.kill(name) };
}

/** Variables of the machine that a process needs, and none that changes what it prints. */
function inherited(): Record<string, string> {
  const names = ['PATH', 'HOME', 'TMPDIR', 'SystemRoot'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}
