import { join } from 'node:path';
import { TRANSFER_LINES_STEP, TRANSFER_PAGE_BYTES } from '../../limits.ts';
import type { Line } from '../line.ts';
import { StoreError } from '../store.ts';
import {
  ALREADY_IMPORTED,
  HALF_IMPORTED,
  HEADER_LINES,
  IMPORT_ID,
  IMPORT_LINES,
  IMPORTED_ID,
  IMPORTED_TWICE,
  type LastNumbers,
  notEmptySentence,
  OTHER_IMPORT,
  olderSchemaSentence,
  type TransferRow,
  type TransferSource,
  type TransferTarget,
} from '../transfer.ts';
import {
  NUMBERED_TABLES,
  type TableName,
  TRANSFER_TABLES,
  type TransferColumn,
  type TransferTable,
} from '../transfer-tables.ts';
import { type Connection, openConnection, transaction } from './connection.ts';
import { asStoreError } from './errors.ts';
import { makeFolder } from './folder.ts';
import { lines } from './lines.ts';
import { lockFolder } from './lock.ts';
import { lastMessageKey, messageKeyKeeping } from './message-keys.ts';
import { type MigrateOptions, migrate, schemaState } from './migrate.ts';

const MASTER_KEY_ID = 'master_key_id';
const COUNTED_TABLES = ['application', 'endpoint', 'resend', 'announcement'] as const;
const EMPTY_STORE =
  'Choose another data folder, or remove posthorn.db, posthorn.db-wal and posthorn.db-shm, with all that is in them.';

/** Refuses a store whose import is not finished. */
export function refuseHalfImported(connection: Connection): void {
  if (metaGet(connection, IMPORT_ID) !== null) throw new StoreError('incompatible', HALF_IMPORTED);
}

/** Opens `posthorn.db`, which is there, to be exported. It is locked: no server runs on it meanwhile. */
export async function openSqliteSource({ folder }: { folder: string }): Promise<TransferSource> {
  const opened = open(folder, (connection) => {
    const { present, known } = schemaState(connection);
    if (present < known) throw new StoreError('incompatible', olderSchemaSentence(present, known));
    refuseHalfImported(connection);
  });
  const { connection } = opened;
  const reads = new Map<TableName, Read>();
  return {
    kind: 'sqlite',
    live: false,
    masterKeyId: metaGet(connection, MASTER_KEY_ID),
    state: stateOf(connection),
    lastNumbers: lastNumbersOf(connection),
    async read(table, after) {
      const read = reads.get(table.name) ?? reader(connection, table);
      reads.set(table.name, read);
      return guarded(() => read(after));
    },
    close: async () => opened.close(),
  };
}

/** Opens the folder, which is made when it is absent, to be imported into. */
export async function openSqliteTarget({
  folder,
  ...migration
}: { folder: string } & MigrateOptions): Promise<TransferTarget> {
  makeFolder(folder);
  const opened = open(folder, (connection) => migrate(connection, migration));
  const { connection } = opened;
  const inserts = new Map(TRANSFER_TABLES.map((table) => [table.name, inserter(connection, table)]));
  const setLines = connection.prepare(
    `UPDATE meta SET value = @to WHERE name = '${IMPORT_LINES}' AND value = @from`,
  );
  const atOnce = <T>(work: () => T): T => guarded(() => transaction(connection, work));
  return {
    kind: 'sqlite',
    begin: async ({ id, masterKeyId }) => atOnce(() => begin(connection, id, masterKeyId)),
    async write({ table, rows, from, to }) {
      atOnce(() => {
        inserts.get(table.name)?.(rows);
        if (setLines.run({ from, to }).changes !== 1) throw new StoreError('locked', IMPORTED_TWICE);
      });
    },
    counts: async () =>
      Object.fromEntries(
        TRANSFER_TABLES.map(({ name }) => [
          name,
          guarded(() => connection.prepare(`SELECT count(*) FROM ${name}`).pluck().get()),
        ]),
      ) as Record<TableName, number>,
    async finish({ now, lastNumbers }) {
      const advance = lines(connection);
      for (let last: Line | null = null; ; ) {
        const some = guarded(() => pendingLines(connection, last));
        atOnce(() => some.map((line) => advance(line, now)));
        last = some.at(-1) ?? null;
        if (last === null) break;
      }
      atOnce(() => keepNumbers(connection, lastNumbers));
      atOnce(() => {
        connection.prepare('DELETE FROM meta WHERE name IN (?, ?)').run(IMPORT_LINES, IMPORTED_ID);
        connection.prepare('UPDATE meta SET name = ? WHERE name = ?').run(IMPORTED_ID, IMPORT_ID);
      });
    },
    close: async () => opened.close(),
  };
}

interface Opened {
  readonly connection: Connection;
  close(): void;
}

function open(folder: string, prepare: (connection: Connection) => void): Opened {
  const lock = lockFolder(folder);
  let connection: Connection | undefined;
  try {
    connection = openConnection(join(folder, 'posthorn.db'));
    prepare(connection);
  } catch (error) {
    connection?.close();
    lock.release();
    throw asStoreError(error);
  }
  const opened = connection;
  return {
    connection: opened,
    close() {
      opened.close();
      lock.release();
    },
  };
}

function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw asStoreError(error);
  }
}

function metaGet(connection: Connection, name: string): number | null {
  const value = connection.prepare('SELECT value FROM meta WHERE name = ?').pluck().get(name);
  return (value as number | undefined) ?? null;
}

/** A server's start is a new epoch; keys are made and revoked without a server, too. */
function stateOf(connection: Connection): string {
  return connection
    .prepare(
      `SELECT (SELECT coalesce(max(value), 0) FROM meta WHERE name = 'epoch') || '.'
         || (SELECT coalesce(max(message_key), 0) FROM message) || '.'
         || (SELECT count(*) || '.' || coalesce(sum(coalesce(revoked_at, 0)), 0) FROM api_key)`,
    )
    .pluck()
    .get() as string;
}

function lastNumbersOf(connection: Connection): LastNumbers {
  const counted = connection.prepare('SELECT seq FROM sqlite_sequence WHERE name = ?').pluck();
  const numbers = NUMBERED_TABLES.map((name) => {
    if (name === 'message') return [name, lastMessageKey(connection)];
    const key = TRANSFER_TABLES.find((table) => table.name === name)?.key[0];
    const last = connection.prepare(`SELECT coalesce(max(${key}), 0) FROM ${name}`).pluck().get() as number;
    return [name, Math.max(last, (counted.get(name) as number | undefined) ?? 0)];
  });
  return Object.fromEntries(numbers) as LastNumbers;
}

/** Of messages, and of those tables that SQLite counts for (AUTOINCREMENT). In the others it goes on after the highest number that is there. */
function keepNumbers(connection: Connection, lastNumbers: LastNumbers): void {
  messageKeyKeeping(connection)(lastNumbers.message);
  const set = connection.prepare('UPDATE sqlite_sequence SET seq = max(seq, @last) WHERE name = @name');
  const add = connection.prepare('INSERT INTO sqlite_sequence (name, seq) VALUES (@name, @last)');
  for (const name of COUNTED_TABLES) {
    const params = { name, last: lastNumbers[name] };
    if (set.run(params).changes === 0) add.run(params);
  }
}

type Read = (after: TransferRow | null) => TransferRow[];

function reader(connection: Connection, table: TransferTable): Read {
  const columns = table.columns.map((column) => `${expression(column)} AS ${column.name}`).join(', ');
  const key = table.key.map((name) => `t.${name}`).join(', ');
  const places = table.key.map((name) => table.columns.findIndex((column) => column.name === name));
  const select = (where: string) =>
    connection.prepare(`SELECT ${columns} FROM ${table.name} AS t ${where} ORDER BY ${key}`).raw();
  const first = select('');
  const next = select(`WHERE (${key}) > (${table.key.map(() => '?').join(', ')})`);
  return (after) => {
    const rows: TransferRow[] = [];
    let bytes = 0;
    const found = after === null ? first.iterate() : next.iterate(...places.map((place) => after[place]));
    for (const row of found as Iterable<TransferRow>) {
      rows.push(row);
      bytes += bytesOf(row);
      if (rows.length === table.pageRows || bytes >= TRANSFER_PAGE_BYTES) break;
    }
    return rows;
  };
}

function expression({ name, read, ofMessage }: TransferColumn): string {
  if (ofMessage) return '(SELECT m.application_key FROM message m WHERE m.message_key = t.message_key)';
  return read ?? `t.${name}`;
}

function bytesOf(row: TransferRow): number {
  let bytes = 0;
  for (const value of row)
    if (typeof value === 'object' || typeof value === 'string') bytes += value?.length ?? 0;
  return bytes;
}

function inserter(connection: Connection, table: TransferTable): (rows: readonly TransferRow[]) => void {
  const kept = table.columns.flatMap(({ ofMessage }, index) => (ofMessage ? [] : [index]));
  const names = kept.map((index) => table.columns[index]?.name);
  const insert = connection.prepare(
    `INSERT INTO ${table.name} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
  );
  return (rows) => {
    for (const row of rows) insert.run(...kept.map((index) => row[index]));
  };
}

function begin(connection: Connection, id: number, masterKeyId: number | null): { lines: number } {
  const earlier = metaGet(connection, IMPORT_ID);
  if (earlier === id) return { lines: metaGet(connection, IMPORT_LINES) ?? HEADER_LINES };
  if (earlier !== null) throw new StoreError('incompatible', `${OTHER_IMPORT} ${EMPTY_STORE}`);
  if (metaGet(connection, IMPORTED_ID) === id) throw new StoreError('incompatible', ALREADY_IMPORTED);
  for (const { name } of TRANSFER_TABLES) {
    if (connection.prepare(`SELECT 1 FROM ${name} LIMIT 1`).get() === undefined) continue;
    throw new StoreError('incompatible', notEmptySentence(name, EMPTY_STORE));
  }
  const insert = connection.prepare('INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)');
  insert.run(IMPORT_ID, id);
  insert.run(IMPORT_LINES, HEADER_LINES);
  if (masterKeyId !== null) insert.run(MASTER_KEY_ID, masterKeyId);
  return { lines: HEADER_LINES };
}

/** Some of the lines that somebody waits in, after this one. What was being sent when it was exported may not be the first of its line. */
function pendingLines(connection: Connection, after: Line | null): Line[] {
  return connection
    .prepare(
      `SELECT DISTINCT endpoint_key AS endpointKey, order_key AS orderKey FROM delivery
       WHERE order_key IS NOT NULL AND state IN (0, 1, 3, 4) AND state = 0 AND (endpoint_key, order_key) > (?, ?)
       ORDER BY endpoint_key, order_key LIMIT ?`,
    )
    .all(after?.endpointKey ?? 0, after?.orderKey ?? '', TRANSFER_LINES_STEP) as Line[];
}
