import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onExit } from './cleanup.ts';
import { monotonicMs, pause } from './clock.ts';

export const PROGRAM = join(import.meta.dirname, '..', 'bin', 'posthorn.js');
const READY_WITHIN_MS = 20_000;
const STOP_WITHIN_MS = 40_000;

export const OPERATOR_KEY = 'bench-operator-key-0123456789';
export const COMPANY_TOKEN = 'bench-company-token-0123456789';

/** A data folder of its own, removed at the end. */
export class ServerFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'posthorn-bench-'));
  readonly #forget = onExit(() => this.#delete());

  get logFile(): string {
    return join(this.path, 'server.log');
  }

  get dataFolder(): string {
    return join(this.path, 'data');
  }

  get dataFile(): string {
    return join(this.dataFolder, 'posthorn.db');
  }

  logEnd(): string {
    return readFileSync(this.logFile, 'utf8').slice(-4_000);
  }

  remove(): void {
    this.#forget();
    this.#delete();
  }

  #delete(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export interface ServerOptions {
  /** Settings besides those that all servers here have. */
  readonly env?: Readonly<Record<string, string>>;
  /** Flags of Node.js, such as `--cpu-prof`. */
  readonly node?: readonly string[];
}

/** The real server, as `posthorn serve` starts it. */
export class ServerProcess {
  readonly url: string;
  readonly spawnedAt = monotonicMs();
  readonly #process: ChildProcess;
  readonly #folder: ServerFolder;
  readonly #ended: Promise<unknown>;
  #readyAfterMs: number | null = null;

  constructor(params: { folder: ServerFolder; port: number } & ServerOptions) {
    this.#folder = params.folder;
    this.url = `http://127.0.0.1:${params.port}`;
    // A file takes the log whatever happens here; a pipe that nobody reads would stop the server.
    const log = openSync(params.folder.logFile, 'a');
    this.#process = spawn(process.execPath, [...(params.node ?? []), PROGRAM, 'serve'], {
      cwd: params.folder.path,
      stdio: ['ignore', log, log],
      env: { ...inherited(), ...settings(params.folder, params.port), ...params.env },
    });
    closeSync(log);
    const forget = onExit(() => this.#process.kill('SIGKILL'));
    this.#ended = once(this.#process, 'exit').finally(forget);
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Ms from its spawn until it was ready, as far as `ready` knows; null: not yet. */
  get readyAfterMs(): number | null {
    return this.#readyAfterMs;
  }

  /** Resolves when it answers, with the ms since it was spawned. Rejects with its log when it ends or takes too long. */
  async ready(): Promise<number> {
    if (this.#readyAfterMs !== null) return this.#readyAfterMs;
    while (this.running && monotonicMs() - this.spawnedAt < READY_WITHIN_MS) {
      const status = await fetch(`${this.url}/api/v1/health/ping`).then(
        (answer) => answer.status,
        () => null,
      );
      if (status === 204) {
        this.#readyAfterMs = monotonicMs() - this.spawnedAt;
        return this.#readyAfterMs;
      }
      await pause(10);
    }
    const why = this.running ? `is not ready after ${READY_WITHIN_MS / 1000} s` : 'ended';
    throw new Error(`The server ${why}.`);
  }

  /** SIGKILL. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#ended;
  }

  /** SIGSTOP: it is there and does nothing, as on a machine that hangs. */
  freeze(): void {
    this.#process.kill('SIGSTOP');
  }

  /** SIGCONT. */
  thaw(): void {
    this.#process.kill('SIGCONT');
  }

  /** SIGTERM. Resolves with the exit code: 0 when it ended as it should; null when it had to be killed. */
  async stop(): Promise<number | null> {
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), STOP_WITHIN_MS);
    this.#process.kill('SIGTERM');
    await this.#ended;
    clearTimeout(timer);
    return this.#process.exitCode;
  }

  /** CPU time used so far by all its threads, in ms; null where the system does not say (only Linux does). */
  cpuMs(): number | null {
    try {
      const fields = readFileSync(`/proc/${this.#process.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
      // utime and stime, in the kernel's 10 ms ticks.
      return (Number(fields[11]) + Number(fields[12])) * 10;
    } catch {
      return null;
    }
  }

  /** The most memory it had at once, in bytes; null where the system does not say. */
  peakMemoryBytes(): number | null {
    return this.#process.pid === undefined ? null : peakMemoryBytes(this.#process.pid);
  }

  logEnd(): string {
    return this.#folder.logEnd();
  }
}

/** The most memory that a process had at once, in bytes; null where the system does not say (only Linux does). */
export function peakMemoryBytes(pid: number): number | null {
  try {
    const found = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return found === null ? null : Number(found[1]) * 1024;
  } catch {
    return null;
  }
}

/** The environment without the settings of whoever runs this. */
export function inherited(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('POSTHORN_')));
}

function settings(folder: ServerFolder, port: number): Record<string, string> {
  return {
    POSTHORN_LISTEN: `127.0.0.1:${port}`,
    POSTHORN_DATA: folder.dataFolder,
    POSTHORN_OPERATOR_KEY: OPERATOR_KEY,
    POSTHORN_COMPANY_TOKEN: COMPANY_TOKEN,
    POSTHORN_ALLOW_NETWORKS: '127.0.0.0/8',
    POSTHORN_LOG_LEVEL: 'warn',
  };
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('There is no free port.');
  return address.port;
}

/** Runs `work` against a server in a folder of its own; both are gone afterwards. A folder that is given stays. */
export async function withServer<T>(
  work: (server: ServerProcess) => Promise<T>,
  { folder: given, ...options }: { folder?: ServerFolder } & ServerOptions = {},
): Promise<T> {
  const folder = given ?? new ServerFolder();
  const server = new ServerProcess({ folder, port: await freePort(), ...options });
  try {
    await server.ready();
    return await work(server);
  } catch (error) {
    console.error(`The end of the server's log:\n${server.logEnd()}`);
    throw error;
  } finally {
    await server.kill();
    if (given === undefined) folder.remove();
  }
}
