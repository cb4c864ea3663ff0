import {
  PARTITION_CLOSED_MS,
  PARTITION_KEYS,
  PARTITION_MS,
  PARTITIONS,
  PARTITIONS_AHEAD,
} from '../../limits.ts';
import { type Database, statement } from './connection.ts';
import { isTimeout } from './errors.ts';
import { tryLock } from './locks.ts';
import { attachTables, detachTables, dropTables, isOpen, KEYS } from './partition-tables.ts';

/**
 * The three large tables have a partition for each 2^30 message keys. From time to time the sequence of keys goes on with those of
 * the next partition, so that a partition is of a time, and can be dropped when all in it is too old to keep:
 *
 *     ahead ──its keys come──► current ──keys of the next──► past ──too old, nothing open──► closed ──10 minutes──► ending ──► gone
 *                                                              ▲                               │
 *                                                              └────── something is open ──────┘
 */
interface Past {
  readonly number: number;
  readonly closedAt: number | null;
  readonly ending: 0 | 1;
  /** When the next one began: all messages of this one are older. */
  readonly endedAt: number | null;
}

interface Current {
  readonly number: number;
  /** Keys of it were given. */
  readonly used: boolean;
  readonly beganAt: number | null;
}

/** So near to the end of its keys a partition is not left before them: others of them may be given in the same moment. */
const KEYS_AT_END = 10_000_000;

const CURRENT = statement(
  `SELECT s.number, s.used, p.began_at AS "beganAt"
   FROM (SELECT last_value >> 30 AS number, is_called AND (last_value & ((1 << 30) - 1)) > 0 AS used FROM posthorn.message_key) AS s
   LEFT JOIN posthorn.partition p ON p.number = s.number`,
);
const ADD = statement(
  `SELECT posthorn.partition_add(number) FROM generate_series($1::bigint, $2::bigint) AS wanted (number)
   WHERE NOT EXISTS (SELECT 1 FROM posthorn.partition p WHERE p.number = wanted.number)`,
);
const BEGAN = statement('UPDATE posthorn.partition SET began_at = $2 WHERE number = $1');
const MOVE_ON = statement(
  "SELECT setval('posthorn.message_key', $1::bigint) FROM posthorn.message_key WHERE last_value < $1::bigint - $2::bigint",
);
const PAST = statement(
  `SELECT p.number, p.closed_at AS "closedAt", p.ending,
     (SELECT min(next.began_at) FROM posthorn.partition next WHERE next.number > p.number) AS "endedAt"
   FROM posthorn.partition p WHERE p.number < $1 ORDER BY p.number`,
);
const CLOSED = statement('UPDATE posthorn.partition SET closed_at = $2 WHERE number = $1');
const ENDING = statement('UPDATE posthorn.partition SET ending = 1 WHERE number = $1');
const OPEN_AGAIN = statement('UPDATE posthorn.partition SET ending = 0, closed_at = NULL WHERE number = $1');
const GONE = statement('DELETE FROM posthorn.partition WHERE number = $1');
const DELETE_EVENT_IDS = statement(
  `DELETE FROM posthorn.event_id WHERE ctid = ANY (ARRAY (
     SELECT ctid FROM posthorn.event_id WHERE message_key >= $1 AND message_key < $2 ORDER BY message_key LIMIT $3))`,
);

/** Makes partitions ahead, begins a new one when it is time, and drops those that are too old. One process at a time; others do nothing. */
export async function tendPartitions(
  db: Database,
  { now, keepMs }: { now: number; keepMs: number | null },
): Promise<void> {
  await db.transaction(async (tx) => {
    if (!(await tryLock(tx, 'partitions'))) return;
    // On other connections: what waits here for the users of a table must not be one of them, and has to be no transaction.
    await addAhead(db, await readCurrent(db));
    await beginNext(db, await readCurrent(db), now, lengthOf(keepMs));
    const current = await readCurrent(db);
    await addAhead(db, current);
    const keptSince = keepMs === null ? null : now - keepMs;
    for (const past of await db.rows<Past>(PAST, [current.number])) {
      // Whoever is waited for is in the way of the next one, too: of each table one partition at a time can be half detached.
      if (!(await tendPast(db, past, now, keptSince))) return;
    }
  });
}

function lengthOf(keepMs: number | null): number {
  if (keepMs === null) return PARTITION_MS.most;
  return Math.min(Math.max(keepMs / PARTITIONS, PARTITION_MS.least), PARTITION_MS.most);
}

async function readCurrent(db: Database): Promise<Current> {
  return (await db.row<Current>(CURRENT)) as Current;
}

async function addAhead(db: Database, { number }: Current): Promise<void> {
  await db.rows(ADD, [number, number + PARTITIONS_AHEAD]);
}

async function beginNext(db: Database, { number, used, beganAt }: Current, now: number, length: number) {
  // So many messages came that it began by itself.
  if (beganAt === null) await db.changes(BEGAN, [number, now]);
  if (!used || now - (beganAt ?? now) < length) return;
  const next = number + 1;
  const moved = await db.rows(MOVE_ON, [next * KEYS, KEYS_AT_END]);
  if (moved.length > 0) await db.changes(BEGAN, [next, now]);
}

/** Drops it when it is time. False: that would take too long, and goes on the next time. */
async function tendPast(db: Database, past: Past, now: number, keptSince: number | null): Promise<boolean> {
  if (past.ending === 0 && !(keptSince !== null && (await isClosed(db, past, now, keptSince)))) return true;
  const { number } = past;
  try {
    if (!(await detachTables(db, number))) return false;
    // Nobody can change it any more.
    if (await isOpen(db, number)) {
      await attachTables(db, number);
      await db.changes(OPEN_AGAIN, [number]);
      return true;
    }
    await dropTables(db, number);
  } catch (error) {
    if (isTimeout(error)) return false;
    throw error;
  }
  if (await forgetEventIds(db, number)) await db.changes(GONE, [number]);
  return true;
}

/** All of it is too old, and nothing of it was open for a while. */
async function isClosed(db: Database, past: Past, now: number, keptSince: number): Promise<boolean> {
  const { number, closedAt, endedAt } = past;
  if (endedAt === null || endedAt >= keptSince) return false;
  if (await isOpen(db, number)) {
    if (closedAt !== null) await db.changes(OPEN_AGAIN, [number]);
    return false;
  }
  if (closedAt === null) await db.changes(CLOSED, [number, now]);
  if (now - (closedAt ?? now) < PARTITION_CLOSED_MS) return false;
  await db.changes(ENDING, [number]);
  return true;
}

/** False: there may be more. (Messages that are yet to expire are forgotten when their time comes.) */
async function forgetEventIds(db: Database, number: number): Promise<boolean> {
  const { call, step } = PARTITION_KEYS;
  for (let deleted = 0; deleted < call; deleted += step) {
    const count = await db.changes(DELETE_EVENT_IDS, [number * KEYS, (number + 1) * KEYS, step]);
    if (count < step) return true;
  }
  return false;
}
