import pg from 'pg';
import { StoreError } from '../store.ts';
import { type Database, type Executor, statement, unprepared } from './connection.ts';
import { isTimeout } from './errors.ts';

/** Message keys of one partition. */
export const KEYS = 2 ** 30;

/** In the order in which they are detached: of a delivery that is found its message is there. */
const TABLES = ['delivery', 'attempt', 'message'] as const;

type Standing = 'attached' | 'detaching' | 'detached' | 'absent';

const STANDING = statement(
  `SELECT CASE WHEN to_regclass($1) IS NULL THEN 'absent' ELSE coalesce(
     (SELECT CASE WHEN inhdetachpending THEN 'detaching' ELSE 'attached' END FROM pg_catalog.pg_inherits
      WHERE inhrelid = to_regclass($1)), 'detached') END AS standing`,
);

/**
 * Takes a partition out of the three tables. What is being read and written goes on: whoever used a table before is waited for. False:
 * that took too long, it is left half done, and the next call goes on. By then nobody finds anything of it any more, in any of the
 * tables: a message without its deliveries is found for no longer than a statement may take.
 */
export async function detachTables(db: Database, number: number): Promise<boolean> {
  let isDone = true;
  for (const table of TABLES) {
    try {
      await detachTable(db, table, number);
    } catch (error) {
      if (!isTimeout(error)) throw error;
      isDone = false;
      if ((await standingOf(db, table, number)) === 'attached') break;
    }
  }
  return isDone;
}

async function detachTable(db: Database, table: string, number: number): Promise<void> {
  const standing = await standingOf(db, table, number);
  const how = { attached: 'CONCURRENTLY', detaching: 'FINALIZE', detached: null, absent: null }[standing];
  if (how === null) return;
  const partition = `posthorn.${table}_${number}`;
  await db.changes(unprepared(`ALTER TABLE posthorn.${table} DETACH PARTITION ${partition} ${how}`));
}

/** Puts it back. Detached ones have a constraint that spares looking at all rows. */
export async function attachTables(db: Database, number: number): Promise<void> {
  for (const table of TABLES.toReversed()) {
    if ((await standingOf(db, table, number)) !== 'detached') continue;
    const bounds = `FROM (${number * KEYS}) TO (${(number + 1) * KEYS})`;
    await db.changes(
      unprepared(
        `ALTER TABLE posthorn.${table} ATTACH PARTITION posthorn.${table}_${number} FOR VALUES ${bounds}`,
      ),
    );
  }
}

export async function dropTables(db: Database, number: number): Promise<void> {
  const names = TABLES.map((table) => `posthorn.${table}_${number}`);
  await db.changes(unprepared(`DROP TABLE IF EXISTS ${names}`));
}

/**
 * Whether anything of a partition, attached or not, is yet to be sent or stands before others. Each condition is that of an index
 * which has nothing else in it.
 */
export async function isOpen(db: Executor, number: number): Promise<boolean> {
  if ((await standingOf(db, 'delivery', number)) === 'absent') return false;
  const conditions = [
    'state = 0 AND next_attempt_at IS NOT NULL',
    'state = 0 AND next_attempt_at IS NULL',
    'state = 1',
    'state = 4',
    'order_key IS NOT NULL AND state IN (0, 1, 3, 4)',
  ];
  const deliveries = conditions.map(
    (each) => `EXISTS (SELECT 1 FROM posthorn.delivery_${number} WHERE ${each})`,
  );
  const [from, before] = [number * KEYS, (number + 1) * KEYS];
  const resends = `EXISTS (SELECT 1 FROM posthorn.resend WHERE message_key >= ${from} AND message_key < ${before})`;
  const found = await db.row<{ open: boolean }>(
    unprepared(`SELECT ${[...deliveries, resends].join(' OR ')} AS open`),
  );
  return found?.open ?? true;
}

async function standingOf(db: Executor, table: string, number: number): Promise<Standing> {
  const found = await db.row<{ standing: Standing }>(STANDING, [`posthorn.${table}_${number}`]);
  return found?.standing ?? 'absent';
}

/** Of a row whose partition was dropped, or is being dropped: it is about a message that is gone. */
export function hasNoPartition(error: unknown): boolean {
  const cause = error instanceof StoreError ? error.cause : error;
  return cause instanceof pg.DatabaseError && cause.code === '23514' && cause.routine === 'ExecFindPartition';
}

/** Whether there is a partition of attempts for each of these messages. */
export async function havePartitions(db: Executor, messageKeys: readonly number[]): Promise<boolean[]> {
  const numbers = new Set(messageKeys.map((key) => Math.floor(key / KEYS)));
  const there = new Set<number>();
  for (const number of numbers) {
    if ((await standingOf(db, 'attempt', number)) === 'attached') there.add(number);
  }
  return messageKeys.map((key) => there.has(Math.floor(key / KEYS)));
}
