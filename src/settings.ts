import { resolve } from 'node:path';
import { NODE_LEASE_MS } from './limits.ts';
import { parseNetworks } from './model/address.ts';
import { parseDurationMs } from './model/retry-schedule.ts';
import { parseMasterKey } from './model/sealed.ts';
import { unknownVariables } from './unknown-variables.ts';

/**
 * Every setting: its name, default, bounds and meaning. Parsing, error texts, and (by `cli/settings-text.ts`) `--help`
 * and docs/settings.md all come from `schema` below, so that they can't disagree. Read once, at the start, and frozen.
 */
export interface Settings {
  readonly mode: Mode;
  /** Port 0: any free one. An IPv6 host is without brackets. */
  readonly listen: { readonly host: string; readonly port: number };
  /** An absolute path. */
  readonly dataFolder: string;
  readonly store: 'sqlite' | `postgres://${string}`;
  /** Null: generated at first start. */
  readonly operatorKey: string | null;
  /** Null: generated at first start. */
  readonly companyToken: string | null;
  /** As `parseMasterKey` reads it. Null: the file `master.key` in the data folder. */
  readonly masterKey: string | null;
  /** As `parseNetworks` reads them. */
  readonly allowNetworks: readonly string[];
  readonly retryScheduleMs: readonly number[];
  readonly requestTimeoutMs: number;
  /** Nothing but failure for so long disables an endpoint. Null: nothing does. */
  readonly disableAfterMs: number | null;
  readonly signatureHeaders: SignatureHeaders;
  /** Without a slash at the end. Null: where a call came in. */
  readonly publicUrl: string | null;
  readonly shutdownGraceMs: number;
  readonly logLevel: LogLevel;
  /** How long the other nodes wait for this one's beat until they take over. */
  readonly nodeLeaseMs: number;
  /** How long messages and what became of them are kept. Null: for good. */
  readonly retentionMs: number | null;
  /** Threads that send; 0: the main thread sends. */
  readonly senderThreads: 0 | 1;
}

export type Mode = 'development' | 'production';
export type SignatureHeaders = 'standard' | 'svix' | 'both';
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

export const KEY_CHARACTERS_LEAST = 16;
export const KEY_CHARACTERS_MOST = 256;
const RETRIES_MOST = 50;
const RETRY_DELAY_MS = { least: 10, most: 7 * 86_400_000 };
const REQUEST_TIMEOUT_MS = { least: 100, most: 300_000 };
const DISABLE_AFTER_MS = { least: 1_000, most: 90 * 86_400_000 };
const RETENTION_MS = { least: 86_400_000, most: 3_650 * 86_400_000 };
const SHUTDOWN_GRACE_MS = { least: 0, most: 600_000 };
const PORT_MOST = 65_535;

/** `problem` follows `POSTHORN_X "value"`; `instead` follows "Write". */
type Wrong = { problem: string; instead: string };
type Parsed<Value> = { value: Value } | Wrong;

export interface Setting<Value> {
  env: string;
  flag: string;
  /** How the value looks, for help. */
  form: string;
  /** As text; null: see `absent`. */
  default: string | null;
  /** The default of `npm start`, where it differs. */
  developmentDefault?: string;
  /** For help: what happens without it. */
  absent?: string;
  parse(text: string): Parsed<Value>;
  /** One sentence. */
  doc: string;
  /** Its value is never repeated in a message. */
  secret?: boolean;
}

const schema: { readonly [Name in Exclude<keyof Settings, 'mode'>]: Setting<Settings[Name]> } = {
  listen: {
    env: 'POSTHORN_LISTEN',
    flag: '--listen',
    form: 'host:port',
    default: '127.0.0.1:8071',
    parse: parseListen,
    doc: 'Address and port that the API listens on; 0.0.0.0 is every IPv4 address of this machine, and port 0 any free port.',
  },
  publicUrl: {
    env: 'POSTHORN_PUBLIC_URL',
    flag: '--public-url',
    form: 'url',
    default: null,
    absent: 'the address a call came in at',
    parse: parsePublicUrl,
    doc: 'Where people reach this server, such as https://hooks.example.com: the address that app-portal-access answers with begins so.',
  },
  dataFolder: {
    env: 'POSTHORN_DATA',
    flag: '--data',
    form: 'folder',
    default: './posthorn-data',
    parse: parseFolder,
    doc: 'Folder of the SQLite file and the generated keys; it is created when absent, for the own user only.',
  },
  store: {
    env: 'POSTHORN_STORE',
    flag: '--store',
    form: 'store',
    default: 'sqlite',
    parse: parseStore,
    doc: 'Where everything is kept: sqlite (one file in the data folder, one process), or postgres://user:password@host/database for any number of processes, PostgreSQL 14 or newer.',
    secret: true,
  },
  operatorKey: {
    env: 'POSTHORN_OPERATOR_KEY',
    flag: '--operator-key',
    form: 'key',
    default: null,
    absent: 'generated and shown at first start',
    parse: parseKey,
    doc: 'The operator API accepts this key for every company; only its hash is stored.',
    secret: true,
  },
  companyToken: {
    env: 'POSTHORN_COMPANY_TOKEN',
    flag: '--company-token',
    form: 'token',
    default: null,
    absent: 'generated and shown at first start',
    parse: parseKey,
    doc: 'The Web Hooks API accepts this token (auth_token) for company 1; only its hash is stored.',
    secret: true,
  },
  masterKey: {
    env: 'POSTHORN_MASTER_KEY',
    flag: '--master-key',
    form: 'key',
    default: null,
    absent: 'generated into master.key in the data folder',
    parse: parseMasterKeyText,
    doc: 'Encrypts the signing secrets at rest: 32 bytes in base64 or hex, the same at every start.',
    secret: true,
  },
  allowNetworks: {
    env: 'POSTHORN_ALLOW_NETWORKS',
    flag: '--allow-networks',
    form: 'networks',
    default: 'none',
    developmentDefault: '127.0.0.0/8,::1/128',
    parse: parseAllowNetworks,
    doc: 'Networks that web hooks may point to although they are not public, as CIDRs separated by commas, or none.',
  },
  retryScheduleMs: {
    env: 'POSTHORN_RETRY_SCHEDULE',
    flag: '--retry-schedule',
    form: 'durations',
    default: '5s,5m,30m,2h,5h,10h,10h',
    parse: parseRetrySchedule,
    doc: `Waits before each further attempt, separated by commas, or none: at most ${RETRIES_MOST}, each from 10ms to 7d, spread by 20 % either way.`,
  },
  requestTimeoutMs: {
    env: 'POSTHORN_REQUEST_TIMEOUT',
    flag: '--request-timeout',
    form: 'duration',
    default: '15s',
    parse: (text) => parseDuration(text, REQUEST_TIMEOUT_MS, '100ms to 5m', '15s'),
    doc: 'Longest time of one attempt, from connecting to the last byte of the answer, from 100ms to 5m.',
  },
  disableAfterMs: {
    env: 'POSTHORN_DISABLE_AFTER',
    flag: '--disable-after',
    form: 'duration',
    default: '5d',
    parse: parseDisableAfter,
    doc: 'How long nothing but failure must come back from an endpoint until it is disabled, from 1s to 90d, or none: then it is tried for ever.',
  },
  signatureHeaders: {
    env: 'POSTHORN_SIGNATURE_HEADERS',
    flag: '--signature-headers',
    form: 'names',
    default: 'standard',
    parse: (text) => parseChoice(text, ['standard', 'svix', 'both']),
    doc: 'Names of the signature headers: standard (webhook-id, webhook-timestamp, webhook-signature), svix (svix-…), or both.',
  },
  shutdownGraceMs: {
    env: 'POSTHORN_SHUTDOWN_GRACE',
    flag: '--shutdown-grace',
    form: 'duration',
    default: '20s',
    parse: (text) => parseDuration(text, SHUTDOWN_GRACE_MS, '0s to 10m', '20s'),
    doc: 'How long SIGTERM waits for attempts under way, from 0s to 10m; what is broken off then goes out after the next start.',
  },
  logLevel: {
    env: 'POSTHORN_LOG_LEVEL',
    flag: '--log-level',
    form: 'level',
    default: 'info',
    parse: (text) => parseChoice(text, ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    doc: 'Least level that is logged: trace, debug, info, warn, error, fatal or silent.',
  },
  nodeLeaseMs: {
    env: 'POSTHORN_NODE_LEASE',
    flag: '--node-lease',
    form: 'duration',
    default: '15s',
    parse: (text) => parseDuration(text, NODE_LEASE_MS, '2s to 5m', '15s'),
    doc: 'With PostgreSQL: how soon, at the latest, other nodes send what a node that died had under way, from 2s to 5m, the same on all nodes (the log of each says when it is not); a node that does not reach the database for two thirds of it sends nothing until it does.',
  },
  retentionMs: {
    env: 'POSTHORN_RETENTION',
    flag: '--retention',
    form: 'duration',
    default: 'none',
    parse: parseRetention,
    doc: 'How long messages, deliveries and attempts are kept at least, from 1d to 3650d, or none: for good; none goes while anything of it is open, and with PostgreSQL they go a partition at a time.',
  },
  senderThreads: {
    env: 'POSTHORN_SENDERS',
    flag: '--senders',
    form: 'count',
    default: '1',
    parse: parseSenders,
    doc: 'Threads that send: 1, or 0 to send on the main thread, which takes less memory and is slower.',
  },
};

const rows: [name: string, setting: Setting<unknown>][] = Object.entries(schema);
const VARIABLES = rows.map(([, setting]) => setting.env);

/** All settings, for the command line and the docs. */
export const settingList: readonly Setting<unknown>[] = Object.values(schema);

/** By name; absent is undefined. */
type Texts = Readonly<Record<string, string | undefined>>;

export type ReadSettings =
  | { readonly ok: true; readonly settings: Settings }
  /** Whole sentences, one for each problem. */
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * Reads all settings and reports all problems at once.
 * @param params.flags values by flag (`--listen`); a flag wins over its variable.
 */
export function readSettings(params: { mode: Mode; env: Texts; flags?: Texts }): ReadSettings {
  const { mode, env, flags = {} } = params;
  const problems = unknownVariables(env, VARIABLES);
  const values: Record<string, unknown> = { mode };
  const sources: Record<string, string> = {};
  for (const [name, setting] of rows) {
    const { text, source } = given(setting, env, flags);
    sources[name] = source;
    const chosen = text ?? defaultText(setting, mode);
    const parsed = chosen === null ? { value: null } : setting.parse(chosen);
    if ('value' in parsed) values[name] = parsed.value;
    else problems.push(sentence(source, setting, chosen ?? '', parsed));
  }
  problems.push(...crossCheck(values, sources));
  if (problems.length > 0) return { ok: false, problems };
  // The mapped type of `schema` gives every key the type that Settings has for it.
  return { ok: true, settings: freeze(values) as unknown as Settings };
}

function defaultText(setting: Setting<unknown>, mode: Mode): string | null {
  return (mode === 'development' ? setting.developmentDefault : undefined) ?? setting.default;
}

type Given = { text: string | undefined; source: string };

function given(setting: Setting<unknown>, env: Texts, flags: Texts): Given {
  const flag = flags[setting.flag];
  if (flag !== undefined) return { text: flag.trim(), source: setting.flag };
  // A variable set to nothing is how Compose files and CI systems pass on one that is not set.
  return { text: env[setting.env]?.trim() || undefined, source: setting.env };
}

function sentence(
  source: string,
  setting: Setting<unknown>,
  text: string,
  { problem, instead }: Wrong,
): string {
  const value = setting.secret ? '' : ` ${JSON.stringify(text.slice(0, 100))}`;
  return `${source}${value} ${problem}. Write ${instead}.`;
}

function crossCheck(values: Record<string, unknown>, sources: Record<string, string>): string[] {
  return [...equalSecrets(values, sources), ...missingMasterKey(values)];
}

/** Each node would generate one of its own, and could not open what the others sealed. */
function missingMasterKey({ mode, store, masterKey }: Record<string, unknown>): string[] {
  if (mode === 'development' || store === 'sqlite' || store === undefined || masterKey !== null) return [];
  return [
    'POSTHORN_MASTER_KEY is not set, and every node on a PostgreSQL database needs the same one. Write what "openssl rand -base64 32" prints, and keep it: without it the signing secrets in the database are lost.',
  ];
}

/** Two secrets that are equal would give the one's holder the other's rights. */
function equalSecrets(values: Record<string, unknown>, sources: Record<string, string>): string[] {
  const secrets = ['operatorKey', 'companyToken', 'masterKey'].filter((name) => values[name]);
  return secrets.flatMap((one, index) => {
    const same = secrets.slice(index + 1).filter((other) => values[one] === values[other]);
    return same.map(
      (other) => `${sources[one]} and ${sources[other]} are the same. Write a different value for each.`,
    );
  });
}

function wrong(problem: string, instead: string): Wrong {
  return { problem, instead };
}

function parseListen(text: string): Parsed<Settings['listen']> {
  const instead = 'an address and a port, such as 127.0.0.1:8071 or [::1]:8071';
  if (/^\d+$/.test(text))
    return wrong('has no address before the port', `127.0.0.1:${text}, or 0.0.0.0:${text} for every address`);
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^[\]:\s/]*)):(\d{1,5})$/.exec(text);
  if (!found) return wrong('is not an address and a port', instead);
  const host = found[1] ?? found[2] ?? '';
  const port = Number(found[3]);
  if (host === '')
    return wrong('has no address before the port', `127.0.0.1:${port}, or 0.0.0.0:${port} for every address`);
  if (port > PORT_MOST) return wrong('has a port that does not exist', `a port from 0 to ${PORT_MOST}`);
  return { value: { host, port } };
}

function parsePublicUrl(text: string): Parsed<string> {
  const instead = 'the address that browsers use, such as https://hooks.example.com';
  if (!URL.canParse(text)) return wrong('is not a URL', instead);
  const { protocol, username, password, search, hash, href } = new URL(text);
  if (protocol !== 'https:' && protocol !== 'http:') return wrong('is not a URL of http or https', instead);
  if (username || password || search || hash) return wrong('has more than an address and a path', instead);
  return { value: href.replace(/\/$/, '') };
}

function parseFolder(text: string): Parsed<string> {
  if (text === '' || text.includes('\0')) return wrong('is not a folder', 'a path, such as ./posthorn-data');
  return { value: resolve(text) };
}

/** After the `?` of a store's URL: Posthorn's own, and those that `pg` goes by there. It would pass over any other in silence. */
const STORE_PARAMETERS = [
  ...['pool', 'pooler', 'host', 'port', 'user', 'password', 'options', 'application_name', 'client_encoding'],
  ...['fallback_application_name', 'ssl', 'sslmode', 'sslcert', 'sslkey', 'sslrootcert', 'sslnegotiation'],
  ...['uselibpqcompat', 'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'],
];

function parseStore(text: string): Parsed<Settings['store']> {
  if (text === 'sqlite') return { value: 'sqlite' };
  const instead = 'sqlite, or postgres://user:password@host:5432/database';
  if (!/^postgres(ql)?:\/\//.test(text)) return wrong('is not a store that Posthorn has', instead);
  if (!URL.canParse(text)) return wrong('is not a URL', instead);
  const url = new URL(text);
  if (url.pathname.length < 2) return wrong('names no database', instead);
  const pooler = url.searchParams.get('pooler');
  if (pooler !== null && pooler !== 'transaction')
    return wrong('has a pooler that is not known', '?pooler=transaction, or leave that out');
  const pool = url.searchParams.get('pool');
  if (pool !== null && !(/^\d{1,3}$/.test(pool) && Number(pool) >= 2 && Number(pool) <= 200))
    return wrong('has a pool that is not usable', '?pool= with 2 to 200 connections, or leave that out');
  const unknown = [...new Set(url.searchParams.keys())].filter((name) => !STORE_PARAMETERS.includes(name));
  if (unknown.length > 0)
    return wrong(
      `has what is not known after the ?: ${unknown.map((name) => name.slice(0, 50)).join(', ')}`,
      `only ${STORE_PARAMETERS.join(', ')} there`,
    );
  url.protocol = 'postgres:';
  return { value: url.href as `postgres://${string}` };
}

function parseKey(text: string): Parsed<string> {
  const instead = `${KEY_CHARACTERS_LEAST} to ${KEY_CHARACTERS_MOST} letters, digits and signs, for example what "openssl rand -hex 24" prints`;
  if (/\s/.test(text)) return wrong('has white space in it', instead);
  // It travels in a header, where other characters arrive as different ones.
  if (!/^[\x21-\x7e]*$/.test(text)) return wrong('has characters that are not ASCII', instead);
  if (text.length < KEY_CHARACTERS_LEAST) return wrong(`is too short (${text.length} characters)`, instead);
  if (text.length > KEY_CHARACTERS_MOST) return wrong(`is too long (${text.length} characters)`, instead);
  return { value: text };
}

function parseMasterKeyText(text: string): Parsed<string> {
  if (parseMasterKey(text) !== null) return { value: text };
  return wrong('is not 32 bytes in base64 or hex', 'what "openssl rand -base64 32" prints');
}

function parseAllowNetworks(text: string): Parsed<readonly string[]> {
  if (text === 'none') return { value: [] };
  const parsed = parseNetworks(text.split(','));
  if (parsed.ok) return { value: parsed.networks.map((network) => network.text) };
  return wrong(
    `is not a list of networks (${parsed.problems.join('; ')})`,
    'CIDRs separated by commas, such as 10.1.0.0/16,fd00::/8, or none',
  );
}

function parseRetrySchedule(text: string): Parsed<readonly number[]> {
  if (text === 'none') return { value: [] };
  const instead = 'durations separated by commas, such as 5s,5m,30m,2h, or none';
  const delays = text.split(',').map((each) => ({ text: each.trim(), ms: parseDurationMs(each) }));
  const unread = delays.find((delay) => delay.ms === null);
  if (unread) return wrong(`has ${JSON.stringify(unread.text)} in it, which is not a duration`, instead);
  if (delays.length > RETRIES_MOST) return wrong(`has ${delays.length} waits`, `at most ${RETRIES_MOST}`);
  const outside = delays.find(
    ({ ms }) => (ms as number) < RETRY_DELAY_MS.least || (ms as number) > RETRY_DELAY_MS.most,
  );
  if (outside) return wrong(`has the wait ${outside.text}`, 'waits from 10ms to 7d each');
  return { value: delays.map((delay) => delay.ms as number) };
}

function parseDisableAfter(text: string): Parsed<number | null> {
  if (text === 'none') return { value: null };
  const parsed = parseDuration(text, DISABLE_AFTER_MS, '1s to 90d', '5d');
  return 'value' in parsed ? parsed : wrong(parsed.problem, `${parsed.instead}, or none`);
}

function parseRetention(text: string): Parsed<number | null> {
  if (text === 'none') return { value: null };
  const parsed = parseDuration(text, RETENTION_MS, '1d to 3650d', '90d');
  return 'value' in parsed ? parsed : wrong(parsed.problem, `${parsed.instead}, or none`);
}

function parseDuration(
  text: string,
  bounds: { least: number; most: number },
  range: string,
  example: string,
): Parsed<number> {
  const ms = parseDurationMs(text);
  if (ms === null)
    return wrong('is not a duration', `a number and a unit (ms, s, m, h, d), such as ${example}`);
  if (ms < bounds.least) return wrong('is too short', `a duration from ${range}`);
  if (ms > bounds.most) return wrong('is too long', `a duration from ${range}`);
  return { value: ms };
}

function parseChoice<Choice extends string>(text: string, choices: readonly Choice[]): Parsed<Choice> {
  const value = choices.find((choice) => choice === text);
  if (value !== undefined) return { value };
  return wrong('is not one of the choices', `${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`);
}

function parseSenders(text: string): Parsed<0 | 1> {
  if (text === '0') return { value: 0 };
  if (text === '1') return { value: 1 };
  return wrong('is not a number of threads that Posthorn can use', '1, or 0 to send on the main thread');
}

function freeze(values: Record<string, unknown>): Readonly<Record<string, unknown>> {
  for (const value of Object.values(values)) Object.freeze(value);
  return Object.freeze(values);
}
