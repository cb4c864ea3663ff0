import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { type PostgresServer, startPostgres } from '../test/helpers/postgres-server.ts';
import { onExit } from './cleanup.ts';
import { freePort, ServerFolder, ServerProcess } from './server-process.ts';

/** As a careful operator runs it: every commit is on the disk before it is answered. */
const SETTINGS = [
  'fsync=on',
  'full_page_writes=on',
  'synchronous_commit=on',
  'shared_buffers=512MB',
  'max_wal_size=4GB',
];
const NAME = 'posthorn';

/** A PostgreSQL server of its own on this machine, with one database. */
export class PostgresDatabase {
  readonly url: string;
  readonly masterKey = randomBytes(32).toString('base64');
  readonly #server: PostgresServer;
  readonly #folders: ServerFolder[] = [];
  readonly #nodes: ServerProcess[] = [];

  private constructor(server: PostgresServer) {
    this.#server = server;
    this.url = server.url(NAME);
  }

  /** Runs `work` with one; it and its nodes are gone afterwards. */
  static async with<T>(work: (database: PostgresDatabase) => Promise<T>): Promise<T> {
    const server = await startPostgres({ settings: SETTINGS });
    const forget = onExit(() => process.kill(server.pid, 'SIGQUIT'));
    const database = new PostgresDatabase(server);
    try {
      await server.create(NAME);
      return await work(database);
    } catch (error) {
      for (const folder of database.#folders) console.error(`The end of a node's log:\n${folder.logEnd()}`);
      throw error;
    } finally {
      for (const node of database.#nodes) await node.kill();
      for (const folder of database.#folders) folder.remove();
      forget();
      await server.dispose();
    }
  }

  /** Starts a node on it. */
  async startNode(): Promise<ServerProcess> {
    const folder = new ServerFolder();
    this.#folders.push(folder);
    const env = { POSTHORN_STORE: this.url, POSTHORN_MASTER_KEY: this.masterKey };
    const node = new ServerProcess({ folder, port: await freePort(), env });
    this.#nodes.push(node);
    await node.ready();
    return node;
  }

  /** Runs SQL as the owner of the server. */
  async rows<Row extends object>(sql: string): Promise<Row[]> {
    return (await this.#server.query(sql, NAME)).rows as Row[];
  }

  /** A number that SQL asks for. */
  async number(sql: string): Promise<number> {
    const [row = {}] = await this.rows<Record<string, unknown>>(sql);
    return Number(Object.values(row)[0]);
  }

  async version(): Promise<string> {
    const [row] = await this.rows<{ server_version: string }>('SHOW server_version');
    return row?.server_version ?? '';
  }

  /** CPU time of the server's processes, the size of the database, and the position of its log. */
  async use(): Promise<{ cpuMs: number; bytes: number; walBytes: number }> {
    const bytes = await this.number(`SELECT pg_database_size('${NAME}')`);
    const walBytes = await this.number("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')");
    return { cpuMs: cpuOfChildren(this.#server.pid), bytes, walBytes };
  }
}

/** Of a process and its children, in ms: those that ended meanwhile are in it when their parent has heard of it. */
function cpuOfChildren(pid: number): number {
  let ms = 0;
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    let stat: string;
    try {
      stat = readFileSync(`/proc/${name}/stat`, 'utf8');
    } catch {
      continue;
    }
    const fields = stat.slice(stat.lastIndexOf(') ') + 2).split(' ');
    const ticks = (first: number) => Number(fields[first]) + Number(fields[first + 1]);
    if (Number(name) === pid) ms += (ticks(11) + ticks(13)) * 10;
    else if (Number(fields[1]) === pid) ms += ticks(11) * 10;
  }
  return ms;
}
