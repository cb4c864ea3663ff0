import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { StoreError } from '../store.ts';
import { openConnection, refuseOldSqlite } from './connection.ts';
import { openSqliteStore } from './open.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posthorn-sqlite-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('the connection', () => {
  test('commits to disk: WAL with synchronous FULL, and foreign keys', () => {
    const connection = openConnection(join(folder, 'posthorn.db'));
    const pragma = (name: string) => connection.pragma(name, { simple: true });
    expect([pragma('journal_mode'), pragma('synchronous'), pragma('foreign_keys')]).toEqual(['wal', 2, 1]);
    connection.close();
  });

  test('is the same on a file that was left in another mode', () => {
    const file = join(folder, 'posthorn.db');
    const other = new Database(file);
    other.pragma('journal_mode = DELETE');
    other.exec('CREATE TABLE t (a)');
    other.close();
    const connection = openConnection(file);
    expect(connection.pragma('journal_mode', { simple: true })).toBe('wal');
    expect(connection.pragma('synchronous', { simple: true })).toBe(2);
    connection.close();
  });

  test('is made with no SQLite that can corrupt its file', () => {
    for (const version of ['3.51.2', '3.50.9', '2.99.99', '3.9.30']) {
      expect(() => refuseOldSqlite(version)).toThrow(expect.objectContaining({ code: 'incompatible' }));
    }
    for (const version of ['3.51.3', '3.51.10', '3.52.0', '4.0.0']) refuseOldSqlite(version);
  });
});

describe('the check', () => {
  test('writes to the disk each time', async () => {
    const store = await openSqliteStore({ folder });
    const written = async () => (await stat(join(folder, 'posthorn.db-wal'))).size;
    const sizes = [await written()];
    for (let count = 0; count < 2; count++) {
      await store.check();
      sizes.push(await written());
    }
    expect(sizes[1]).toBeGreaterThan(sizes[0] as number);
    expect(sizes[2]).toBeGreaterThan(sizes[1] as number);
    await store.close();
  });
});

describe('the files', () => {
  test('are for their owner only', async () => {
    const inner = join(folder, 'a', 'data');
    const store = await openSqliteStore({ folder: inner });
    await store.check();
    const mode = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
    expect(await mode(inner)).toBe('700');
    for (const name of ['posthorn.db', 'posthorn.db-wal', 'posthorn.db-shm', 'posthorn.lock']) {
      expect([name, await mode(join(inner, name))]).toEqual([name, '600']);
    }
    await store.close();
  });

  test('of a newer schema are refused, and let go', async () => {
    await (await openSqliteStore({ folder })).close();
    const version = setVersion(999);
    await expect(openSqliteStore({ folder })).rejects.toMatchObject({ code: 'incompatible' });
    setVersion(version);
    await (await openSqliteStore({ folder })).close();
  });

  test('that are no database are refused as broken', async () => {
    await writeFile(join(folder, 'posthorn.db'), 'This is no database. '.repeat(500));
    const error = await openSqliteStore({ folder }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(StoreError);
    expect(error).toMatchObject({ code: 'broken' });
  });

  test('whose pages are overwritten are refused as broken', async () => {
    await fill();
    const { size } = await stat(join(folder, 'posthorn.db'));
    await damage(100, size);
    await expect(openSqliteStore({ folder })).rejects.toMatchObject({ code: 'broken' });
  });

  test('that are damaged further in say so when it is met', async () => {
    await fill();
    const { size } = await stat(join(folder, 'posthorn.db'));
    // Page 1 holds the schema and is left whole; so is what opening reads.
    await damageTable('application');
    const store = await openSqliteStore({ folder });
    await expect(store.applicationFindByKey({ applicationKey: 1 })).rejects.toMatchObject({ code: 'broken' });
    // From then on nothing is read or acknowledged, also where the file may be whole.
    await expect(store.check()).rejects.toMatchObject({ code: 'broken' });
    await store.close();
    expect((await stat(join(folder, 'posthorn.db'))).size).toBe(size);
  });
});

describe('the lock', () => {
  test('refuses a second opening in this process, and goes with the first', async () => {
    const store = await openSqliteStore({ folder });
    await expect(openSqliteStore({ folder })).rejects.toMatchObject({ code: 'locked' });
    await store.close();
    await (await openSqliteStore({ folder })).close();
  });

  test('still keeps other processes out after a second opening was refused', async () => {
    const store = await openSqliteStore({ folder });
    await expect(openSqliteStore({ folder })).rejects.toMatchObject({ code: 'locked' });
    expect(await openInChild().said).toContain('locked');
    await store.check();
    await store.close();
  });

  test('is held by another process until that is killed', async () => {
    const child = openInChild();
    expect(await child.said).toContain('open');
    const error = await openSqliteStore({ folder }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(StoreError);
    expect(error).toMatchObject({ code: 'locked', message: expect.stringContaining(folder) });
    await child.kill();
    const store = await openSqliteStore({ folder });
    expect(await store.nodeJoin({ name: '', leaseMs: 1 })).toEqual({ epoch: 1 });
    await store.close();
  });
});

/** Another process that opens the folder, says `open` or the error's code, and stays. */
function openInChild(): { said: Promise<string>; kill(): Promise<void> } {
  const script = `
    const { openSqliteStore } = await import(${JSON.stringify(new URL('./open.ts', import.meta.url).href)});
    await openSqliteStore({ folder: ${JSON.stringify(folder)} }).then(
      () => { console.log('open'); process.stdin.resume(); },
      (error) => { console.log(error.code); process.stdin.destroy(); },
    );`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  return {
    said: once(child.stdout, 'data').then(String),
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Returns the version that was there. */
function setVersion(version: number): number {
  const connection = new Database(join(folder, 'posthorn.db'));
  const present = connection.pragma('user_version', { simple: true }) as number;
  connection.pragma(`user_version = ${version}`);
  connection.close();
  return present;
}

async function fill(): Promise<void> {
  const store = await openSqliteStore({ folder });
  const application = { uid: null, throttleRate: null, metadata: {}, now: 1 };
  for (let count = 0; count < 100; count++) {
    await store.applicationInsert({ ...application, id: `app_${count}`, name: 'Acme '.repeat(40) });
  }
  await store.close();
}

async function damage(from: number, to: number): Promise<void> {
  const file = await open(join(folder, 'posthorn.db'), 'r+');
  await file.write(Buffer.alloc(to - from, 0xa5), 0, to - from, from);
  await file.close();
}

async function damageTable(table: string): Promise<void> {
  const connection = new Database(join(folder, 'posthorn.db'));
  const pageBytes = connection.pragma('page_size', { simple: true }) as number;
  const row = connection.prepare('SELECT rootpage FROM sqlite_schema WHERE name = ?').get(table);
  connection.close();
  const { rootpage } = row as { rootpage: number };
  await damage((rootpage - 1) * pageBytes, rootpage * pageBytes);
}
