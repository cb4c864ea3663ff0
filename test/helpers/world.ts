import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import pg from 'pg';
import { pino } from 'pino';
import { Agent, request } from 'undici';
import { expect } from 'vitest';
import { compose, firstStart } from '../../src/app.ts';
import type { Engine } from '../../src/engine.ts';
import type { HttpServer } from '../../src/http/server.ts';
import type { Application } from '../../src/model/application.ts';
import type { Clock } from '../../src/model/clock.ts';
import { type MasterKey, parseMasterKey } from '../../src/model/sealed.ts';
import { SharedClock } from '../../src/model/shared-clock.ts';
import { readSettings, type Settings } from '../../src/settings.ts';
import { openPostgresStore } from '../../src/store/postgres/open.ts';
import { openSqliteStore } from '../../src/store/sqlite/open.ts';
import type { Store } from '../../src/store/store.ts';
import { systemClock } from '../../src/system/clock.ts';
import { systemRandom as random } from '../../src/system/random.ts';
import { assertDocumented } from './conformance.ts';
import { type TestDatabase, testDatabase } from './postgres.ts';

const LOOPBACK = ['127.0.0.0/8', '::1/128'];
const COMPANY_TOKEN = 'phk_token_of_company_1';
const masterKey = parseMasterKey('5e'.repeat(32)) as MasterKey;

/** With `POSTHORN_TEST_STORE=postgres`, worlds that have no database are on one of their own: by the folder that outlives them. */
const ownDatabases = new Map<string, TestDatabase>();

async function databaseOf(folder: string): Promise<string | undefined> {
  if (process.env.POSTHORN_TEST_STORE !== 'postgres') return undefined;
  const known = ownDatabases.get(folder) ?? (await testDatabase());
  ownDatabases.set(folder, known);
  return known.url;
}

async function removeAll(folder: string): Promise<void> {
  await rm(folder, { recursive: true });
  await ownDatabases.get(folder)?.dispose();
  ownDatabases.delete(folder);
}

export interface WorldOptions {
  /** Networks that targets may lie in; loopback when left out. */
  allow?: readonly string[];
  /** A folder that outlives the world, to start again in it. */
  folder?: string;
  retryScheduleMs?: readonly number[];
  /** Nothing but failure for so long disables an endpoint; null: nothing does. As by default when left out. */
  disableAfterMs?: number | null;
  /** To move the time. */
  clock?: Clock;
  /** Goes by the database's time, as a server does. Left out: by `clock`, which a test may move away from that. */
  storeTime?: boolean;
  /** URL of the PostgreSQL database to use, which other worlds may use too, in place of a file. */
  database?: string;
  nodeLeaseMs?: number;
  /** Wraps the store, to make it fail. */
  store?: (store: Store) => Store;
}

export interface Call {
  /** Sent as bearer. */
  key?: string;
  headers?: Record<string, string>;
  /** Text and bytes go as they are, anything else as JSON. */
  body?: unknown;
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they expect out of it.
  json(): any;
}

/** A whole server of its own over a real socket, with company 1 and the catalogue, as after a first start. */
export interface World {
  readonly url: string;
  readonly folder: string;
  readonly operatorKey: string;
  readonly company: Company;
  readonly engine: Engine;
  readonly http: HttpServer;
  /** What the server logged, as JSON lines. */
  readonly logged: readonly string[];
  /** Another company. */
  addCompany(name: string, uid?: string): Promise<Company>;
  /** Throws when the answer is not what `openapi.json` promises. */
  call(method: string, path: string, call?: Call): Promise<Reply>;
  /** A call of the Web Hooks API as a company; company 1 when left out. */
  hooks(method: string, path: string, body?: unknown, company?: Company): Promise<Reply>;
  /** A call of the operator API as the operator. */
  operate(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
  /** Ends the server and everything it holds; `keepFolder` leaves the folder for the next world. */
  close(options?: { keepFolder?: boolean }): Promise<void>;
  /** What the store has of applications and endpoints, as it stands on the disk. */
  kept(): Promise<string>;
  /** As if the process died: nothing is told to the store any more. */
  crash(): Promise<void>;
}

export interface Company {
  readonly application: Application;
  readonly token: string;
}

export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const own = options.clock ?? systemClock;
  const clock = options.storeTime === true ? new SharedClock(own) : own;
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'posthorn-test-')));
  const database = options.database ?? (await databaseOf(folder));
  const opened = await (database ? openPostgresStore({ url: database, clock }) : openSqliteStore({ folder }));
  const store = options.store?.(opened) ?? opened;
  const logged: string[] = [];
  const sink = new Writable({
    write(chunk, _encoding, done) {
      logged.push(String(chunk));
      done();
    },
  });
  const log = pino({ level: 'trace' }, sink);
  const operatorKey = 'phk_operator_key_of_the_tests';
  const settings = settingsOf(options, folder, operatorKey);
  const params = { settings, masterKey, log, clock, random, openFiles: 65_536 };
  const { engine, http, keyring, tests, trouble } = await compose(params, store, (error) => {
    logged.push(`broken: ${error.message}`);
  });
  const { registry } = engine;
  await store.exclusively(() => firstStart({ settings, store, registry, keyring, clock, log }));
  const first = (await store.applicationFindByNumber({ number: 1 })) as Application;
  const enrol = async (application: Application): Promise<Company> => {
    const scope = { applicationKey: application.key, capabilities: null, featureFlags: [], expiresAt: null };
    const { text } = await keyring.create({ name: `company ${application.number}`, ...scope });
    return { application, token: text };
  };
  const company = { application: first, token: COMPANY_TOKEN };
  await engine.start();
  keyring.start();
  const url = await http.listen({ host: '127.0.0.1', port: 0 });
  // No call takes longer: one that does is named by what fails, not by the test's time.
  const agent = new Agent({ connections: 64, headersTimeout: 10_000, bodyTimeout: 10_000 });

  const call: World['call'] = async (method, path, { key, headers, body } = {}) => {
    const answer = await request(url + path, {
      method: method as 'GET',
      headers: { ...(key === undefined ? {} : { authorization: `Bearer ${key}` }), ...headers },
      body:
        body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
      dispatcher: agent,
    });
    const text = await answer.body.text();
    await assertDocumented(() => http.openapi(), { method, path, status: answer.statusCode, text });
    return { status: answer.statusCode, headers: answer.headers, text, json: () => JSON.parse(text) };
  };
  return {
    url,
    folder,
    operatorKey,
    company,
    engine,
    http,
    logged,
    call,
    async addCompany(name, uid) {
      return enrol(
        await registry.applicationCreate({ uid: uid ?? null, name, throttleRate: null, metadata: {} }),
      );
    },
    hooks: (method, path, body, as = company) => call(method, path, { key: as.token, body }),
    operate: (method, path, body, headers) => call(method, path, { key: operatorKey, body, headers }),
    kept: () => (database ? keptBy(database) : keptIn(folder)),
    async crash() {
      trouble.stop();
      await store.close();
      await Promise.all([engine.close(), agent.destroy(), http.close(), tests.close()]);
      await keyring.close();
      await removeAll(folder);
    },
    async close({ keepFolder = false } = {}) {
      trouble.stop();
      await agent.close();
      await http.close();
      await engine.drain();
      await Promise.all([engine.close(), tests.close(), keyring.close()]);
      await store.close();
      if (!keepFolder) await removeAll(folder);
      expect(logged.filter((line) => line.startsWith('broken:'))).toEqual([]);
    },
  };
}

async function keptIn(folder: string): Promise<string> {
  const names = await readdir(folder);
  return (await Promise.all(names.map((name) => readFile(join(folder, name), 'latin1')))).join('');
}

/** What is encrypted, too, as its bytes. */
async function keptBy(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query(
    `SELECT a::text AS text FROM posthorn.application a UNION ALL
     SELECT e::text || encode(sealed_secret, 'escape') || coalesce(encode(sealed_headers, 'escape'), '') FROM posthorn.endpoint e`,
  );
  await client.end();
  return rows.map(({ text }) => text).join('');
}

/** The main thread sends: a world starts in milliseconds. */
function settingsOf(options: WorldOptions, folder: string, operatorKey: string): Settings {
  const read = readSettings({
    mode: 'development',
    env: {
      POSTHORN_LISTEN: '127.0.0.1:0',
      POSTHORN_DATA: folder,
      POSTHORN_OPERATOR_KEY: operatorKey,
      POSTHORN_COMPANY_TOKEN: COMPANY_TOKEN,
      POSTHORN_ALLOW_NETWORKS: options.allow?.join(',') || (options.allow ? 'none' : LOOPBACK.join(',')),
      POSTHORN_RETRY_SCHEDULE: (options.retryScheduleMs ?? [20, 20]).map((ms) => `${ms}ms`).join(','),
      POSTHORN_REQUEST_TIMEOUT: '2s',
      ...(options.disableAfterMs !== undefined && {
        POSTHORN_DISABLE_AFTER: options.disableAfterMs === null ? 'none' : `${options.disableAfterMs}ms`,
      }),
      ...(options.nodeLeaseMs !== undefined && { POSTHORN_NODE_LEASE: `${options.nodeLeaseMs}ms` }),
      POSTHORN_SENDERS: '0',
    },
    flags: {},
  });
  if (!read.ok) throw new Error(read.problems.join('; '));
  return read.settings;
}
