import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { onExit } from './cleanup.ts';
import { monotonicMs, pause } from './clock.ts';
import { filledStore } from './filled-store.ts';
import { PostgresDatabase } from './postgres-database.ts';
import type { PostgresFigure, PostgresPart } from './postgres-part.ts';
import { inherited, PROGRAM, peakMemoryBytes, ServerFolder } from './server-process.ts';

const MESSAGES = { usual: 100_000, quick: 2_000 };
/** Nothing is sent there: all of it has arrived. */
const RECEIVER = 'http://127.0.0.1:9';
const MEMORY_EVERY_MS = 50;

/** `posthorn export` and `posthorn import`, as an operator runs them. */
export const postgresMoving: PostgresPart = {
  id: 'moving',
  title: 'export and import',
  meaning: `${MESSAGES.usual.toLocaleString('en')} messages of 1 KB, each with a delivery and an attempt with its headers: from SQLite into PostgreSQL and back`,
  measure: async (quick) => {
    const { folder } = await filledStore(quick ? MESSAGES.quick : MESSAGES.usual, RECEIVER);
    try {
      return await move(folder);
    } finally {
      folder.remove();
    }
  },
};

async function move(source: ServerFolder): Promise<PostgresFigure[]> {
  const masterKey = readFileSync(join(source.dataFolder, 'master.key'), 'utf8').trim();
  const files = new ServerFolder();
  const [first, second] = [join(files.path, 'first.ndjson'), join(files.path, 'second.ndjson')];
  const sqlite = { POSTHORN_DATA: source.dataFolder, POSTHORN_MASTER_KEY: masterKey };
  mkdirSync(files.dataFolder, { mode: 0o700 });
  const back = { POSTHORN_DATA: files.dataFolder, POSTHORN_MASTER_KEY: masterKey };
  const postgres = (database: PostgresDatabase) => ({ ...sqlite, POSTHORN_STORE: database.url });
  try {
    const exported = await timed('export from SQLite', run(sqlite, ['export', '--out', first]));
    const through = await PostgresDatabase.with(async (database) => {
      const command = '"$0" "$1" export | POSTHORN_STORE="$2" "$0" "$1" import';
      const shell = started(sqlite, 'sh', ['-c', command, process.execPath, PROGRAM, database.url]);
      // Its own memory is the shell's.
      return (await timed('both at once through a pipe', shell)).slice(0, 1);
    });
    return await PostgresDatabase.with(async (database) => {
      const before = await database.use();
      const imported = await timed(
        'import into PostgreSQL',
        run(postgres(database), ['import', '--in', first]),
      );
      const after = await database.use();
      const exportedAgain = await timed(
        'export from PostgreSQL',
        run(postgres(database), ['export', '--out', second]),
      );
      const importedAgain = await timed('import into SQLite', run(back, ['import', '--in', second]));
      return [
        { name: 'file', value: statSync(first).size / 1e6, unit: 'MB' },
        { name: 'SQLite', value: sizeOf(source.dataFolder) / 1e6, unit: 'MB' },
        { name: 'PostgreSQL', value: (after.bytes - before.bytes) / 1e6, unit: 'MB' },
        ...[exported, imported, through, exportedAgain, importedAgain].flat(),
      ];
    });
  } finally {
    files.remove();
  }
}

function run(env: Record<string, string>, args: readonly string[]): ChildProcess {
  return started(env, process.execPath, [PROGRAM, ...args]);
}

function started(env: Record<string, string>, command: string, args: readonly string[]): ChildProcess {
  return spawn(command, args, { env: { ...inherited(), ...env }, stdio: ['ignore', 'ignore', 'pipe'] });
}

/** How long it takes, and the most memory that it has. */
async function timed(name: string, child: ChildProcess): Promise<PostgresFigure[]> {
  const startedAt = monotonicMs();
  const pid = child.pid ?? 0;
  let bytes = 0;
  let running = true;
  const watching = (async () => {
    while (running) {
      bytes = Math.max(bytes, peakMemoryBytes(pid) ?? 0);
      await pause(MEMORY_EVERY_MS);
    }
  })();
  await succeeded(child);
  const seconds = (monotonicMs() - startedAt) / 1000;
  running = false;
  await watching;
  return [
    { name, value: seconds, unit: 's' },
    { name: `${name}: memory`, value: bytes / 1e6, unit: 'MB' },
  ];
}

async function succeeded(child: ChildProcess): Promise<void> {
  const forget = onExit(() => child.kill('SIGKILL'));
  let said = '';
  child.stderr?.on('data', (text) => {
    said += text;
  });
  const [code] = await once(child, 'close');
  forget();
  if (code !== 0) throw new Error(`${child.spawnargs.slice(1).join(' ')} ended with ${code}: ${said}`);
}

function sizeOf(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}
