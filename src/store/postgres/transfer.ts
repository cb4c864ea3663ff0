import { PARTITIONS_AHEAD, TRANSFER_LINES_STEP } from '../../limits.ts';
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
  type NumberedTable,
  type TableName,
  TRANSFER_TABLES,
  type TransferTable,
} from '../transfer-tables.ts';
import { bigints, byteArrays, texts } from './arrays.ts';
import { type Database, type Executor, openDatabase, type Value } from './connection.ts';
import { advanceLines } from './lines.ts';
import { type LongSession, openLongSession } from './long-session.ts';
import { type MigrateOptions, migrate, schemaState } from './migrate.ts';
import { KEYS } from './partition-tables.ts';
import { PARTITIONED, pageReader, type ReadPage } from './transfer-pages.ts';

const META = 'SELECT value FROM posthorn.meta WHERE name = $1';
const META_SET = 'INSERT INTO posthorn.meta (name, value) VALUES ($1, $2)';
const SET_LINES = `UPDATE posthorn.meta SET value = $2 WHERE name = '${IMPORT_LINES}' AND value = $1 RETURNING value`;
const MASTER_KEY_ID = 'master_key_id';
const EMPTY_STORE =
  'Choose another database, or run "DROP SCHEMA posthorn CASCADE" in this one, which removes all that Posthorn has there.';
const ARRAYS = { integer: 'bigint[]', text: 'text[]', bytes: 'bytea[]' } as const;
/** A node that ended without saying so counts until its lease is over. */
const LIVE = 'SELECT count(*) FROM posthorn.node WHERE ended = 0 AND expires_at > clock_timestamp()';
/** Publishers' own transactions take message keys without a node. */
const STATE = `SELECT (SELECT last_value FROM posthorn.node_epoch) || '.' || (SELECT last_value FROM posthorn.message_key) || '.'
  || (SELECT count(*) || '.' || coalesce(sum(coalesce(revoked_at, 0)), 0) FROM posthorn.api_key)`;
const PENDING_LINES = `SELECT DISTINCT endpoint_key, order_key FROM posthorn.delivery
  WHERE order_key IS NOT NULL AND state IN (0, 1, 3, 4) AND state = 0 AND (endpoint_key, order_key) > ($1, $2)
  ORDER BY endpoint_key, order_key LIMIT $3`;
/** Partitions have rows of application 0, which is none, for the sake of plans. */
const OWNED = 'application_key > 0';
const EVENT_IDS = `INSERT INTO posthorn.event_id (application_key, event_id, message_key)
  SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[])`;
const SEQUENCES: Readonly<Record<NumberedTable, string>> = {
  application: "pg_get_serial_sequence('posthorn.application', 'application_key')",
  event_type: "pg_get_serial_sequence('posthorn.event_type', 'position')",
  endpoint: "pg_get_serial_sequence('posthorn.endpoint', 'endpoint_key')",
  message: "'posthorn.message_key'",
  resend: "pg_get_serial_sequence('posthorn.resend', 'resend_key')",
  announcement: "pg_get_serial_sequence('posthorn.announcement', 'announcement_key')",
};
const PARTITION_ADD = `SELECT posthorn.partition_add($1)
  WHERE NOT EXISTS (SELECT 1 FROM posthorn.partition p WHERE p.number = $1)`;

/** Refuses a store whose import is not finished. */
export async function refuseHalfImported(db: Executor): Promise<void> {
  const found = await db.rows({ name: '', text: HALF, writes: false });
  if (found.length > 0) throw new StoreError('incompatible', HALF_IMPORTED);
}

const HALF = `SELECT 1 FROM posthorn.meta WHERE name = '${IMPORT_ID}'`;

/** Opens the store to be exported, as it is at this moment. */
export async function openPostgresSource({ url }: { url: string }): Promise<TransferSource> {
  const opened = await open(url, async (db) => {
    const { present, known } = await schemaState(db);
    if (present < known) throw new StoreError('incompatible', olderSchemaSentence(present, known));
    await refuseHalfImported(db);
  });
  const { session } = opened;
  try {
    await session.beginSnapshot();
    const [[live]] = (await session.arrays(LIVE)) as [[number]];
    const [[state]] = (await session.arrays(STATE)) as [[string]];
    const masterKeyId = await metaGet(session, MASTER_KEY_ID);
    const lastNumbers = await lastNumbersOf(session);
    const readers = new Map<TableName, ReadPage>();
    return {
      ...{ kind: 'postgres', live: live > 0, state, masterKeyId, lastNumbers },
      read(table, after) {
        const read = readers.get(table.name) ?? pageReader(table);
        readers.set(table.name, read);
        return read(session, after);
      },
      close: opened.close,
    };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** Opens the schema `posthorn` of a database, which is made when it is absent, to be imported into. */
export async function openPostgresTarget({
  url,
  ...migration
}: { url: string } & MigrateOptions): Promise<TransferTarget> {
  const { session, close } = await open(url, (db) => migrate(db, migration));
  const partitions = new Set<number>();
  return {
    kind: 'postgres',
    begin: ({ id, masterKeyId }) => session.transaction((tx) => begin(tx, id, masterKeyId)),
    write: ({ table, rows, from, to }) =>
      session.transaction(async (tx) => {
        // First: whoever else imports waits here, and then finds other lines than it believes.
        if ((await tx.arrays(SET_LINES, [from, to])).length !== 1)
          throw new StoreError('locked', IMPORTED_TWICE);
        if (table.name === 'message') await addPartitions(tx, table, rows, partitions);
        await insert(tx, table, rows);
        if (table.name === 'message') await insertEventIds(tx, table, rows);
      }),
    counts: () =>
      session.transaction(async (tx) => {
        const counts: [TableName, number][] = [];
        for (const { name } of TRANSFER_TABLES) {
          const [[count]] = (await tx.arrays(`SELECT count(*) FROM ${ownedRows(name)}`)) as [[number]];
          counts.push([name, count]);
        }
        return Object.fromEntries(counts) as Record<TableName, number>;
      }),
    async finish({ now, lastNumbers }) {
      await session.transaction(async (tx) => {
        for (const name of NUMBERED_TABLES) {
          // A sequence begins at 1, and cannot be set to what is before.
          if (lastNumbers[name] > 0)
            await tx.arrays(`SELECT setval(${SEQUENCES[name]}, $1)`, [lastNumbers[name]]);
        }
        const last = lastNumbers.message;
        for (let ahead = 0; ahead <= PARTITIONS_AHEAD; ahead++) {
          await tx.arrays(PARTITION_ADD, [Math.floor(last / KEYS) + ahead]);
        }
      });
      await giveTurns(session, now);
      await session.transaction((tx) =>
        tx.script(`ANALYZE ${TRANSFER_TABLES.map(({ name }) => `posthorn.${name}`)}`),
      );
      await session.transaction((tx) =>
        tx.script(
          `DELETE FROM posthorn.meta WHERE name IN ('${IMPORT_LINES}', '${IMPORTED_ID}');
           UPDATE posthorn.meta SET name = '${IMPORTED_ID}' WHERE name = '${IMPORT_ID}'`,
        ),
      );
    },
    close,
  };
}

interface Opened {
  readonly session: LongSession;
  close(): Promise<void>;
}

async function open(url: string, prepare: (db: Database) => Promise<unknown>): Promise<Opened> {
  const db = openDatabase(url);
  try {
    await prepare(db);
    const session = await openLongSession(db);
    return {
      session,
      async close() {
        await session.close();
        await db.close();
      },
    };
  } catch (error) {
    await db.close();
    throw error;
  }
}

async function metaGet(session: LongSession, name: string): Promise<number | null> {
  const [[value] = [null]] = await session.arrays<[number | null]>(META, [name]);
  return value;
}

async function lastNumbersOf(session: LongSession): Promise<LastNumbers> {
  const numbers: [string, number][] = [];
  for (const name of NUMBERED_TABLES) {
    const text = `SELECT coalesce(pg_sequence_last_value((${SEQUENCES[name]})::regclass), 0)`;
    const [[last]] = (await session.arrays(text)) as [[number]];
    numbers.push([name, last]);
  }
  return Object.fromEntries(numbers) as LastNumbers;
}

async function begin(tx: LongSession, id: number, masterKeyId: number | null): Promise<{ lines: number }> {
  // Of two that begin at once, the second one waits for the first.
  await tx.script('LOCK TABLE posthorn.meta IN SHARE ROW EXCLUSIVE MODE');
  const earlier = await metaGet(tx, IMPORT_ID);
  if (earlier === id) return { lines: (await metaGet(tx, IMPORT_LINES)) ?? HEADER_LINES };
  if (earlier !== null) throw new StoreError('incompatible', `${OTHER_IMPORT} ${EMPTY_STORE}`);
  if ((await metaGet(tx, IMPORTED_ID)) === id) throw new StoreError('incompatible', ALREADY_IMPORTED);
  for (const { name } of TRANSFER_TABLES) {
    if ((await tx.arrays(`SELECT 1 FROM ${ownedRows(name)} LIMIT 1`)).length === 0) continue;
    throw new StoreError('incompatible', notEmptySentence(name, EMPTY_STORE));
  }
  await tx.arrays(META_SET, [IMPORT_ID, id]);
  await tx.arrays(META_SET, [IMPORT_LINES, HEADER_LINES]);
  const kept = `${META_SET} ON CONFLICT (name) DO UPDATE SET value = excluded.value`;
  if (masterKeyId !== null) await tx.arrays(kept, [MASTER_KEY_ID, masterKeyId]);
  return { lines: HEADER_LINES };
}

async function insert(tx: LongSession, table: TransferTable, rows: readonly TransferRow[]): Promise<void> {
  const names = table.columns.map(({ name }) => name).join(', ');
  const arrays = table.columns.map(({ kind }, index) => `$${index + 1}::${ARRAYS[kind]}`).join(', ');
  await tx.arrays(
    `INSERT INTO posthorn.${table.name} (${names}) SELECT * FROM unnest(${arrays})`,
    table.columns.map((column, index) => arrayOf(column.kind, rows, index)),
  );
}

function arrayOf(kind: keyof typeof ARRAYS, rows: readonly TransferRow[], index: number): Value {
  const values = rows.map((row) => row[index] ?? null);
  if (kind === 'integer') return bigints(values as (number | null)[]);
  return kind === 'text' ? texts(values as (string | null)[]) : byteArrays(values as (Buffer | null)[]);
}

/** Partitions are as old as what is in them. */
async function addPartitions(
  tx: LongSession,
  table: TransferTable,
  rows: readonly TransferRow[],
  known: Set<number>,
): Promise<void> {
  const [keys, times] = [columnOf(table, rows, 'message_key'), columnOf(table, rows, 'created_at')];
  for (const [index, key] of (keys as number[]).entries()) {
    const number = Math.floor(key / KEYS);
    if (known.has(number)) continue;
    await tx.arrays(PARTITION_ADD, [number]);
    const began = 'UPDATE posthorn.partition SET began_at = least(began_at, $2) WHERE number = $1';
    await tx.arrays(began, [number, times[index] as number]);
    known.add(number);
  }
}

async function insertEventIds(
  tx: LongSession,
  table: TransferTable,
  rows: readonly TransferRow[],
): Promise<void> {
  const eventIds = columnOf(table, rows, 'event_id');
  const named = rows.filter((_, index) => eventIds[index] !== null);
  if (named.length === 0) return;
  await tx.arrays(EVENT_IDS, [
    bigints(columnOf(table, named, 'application_key') as number[]),
    texts(columnOf(table, named, 'event_id') as string[]),
    bigints(columnOf(table, named, 'message_key') as number[]),
  ]);
}

function ownedRows(name: TableName): string {
  return PARTITIONED.includes(name) ? `posthorn.${name} WHERE ${OWNED}` : `posthorn.${name}`;
}

function columnOf(table: TransferTable, rows: readonly TransferRow[], name: string) {
  const index = table.columns.findIndex((column) => column.name === name);
  return rows.map((row) => row[index] ?? null);
}

/** What was being sent when it was exported may not be the first of its line. */
async function giveTurns(session: LongSession, now: number): Promise<void> {
  for (let last: Line = { endpointKey: 0, orderKey: '' }; ; ) {
    const rows = await session.transaction(async (tx) => {
      const after = [last.endpointKey, last.orderKey, TRANSFER_LINES_STEP];
      const found = await tx.arrays<[number, string]>(PENDING_LINES, after);
      const lines = found.map(([endpointKey, orderKey]) => ({ endpointKey, orderKey }));
      await advanceLines(tx, lines, now);
      return lines;
    });
    if (rows.length === 0) return;
    last = rows.at(-1) as Line;
  }
}
