import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { delivery, Given, NOW } from '../../test/contract/world.ts';
import { fillWithEverything, MASTER_KEY } from '../../test/helpers/everything.ts';
import { fuzzSeed } from '../../test/helpers/fuzz-seed.ts';
import { seededRandom } from '../../test/helpers/manual-clock.ts';
import { testDatabase } from '../../test/helpers/postgres.ts';
import { type ExportOptions, exportStore } from '../cli/transfer/export.ts';
import { importStore } from '../cli/transfer/import.ts';
import { readSettings, type Settings } from '../settings.ts';
import { systemClock } from '../system/clock.ts';
import { openStore, openTransferSource, openTransferTarget } from './open.ts';
import type { Store } from './store.ts';
import { TRANSFER_TABLES } from './transfer-tables.ts';

type Kind = 'sqlite' | 'postgres';
const KINDS = ['sqlite', 'postgres'] as const;

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posthorn-transfer-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** Where a store is that nobody used yet. */
async function place(kind: Kind, name: string, masterKey = MASTER_KEY): Promise<Settings> {
  let store = 'sqlite';
  if (kind === 'postgres') {
    const database = await testDatabase({ empty: true });
    onTestFinished(() => database.dispose());
    store = database.url;
  }
  const env = { POSTHORN_DATA: join(folder, name), POSTHORN_STORE: store, POSTHORN_MASTER_KEY: masterKey };
  const read = readSettings({ mode: 'development', env });
  if (!read.ok) throw new Error(read.problems.join('; '));
  return read.settings;
}

/** A store with whatever `fill` puts there; closed again, as a process leaves it that died. */
async function filled(settings: Settings, fill: (given: Given) => Promise<void>): Promise<void> {
  const open = () => openStore({ settings, clock: systemClock });
  const given = new Given({ store: await open(), reopen: open, another: open, dispose: async () => {} });
  try {
    const { epoch } = await given.store.nodeJoin({ name: 'filler', leaseMs: 60_000 });
    given.epoch = epoch;
    await fill(given);
    await given.store.nodeLeave({ epoch });
  } finally {
    await given.store.close();
  }
}

async function opened<T>(settings: Settings, use: (store: Store) => Promise<T>): Promise<T> {
  const store = await openStore({ settings, clock: systemClock });
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

async function run(
  work: (streams: Parameters<typeof importStore>[2]) => Promise<number>,
  input = '',
): Promise<Ran> {
  const said = { stdout: '', stderr: '' };
  const writer = (name: 'stdout' | 'stderr') => ({
    write(text: string, done?: () => void) {
      said[name] += text;
      done?.();
    },
  });
  const stdin = Readable.from(input === '' ? [] : [Buffer.from(input)]);
  try {
    const code = await work({ stdin, stdout: writer('stdout'), stderr: writer('stderr') });
    return { code, ...said };
  } catch (error) {
    return { code: null, stdout: said.stdout, stderr: (error as Error).message };
  }
}

const all = { out: null, resume: false, whileRunning: false };

const exported = (settings: Settings, options: Partial<ExportOptions> = {}) =>
  run((streams) => exportStore(settings, { ...all, ...options }, streams));

const imported = (settings: Settings, input: string) =>
  run((streams) => importStore(settings, { path: null }, streams), input);

/** The lines of an export, which must work; the header without what tells where and when it was made. */
async function dump(settings: Settings): Promise<{ header: object; lines: string[]; text: string }> {
  const { code, stdout, stderr } = await exported(settings);
  expect([code, stderr]).toEqual([0, expect.stringMatching(/^posthorn: Exported [\d,]+ rows/)]);
  const [first = '', ...lines] = stdout.trimEnd().split('\n');
  const { exportedAt, from, state, ...header } = JSON.parse(first);
  expect([typeof exportedAt, from, typeof state]).toEqual([
    'string',
    settings.store === 'sqlite' ? 'sqlite' : 'postgres',
    'string',
  ]);
  return { header, lines, text: stdout };
}

test('an export has every table and column of both stores, but for what is made anew', async () => {
  const listed = Object.fromEntries(
    TRANSFER_TABLES.map(({ name, columns }) => [name, columns.map((column) => column.name).toSorted()]),
  );
  const database = await testDatabase();
  onTestFinished(() => database.dispose());
  const { rows } = await database.query(
    `SELECT c.relname AS name, array_agg(a.attname::text) AS columns FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
     WHERE c.relnamespace = 'posthorn'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
       AND a.attnum > 0 AND NOT a.attisdropped GROUP BY c.relname`,
  );
  const ofPostgres = Object.fromEntries(rows.map((row) => [row.name, row.columns.toSorted()]));
  const anew = [
    'console_session',
    'event_id',
    'meta',
    'migration',
    'node',
    'partition',
    'signal',
    'signal_life',
    'staged_message',
  ];
  expect(Object.keys(ofPostgres).toSorted()).toEqual([...Object.keys(listed), ...anew].toSorted());
  // What processes compare while they run.
  ofPostgres.application = ofPostgres.application.filter((name: string) => name !== 'revision');
  expect(ofPostgres).toMatchObject(listed);

  const settings = await place('sqlite', 'a');
  await filled(settings, async () => {});
  const { default: Database } = await import('better-sqlite3');
  const file = new Database(join(settings.dataFolder, 'posthorn.db'), { readonly: true });
  const names = file
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    .pluck()
    .all() as string[];
  expect(names.toSorted()).toEqual([...Object.keys(listed), 'console_session', 'meta'].toSorted());
  for (const { name, columns } of TRANSFER_TABLES) {
    const found = file.prepare(`SELECT name FROM pragma_table_info('${name}')`).pluck().all() as string[];
    // The rowid by which SQLite keeps attempts in their order is of its file.
    const own = found.filter((each) => each !== 'attempt_key').toSorted();
    expect(own, name).toEqual(
      columns
        .filter(({ ofMessage }) => !ofMessage)
        .map((column) => column.name)
        .toSorted(),
    );
  }
  file.close();
});

describe.each([
  ['sqlite', 'postgres'],
  ['postgres', 'sqlite'],
] as const)('from %s to %s', (from, to) => {
  test('and back, and to the same kind, everything stays as it was', async () => {
    const [one, other, same] = [
      await place(from, 'one'),
      await place(to, 'other'),
      await place(from, 'same'),
    ];
    await filled(one, fillWithEverything);
    const before = await dump(one);
    const counts = JSON.parse(before.lines.at(-1) ?? '')[1];
    for (const [table, count] of Object.entries(counts)) expect(count, table).toBeGreaterThan(0);
    for (const target of [other, same]) {
      const { code, stdout } = await imported(target, before.text);
      expect(code).toBe(0);
      for (const [table, count] of Object.entries(counts)) {
        expect(stdout).toMatch(new RegExp(`^${table} +${count}$`, 'm'));
      }
      const after = await dump(target);
      expect(after.lines).toEqual(before.lines);
      expect(after.header).toEqual(before.header);
    }
    const back = await place(from, 'back');
    await imported(back, (await dump(other)).text);
    expect((await dump(back)).lines).toEqual(before.lines);
    // No number is given a second time.
    await opened(back, async (store) => {
      const announcements = await store.announcementList({ limit: 99 });
      const { lastNumbers } = before.header as { lastNumbers: Record<string, number> };
      expect(announcements.at(-1)?.key).toBeLessThan(lastNumbers.announcement as number);
      const given = new Given({
        store,
        reopen: async () => store,
        another: async () => store,
        dispose: async () => {},
      });
      await given.join();
      const application = await given.application({ id: 'app_new' });
      expect(application.key).toBeGreaterThan(lastNumbers.application as number);
      const endpoint = await given.endpoint(application.key, { id: 'ep_new' });
      expect(endpoint.key).toBeGreaterThan(lastNumbers.endpoint as number);
      const messageKey = await given.accepted(application.key, [endpoint.key], {
        message: { id: 'msg_new' },
      });
      expect(messageKey).toBeGreaterThan(lastNumbers.message as number);
    });
  });

  test(`an import that is broken off anywhere goes on where it was (seed ${fuzzSeed})`, async () => {
    const [one, other] = [await place(from, 'one'), await place(to, 'other')];
    await filled(one, fillWithEverything);
    const { lines, text } = await dump(one);
    const random = seededRandom(fuzzSeed);
    let whole = text.indexOf('\n') + 1;
    for (const { name } of TRANSFER_TABLES) {
      const ofTable = lines.filter((line) => line.startsWith(`["${name}"`));
      const bytes = ofTable.reduce((sum, line) => sum + line.length + 1, 0);
      // Mostly within a line.
      const cut = whole + Math.ceil(random.fraction() * bytes);
      const { code, stderr } = await imported(other, text.slice(0, cut));
      expect(code).toBeNull();
      expect(stderr).toMatch(/^The export ends at line [\d,]+ without its last line/);
      await expect(openStore({ settings: other, clock: systemClock })).rejects.toMatchObject({
        code: 'incompatible',
        message: expect.stringContaining('run "posthorn import" again with the same file'),
      });
      expect((await exported(other)).stderr).toContain('An import into this store is not finished');
      whole += bytes;
    }
    const { code, stderr } = await imported(other, text);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^posthorn: Going on after line \d+\./)]);
    expect((await dump(other)).lines).toEqual(lines);
  });
});

test.each(KINDS)(
  `an export of %s that is broken off anywhere goes on where it was (seed ${fuzzSeed})`,
  async (kind) => {
    const settings = await place(kind, 'a');
    await filled(settings, fillWithEverything);
    const { text } = await dump(settings);
    const bytes = Buffer.from(text);
    const out = join(folder, 'out.ndjson');
    await exported(settings, { out });
    expect((await stat(out)).mode & 0o777).toBe(0o600);
    const complete = await readFile(out, 'utf8');
    const random = seededRandom(fuzzSeed);
    for (let count = 0; count < 12; count++) {
      const cut = Math.floor(random.fraction() * bytes.length);
      await writeFile(out, Buffer.from(complete).subarray(0, cut));
      const { code, stderr } = await exported(settings, { out, resume: true });
      expect([code, stderr], `seed ${fuzzSeed}, cut at ${cut}`).toEqual([
        0,
        expect.stringContaining('Exported'),
      ]);
      const [, ...lines] = (await readFile(out, 'utf8')).split('\n');
      expect(lines).toEqual(complete.split('\n').slice(1));
    }
    expect((await exported(settings, { out, resume: true })).stderr).toBe(`posthorn: ${out} is complete.\n`);
    expect((await exported(settings, { out })).stderr).toContain('is there already');
    await writeFile(out, 'my diary');
    expect((await exported(settings, { out, resume: true })).stderr).toContain(
      'is no export to go on with: line 1',
    );
    expect(await readFile(out, 'utf8')).toBe('my diary');
  },
);

test.each(KINDS)('an export of %s does not go on after the store was used', async (kind) => {
  const settings = await place(kind, 'a');
  await filled(settings, fillWithEverything);
  const out = join(folder, 'out.ndjson');
  await exported(settings, { out });
  const text = await readFile(out, 'utf8');
  await writeFile(out, text.slice(0, text.length / 2));
  await filled(settings, async () => {});
  expect((await exported(settings, { out, resume: true })).stderr).toContain('or this one was used since');
});

test.each(KINDS)(
  'a store of %s that was used takes no import, and one that is being imported takes no other',
  async (kind) => {
    const [one, used, other] = [
      await place(kind, 'one'),
      await place(kind, 'used'),
      await place(kind, 'other'),
    ];
    await filled(one, fillWithEverything);
    const { text } = await dump(one);
    await filled(used, async (given) => void (await given.application()));
    expect((await imported(used, text)).stderr).toContain(
      'The store is not empty: it has rows in the table application',
    );
    await imported(other, text.slice(0, text.length / 2));
    expect((await imported(other, (await dump(used)).text)).stderr).toContain(
      'An import of another file into this store',
    );
  },
);

test.each(KINDS)(
  'an import into %s that is finished is not repeated, and says that nothing is left to do: not what would remove all of it',
  async (kind) => {
    const [one, empty, target] = [
      await place(kind, 'one'),
      await place(kind, 'empty'),
      await place(kind, 'target'),
    ];
    await filled(one, fillWithEverything);
    await filled(empty, async () => {});
    const { text } = await dump(one);
    const nothing = (await dump(empty)).text;
    expect((await imported(target, nothing)).code).toBe(0);
    expect((await imported(target, text)).code).toBe(0);
    const again = await imported(target, text);
    expect(again.stderr).toMatch(/^The import of this file into this store is finished/);
    expect(again.code).not.toBe(0);
    expect(again.stderr).not.toMatch(/DROP SCHEMA|remove/);
    expect((await imported(target, nothing)).stderr).toContain('or after the import of another file');
    expect((await dump(target)).text.split('\n').slice(1)).toEqual(text.split('\n').slice(1));
  },
);

test('lines that are no export are refused, with the line and what is there so far', async () => {
  const one = await place('sqlite', 'one');
  await filled(one, fillWithEverything);
  const { text } = await dump(one);
  const [header = '', ...lines] = text.split('\n');
  const problem = async (...changed: string[]) =>
    (
      await imported(
        await place('sqlite', `to-${Math.floor(systemClock.monotonic() * 1000)}`),
        `${changed.join('\n')}\n`,
      )
    ).stderr;
  expect(await problem('hello')).toBe('Line 1 of the export is not JSON. Nothing was imported.');
  expect(await problem('{"hello":1}')).toContain('Line 1 of the export is not that of a Posthorn export');
  expect(await problem(header.replace('"format":1', '"format":2'))).toContain('says format 2');
  expect(await problem(header, '["nothing",{}]')).toContain(
    'Line 2 of the export is of a table that this Posthorn does not have: "nothing"',
  );
  expect(await problem(header, (lines[0] ?? '').replace('"name":', '"nome":'))).toContain(
    'Line 2 of the export has no name that is a text',
  );
  expect(await problem(header, (lines[0] ?? '').replace('{', '{"more":1,'))).toContain(
    'has "more", which this Posthorn does not have',
  );
  expect(await problem(header, lines[0] ?? '', lines[0] ?? '')).toContain(
    "The lines 2 to 3 of the export can't be written to the table application",
  );
  expect(
    await problem(header, ...lines.filter((line) => !line.startsWith('["task"')).slice(0, -1)),
  ).toContain('The table task has 0 rows, and the export 3');
  expect(await problem('')).toContain('Line 1');
  expect((await imported(await place('sqlite', 'none'), '')).stderr).toContain('not even a first line came');
});

test('the master key must be the one that the secrets are sealed with', async () => {
  const one = await place('sqlite', 'one');
  await filled(one, fillWithEverything);
  const { text } = await dump(one);
  const wrong = await place('postgres', 'other', Buffer.alloc(32, 1).toString('base64'));
  expect((await imported(wrong, text)).stderr).toMatch(
    /sealed with another master key .* set POSTHORN_MASTER_KEY/,
  );
  const missing = await place('sqlite', 'other', '');
  expect((await imported(missing, text)).stderr).toMatch(
    /The master key .* is missing.* copy its master\.key/,
  );
  await expect(stat(missing.dataFolder)).rejects.toThrow('ENOENT');
});

test('nothing is taken from a store that a server uses, unless that is wanted', async () => {
  const file = await place('sqlite', 'file');
  await opened(file, async () => {
    expect((await exported(file)).stderr).toMatch(
      /^A server, or another command, uses the data folder .* Stop it first\.$/,
    );
  });
  const database = await place('postgres', 'database');
  await opened(database, async (store) => {
    const { epoch } = await store.nodeJoin({ name: 'live', leaseMs: 60_000 });
    const out = join(folder, 'out.ndjson');
    expect((await exported(database)).stderr).toMatch(/^Servers run on this database/);
    const running = await exported(database, { out, whileRunning: true });
    expect([running.code, running.stderr]).toEqual([0, expect.stringContaining('Servers were running')]);
    const text = await readFile(out, 'utf8');
    expect((await imported(await place('sqlite', 'to'), text)).stderr).toContain(
      'Servers were running when this was exported',
    );
    expect((await exported(database, { out, whileRunning: true, resume: true })).stderr).toMatch(
      /^Servers run on this database, so/,
    );
    await store.nodeLeave({ epoch });
    expect((await exported(database)).code).toBe(0);
  });
});

test.each(KINDS)(
  'in %s the turn in a line goes to whom it belongs, also when another was being sent',
  async (kind) => {
    const [one, other] = [await place('sqlite', 'one'), await place(kind, 'other')];
    const line = { keys: [] as number[], endpointKey: 0 };
    await filled(one, async (given) => {
      const { key: applicationKey } = await given.application();
      line.endpointKey = (await given.endpoint(applicationKey, { ordering: 'key' })).key;
      for (let count = 0; count < 2; count++) {
        line.keys.push(await given.accepted(applicationKey, [line.endpointKey], { orderKey: 'k' }));
      }
    });
    const { default: Database } = await import('better-sqlite3');
    const file = new Database(join(one.dataFolder, 'posthorn.db'));
    // The older one came back while the newer one was being sent, and the process died.
    file.prepare('UPDATE delivery SET next_attempt_at = NULL WHERE message_key = ?').run(line.keys[0]);
    file
      .prepare('UPDATE delivery SET state = 1, fence = 5, next_attempt_at = ? WHERE message_key = ?')
      .run(NOW, line.keys[1]);
    file.close();
    const begin = systemClock.now();
    await imported(other, (await dump(one)).text);
    await opened(other, async (store) => {
      const rows = await store.deliveryFind({ endpointKey: line.endpointKey, messageKeys: line.keys });
      const [first, second] = line.keys.map((key) => rows.find(({ messageKey }) => messageKey === key));
      expect(first).toMatchObject({ state: 'pending' });
      expect(first?.nextAttemptAt).toBeGreaterThanOrEqual(begin);
      expect(second).toMatchObject({ state: 'pending', nextAttemptAt: null });
    });
  },
);

test('a NUL, which PostgreSQL does not take in a text, becomes a replacement character there', async () => {
  const [one, other] = [await place('sqlite', 'one'), await place('postgres', 'other')];
  await filled(one, async (given) => void (await given.application({ name: 'a\0b' })));
  await imported(other, (await dump(one)).text);
  const found = await opened(other, (store) => store.applicationFindByNumber({ number: 1 }));
  expect(found?.name).toBe('a\uFFFDb');
});

test('message keys with gaps of whole partitions go over, and new ones come after them', async () => {
  const [one, other, back] = [
    await place('postgres', 'one'),
    await place('postgres', 'other'),
    await place('sqlite', 'back'),
  ];
  const keys: number[] = [];
  await filled(one, async (given) => {
    const { key: applicationKey } = await given.application();
    const { key: endpointKey } = await given.endpoint(applicationKey);
    const target = await openTransferTarget({ settings: one, clock: systemClock });
    await target.close();
    const { default: pg } = await import('pg');
    const client = new pg.Client({ connectionString: one.store });
    await client.connect();
    for (const number of [0, 1, 7]) {
      await client.query(
        `SELECT posthorn.partition_add(${number}) WHERE NOT EXISTS (SELECT 1 FROM posthorn.partition WHERE number = ${number})`,
      );
      await client.query(`SELECT setval('posthorn.message_key', ${number * 2 ** 30 + 5})`);
      for (let count = 0; count < 3; count++) keys.push(await given.accepted(applicationKey, [endpointKey]));
    }
    await client.end();
  });
  const { lines, text } = await dump(one);
  expect(
    lines.filter((line) => line.startsWith('["delivery"')).map((line) => JSON.parse(line)[1].message_key),
  ).toEqual(keys);
  for (const target of [other, back]) {
    expect(await imported(target, text)).toMatchObject({ code: 0 });
    expect((await dump(target)).lines).toEqual(lines);
    await filled(target, async (given) => {
      const [application] = await given.store.applicationList({
        limit: 9,
        before: null,
        after: null,
        fromEnd: false,
      });
      const [endpoint] = await given.store.endpointList({ applicationKey: application?.key as number });
      const message = given.message({ id: 'msg_new', deliveries: [delivery(endpoint?.key as number)] });
      const publishes = [given.publish(application?.key as number, message)];
      const [accepted] = await given.accept({ publishes, fence: given.fence(), now: NOW });
      expect(accepted).toMatchObject({ kind: 'accepted' });
      const [messageKey] = accepted?.kind === 'accepted' ? accepted.messageKeys : [];
      expect(messageKey).toBeGreaterThan(keys.at(-1) as number);
    });
  }
});

test.each(KINDS)('two imports at once into %s: one of them is told', async (kind) => {
  const one = await place(kind, 'one');
  const target = await openTransferTarget({ settings: one, clock: systemClock });
  onTestFinished(() => target.close());
  await target.begin({ id: 5, masterKeyId: null });
  const [table] = TRANSFER_TABLES;
  if (table === undefined) throw new Error('There are no tables.');
  await target.write({ table, rows: [], from: 1, to: 2 });
  await expect(target.write({ table, rows: [], from: 1, to: 3 })).rejects.toMatchObject({ code: 'locked' });
  expect(await target.begin({ id: 5, masterKeyId: null })).toEqual({ lines: 2 });
});

test('pages are of so many bytes, however large the rows are', async () => {
  for (const kind of KINDS) {
    const settings = await place(kind, kind);
    await filled(settings, async (given) => {
      const { key: applicationKey } = await given.application();
      const payload = `"${'x'.repeat(1_000_000)}"`;
      for (let count = 0; count < 12; count++)
        await given.accepted(applicationKey, [], { message: { payload } });
    });
    const source = await openTransferSource({ settings });
    const table = TRANSFER_TABLES.find(({ name }) => name === 'message');
    if (table === undefined) throw new Error('There are no messages.');
    const pages: number[] = [];
    for (let after = null; ; ) {
      const rows: readonly (readonly unknown[])[] = await source.read(table, after);
      if (rows.length === 0) break;
      pages.push(rows.length);
      after = rows.at(-1) as never;
    }
    await source.close();
    expect(pages, kind).toEqual([5, 5, 2]);
  }
});
