import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { settingOptions, settingsMarkdown } from './cli/settings-text.ts';
import { readSettings, type Settings, settingList } from './settings.ts';

type Env = Record<string, string>;

function settings(env: Env, flags: Env = {}, mode: Settings['mode'] = 'production'): Settings {
  const read = readSettings({ mode, env, flags });
  if (!read.ok) throw new Error(read.problems.join('\n'));
  return read.settings;
}

function problems(env: Env, flags: Env = {}): readonly string[] {
  const read = readSettings({ mode: 'production', env, flags });
  return read.ok ? [] : read.problems;
}

const KEY = 'k'.repeat(16);
const OTHER_KEY = 'o'.repeat(16);
const MASTER_KEY = Buffer.alloc(32, 7).toString('base64');

const DEFAULTS: Settings = {
  mode: 'production',
  listen: { host: '127.0.0.1', port: 8071 },
  dataFolder: resolve('posthorn-data'),
  store: 'sqlite',
  operatorKey: null,
  companyToken: null,
  masterKey: null,
  allowNetworks: [],
  retryScheduleMs: [5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 36_000_000],
  requestTimeoutMs: 15_000,
  disableAfterMs: 432_000_000,
  signatureHeaders: 'standard',
  publicUrl: null,
  shutdownGraceMs: 20_000,
  logLevel: 'info',
  nodeLeaseMs: 15_000,
  retentionMs: null,
  senderThreads: 1,
};

describe('defaults', () => {
  test('of production', () => {
    expect(settings({})).toEqual(DEFAULTS);
  });

  test('of development, which only adds loopback', () => {
    expect(settings({}, {}, 'development')).toEqual({
      ...DEFAULTS,
      mode: 'development',
      allowNetworks: ['127.0.0.0/8', '::1/128'],
    });
  });

  test('a variable set to nothing counts as not set', () => {
    const empty = Object.fromEntries(settingList.map(({ env }) => [env, ' ']));
    expect(settings(empty)).toEqual(DEFAULTS);
  });

  test('the result is frozen, also inside', () => {
    const read = settings({});
    for (const part of [read, read.listen, read.allowNetworks, read.retryScheduleMs]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });
});

/** Name of the variable, what is written, what it becomes. */
const ACCEPTED: [env: string, text: string, name: keyof Settings, value: unknown][] = [
  ['POSTHORN_LISTEN', '0.0.0.0:0', 'listen', { host: '0.0.0.0', port: 0 }],
  ['POSTHORN_LISTEN', '[::1]:65535', 'listen', { host: '::1', port: 65_535 }],
  ['POSTHORN_LISTEN', 'localhost:80', 'listen', { host: 'localhost', port: 80 }],
  ['POSTHORN_DATA', '/var/lib/posthorn', 'dataFolder', resolve('/var/lib/posthorn')],
  ['POSTHORN_STORE', 'sqlite', 'store', 'sqlite'],
  ['POSTHORN_OPERATOR_KEY', KEY, 'operatorKey', KEY],
  ['POSTHORN_OPERATOR_KEY', 'k'.repeat(256), 'operatorKey', 'k'.repeat(256)],
  ['POSTHORN_COMPANY_TOKEN', ` ${KEY}\n`, 'companyToken', KEY],
  ['POSTHORN_MASTER_KEY', MASTER_KEY, 'masterKey', MASTER_KEY],
  ['POSTHORN_MASTER_KEY', 'ab'.repeat(32), 'masterKey', 'ab'.repeat(32)],
  ['POSTHORN_ALLOW_NETWORKS', '10.0.0.0/8, fd00::/8', 'allowNetworks', ['10.0.0.0/8', 'fd00::/8']],
  ['POSTHORN_ALLOW_NETWORKS', 'none', 'allowNetworks', []],
  ['POSTHORN_RETRY_SCHEDULE', '10ms, 1.5s,2m,7d', 'retryScheduleMs', [10, 1_500, 120_000, 604_800_000]],
  ['POSTHORN_RETRY_SCHEDULE', 'none', 'retryScheduleMs', []],
  ['POSTHORN_RETRY_SCHEDULE', Array(50).fill('1s').join(), 'retryScheduleMs', Array(50).fill(1_000)],
  ['POSTHORN_REQUEST_TIMEOUT', '100ms', 'requestTimeoutMs', 100],
  ['POSTHORN_REQUEST_TIMEOUT', '5m', 'requestTimeoutMs', 300_000],
  ['POSTHORN_DISABLE_AFTER', 'none', 'disableAfterMs', null],
  ['POSTHORN_RETENTION', 'none', 'retentionMs', null],
  ['POSTHORN_RETENTION', '90d', 'retentionMs', 90 * 86_400_000],
  ['POSTHORN_DISABLE_AFTER', '1.5d', 'disableAfterMs', 129_600_000],
  ['POSTHORN_SIGNATURE_HEADERS', 'svix', 'signatureHeaders', 'svix'],
  ['POSTHORN_SIGNATURE_HEADERS', 'both', 'signatureHeaders', 'both'],
  ['POSTHORN_PUBLIC_URL', 'https://hooks.example.com/', 'publicUrl', 'https://hooks.example.com'],
  ['POSTHORN_PUBLIC_URL', 'http://Example.com:80/in/here', 'publicUrl', 'http://example.com/in/here'],
  ['POSTHORN_SHUTDOWN_GRACE', '0s', 'shutdownGraceMs', 0],
  ['POSTHORN_SHUTDOWN_GRACE', '10m', 'shutdownGraceMs', 600_000],
  ['POSTHORN_LOG_LEVEL', 'silent', 'logLevel', 'silent'],
  ['POSTHORN_NODE_LEASE', '2s', 'nodeLeaseMs', 2_000],
  ['POSTHORN_SENDERS', '0', 'senderThreads', 0],
];

test.each(ACCEPTED)('%s=%s', (env, text, name, value) => {
  expect(settings({ [env]: text })[name]).toEqual(value);
  const flag = settingList.find((setting) => setting.env === env)?.flag as string;
  expect(settings({}, { [flag]: text })[name]).toEqual(value);
});

/** Name of the variable, what is written, what the problem's sentence has in it. */
const REFUSED: [env: string, text: string, ...says: string[]][] = [
  ['POSTHORN_LISTEN', '8071', '"8071"', 'no address', 'Write 127.0.0.1:8071, or 0.0.0.0:8071'],
  ['POSTHORN_LISTEN', ':8071', 'no address', '127.0.0.1:8071'],
  ['POSTHORN_LISTEN', 'localhost', 'not an address and a port', 'such as 127.0.0.1:8071'],
  ['POSTHORN_LISTEN', '::1:8071', 'not an address and a port', '[::1]:8071'],
  ['POSTHORN_LISTEN', '127.0.0.1:65536', 'a port that does not exist', '0 to 65535'],
  ['POSTHORN_DATA', 'a\0b', 'not a folder'],
  ['POSTHORN_STORE', 'mysql', 'not a store', 'Write sqlite'],
  ['POSTHORN_STORE', 'postgres://me:hidden@db', 'names no database', 'Write sqlite, or postgres://'],
  ['POSTHORN_STORE', 'postgres://me:hidden@db/x?pooler=session', 'pooler', '?pooler=transaction'],
  ['POSTHORN_STORE', 'postgres://me:hidden@db/x?pool=1', 'pool', '2 to 200'],
  [
    'POSTHORN_STORE',
    'postgres://me:hidden@db/x?pool=3&pol=3&Pool=4&pol=5',
    'after the ?: pol, Pool',
    'Write only pool, pooler, host',
    'sslmode',
  ],
  ['POSTHORN_OPERATOR_KEY', 'k'.repeat(15), '15 characters', 'Write 16 to 256', 'openssl rand'],
  ['POSTHORN_OPERATOR_KEY', 'k'.repeat(257), '257 characters'],
  ['POSTHORN_COMPANY_TOKEN', 'a token that is hidden', 'white space'],
  ['POSTHORN_COMPANY_TOKEN', 'schlüssel-schlüssel', 'not ASCII'],
  ['POSTHORN_MASTER_KEY', Buffer.alloc(31).toString('base64'), '32 bytes', 'openssl rand -base64 32'],
  [
    'POSTHORN_ALLOW_NETWORKS',
    '10.0.0.1/8,x',
    'mean 10.0.0.0/8',
    '"x" is not a network',
    'separated by commas',
  ],
  ['POSTHORN_RETRY_SCHEDULE', '5s,,5m', '"" in it', 'such as 5s'],
  ['POSTHORN_RETRY_SCHEDULE', '5s,soon', '"soon" in it'],
  ['POSTHORN_RETRY_SCHEDULE', '5s,9ms', 'the wait 9ms', '10ms to 7d'],
  ['POSTHORN_RETRY_SCHEDULE', '8d', 'the wait 8d', '10ms to 7d'],
  ['POSTHORN_RETRY_SCHEDULE', Array(51).fill('1s').join(), '51 waits', 'at most 50'],
  ['POSTHORN_REQUEST_TIMEOUT', '15', 'not a duration', 'such as 15s'],
  ['POSTHORN_REQUEST_TIMEOUT', '99ms', 'too short', '100ms to 5m'],
  ['POSTHORN_REQUEST_TIMEOUT', '301s', 'too long', '100ms to 5m'],
  ['POSTHORN_DISABLE_AFTER', 'never', 'not a duration', 'such as 5d, or none'],
  ['POSTHORN_RETENTION', '1h', 'too short', '1d to 3650d, or none'],
  ['POSTHORN_DISABLE_AFTER', '91d', 'too long', '1s to 90d, or none'],
  ['POSTHORN_SIGNATURE_HEADERS', 'Standard', 'Write standard, svix or both'],
  ['POSTHORN_PUBLIC_URL', 'hooks.example.com', 'not a URL', 'such as https://hooks.example.com'],
  ['POSTHORN_PUBLIC_URL', 'ftp://example.com', 'not a URL of http'],
  ['POSTHORN_PUBLIC_URL', 'https://me@example.com', 'more than an address'],
  ['POSTHORN_PUBLIC_URL', 'https://example.com/?a=b', 'more than an address'],
  ['POSTHORN_SHUTDOWN_GRACE', '11m', 'too long', '0s to 10m'],
  ['POSTHORN_LOG_LEVEL', 'warning', 'trace, debug, info, warn, error, fatal or silent'],
  ['POSTHORN_NODE_LEASE', '1s', 'Write a duration from 2s to 5m'],
  ['POSTHORN_SENDERS', '2', 'Write 1, or 0'],
];

test.each(REFUSED)('%s=%s is refused', (env, text, ...says) => {
  const found = problems({ [env]: text });
  expect(found).toHaveLength(1);
  expect(found[0]).toMatch(new RegExp(`^${env} .* Write .*\\.$`));
  for (const each of says) expect(found[0]).toContain(each);
});

test('every setting has an accepted and a refused value above', () => {
  const names = settingList.map(({ env }) => env);
  expect([...new Set(ACCEPTED.map(([env]) => env))].sort()).toEqual(names.toSorted());
  expect([...new Set(REFUSED.map(([env]) => env))].sort()).toEqual(names.toSorted());
});

test('a flag wins over its variable, and a problem names the one that was used', () => {
  expect(settings({ POSTHORN_LOG_LEVEL: 'debug' }, { '--log-level': 'warn' }).logLevel).toBe('warn');
  expect(problems({ POSTHORN_LOG_LEVEL: 'debug' }, { '--log-level': 'loud' })[0]).toMatch(
    /^--log-level "loud" /,
  );
  expect(problems({}, { '--data': '' })[0]).toMatch(/^--data "" is not a folder/);
});

test('all problems are told at once', () => {
  const wrong = Object.fromEntries(REFUSED.map(([env, text]) => [env, text]));
  expect(problems({ ...wrong, POSTHORN_NONSENSE: '1' })).toHaveLength(settingList.length + 1);
});

test('no problem repeats a secret', () => {
  const secrets = {
    '--operator-key': 'hidden',
    '--company-token': 'also hidden',
    '--master-key': 'hidden-too',
  };
  const found = problems({ POSTHORN_STORE: 'postgres://me:hidden@db' }, secrets).join('\n');
  expect(found).not.toContain('hidden');
});

test('nodes on a database share one master key', () => {
  const store = { POSTHORN_STORE: 'postgresql://me@db/posthorn' };
  expect(problems(store)).toEqual([expect.stringContaining('POSTHORN_MASTER_KEY is not set')]);
  const masterKey = Buffer.alloc(32, 7).toString('base64');
  expect(settings({ ...store, POSTHORN_MASTER_KEY: masterKey }).store).toBe('postgres://me@db/posthorn');
});

test('the URL of a database takes what `pg` goes by, too', () => {
  const url =
    'postgres://me@db/posthorn?pool=3&sslmode=verify-full&sslrootcert=%2Fca.pem&options=-c%20search_path%3Dx';
  expect(settings({ POSTHORN_STORE: url, POSTHORN_MASTER_KEY: MASTER_KEY }).store).toBe(url);
});

test('secrets differ from one another', () => {
  expect(problems({ POSTHORN_OPERATOR_KEY: KEY, POSTHORN_COMPANY_TOKEN: KEY })).toEqual([
    'POSTHORN_OPERATOR_KEY and POSTHORN_COMPANY_TOKEN are the same. Write a different value for each.',
  ]);
  expect(problems({ POSTHORN_OPERATOR_KEY: KEY, POSTHORN_COMPANY_TOKEN: OTHER_KEY })).toEqual([]);
});

describe('unknown variables', () => {
  test.each([
    ['POSTHORN_LISTNE', 'POSTHORN_LISTEN'],
    ['POSTHORN_RETRY_SCHEDULES', 'POSTHORN_RETRY_SCHEDULE'],
    ['POSTHORN_ALLOWED_NETWORKS', 'POSTHORN_ALLOW_NETWORKS'],
    ['POSTHORN_PORT', 'POSTHORN_LISTEN'],
    ['POSTHORN_DATABASE_URL', 'POSTHORN_STORE'],
  ])('%s is taken for %s', (unknown, known) => {
    expect(problems({ [unknown]: 'x' })).toEqual([
      `${unknown} is not a setting. Write ${known} if you meant that, or remove it.`,
    ]);
  });

  test('what Kubernetes sets beside a service called posthorn is left alone, and other programs too', () => {
    const env = {
      POSTHORN_SERVICE_HOST: '10.0.0.7',
      POSTHORN_SERVICE_PORT: '8071',
      POSTHORN_SERVICE_PORT_HTTP: '8071',
      POSTHORN_PORT: 'tcp://10.0.0.7:8071',
      POSTHORN_PORT_8071_TCP: 'tcp://10.0.0.7:8071',
      POSTHORN_PORT_8071_TCP_ADDR: '10.0.0.7',
      POSTHORN_TEST_REPORT: 'report.json',
      SOMETHING_ELSE: '1',
      posthorn_listen: 'x',
    };
    expect(problems(env)).toEqual([]);
  });
});

describe('help and docs', () => {
  test('the help of each flag says its variable and default', () => {
    const options = settingOptions();
    for (const setting of settingList) {
      const option = options.find(({ flag }) => flag === setting.flag);
      expect(option?.description).toContain(setting.env);
      expect(option?.description).toContain(setting.default ?? setting.absent);
    }
  });

  test('each setting is explained by one sentence', () => {
    for (const { doc } of settingList) {
      expect(doc).toMatch(/^[A-Z].*[^.]\.$/);
      expect(doc).not.toContain('. ');
    }
  });

  test('docs/settings.md is current', () => {
    const file = readFileSync(new URL('../docs/settings.md', import.meta.url), 'utf8');
    expect(file).toBe(settingsMarkdown());
  });
});
